"""What a delivery came to, as an exit code and as a few lines."""

from headway.cli.hints import hint
from headway.store.views.delivery import DeliveryView, Visit
from headway.wording.text import marked, percent, plain, span

STILL_WAITING = 5
EXIT_CODES = {
    "delivered": 0,
    "failed": 1,
    "cancelled": 1,
    "refused": 3,
    "rolled_back": 4,
    "superseded": 7,
}


def exit_code(view: DeliveryView) -> int:
    """0, 1, 3, 4 or 7 of a delivery that has ended; 5 of one that has not."""
    return EXIT_CODES[view.outcome] if view.state == "done" else STILL_WAITING


def summary(view: DeliveryView) -> list[str]:
    """Outcome, why, how long, digest, what to type next."""
    took = f" in {span(view.seconds)}" if view.seconds is not None else ""
    name = view.release or f"{view.service} {view.sha[:12]}"
    told = [f"{marked(view.outcome or view.state)}: {plain(name)}{took}"]
    because = view.because or _waits(view)
    if because:
        code = f"[{view.code}]" if view.code else ""
        told.append(f"  why     {plain(because)}{'' if code in because else f'  {code}'}")
    if view.digest:
        told.append(f"  digest  {view.digest}")
    if view.built_by:
        told.append(f"  built   elsewhere by {plain(view.built_by)}")
    told += [f"  {_place(v)}" for v in view.visits]
    return [*told, f"  next    {hint(next_command(view))}"]


def _waits(view: DeliveryView) -> str:
    here = [v for v in view.visits if v.state in {"held", "waiting"}]
    return here[-1].because if here else ""


def _place(visit: Visit) -> str:
    back = visit.milliseconds
    told = f" ({back:.0f} ms from decision to confirmed)" if back is not None else ""
    address = f"  {visit.address}" if visit.state == "released" and visit.address else ""
    return f"{plain(visit.environment)}: {marked(visit.state)}{told}{address}"


def next_command(view: DeliveryView) -> str:
    """What a person most likely wants to do now."""
    if view.state != "done":
        return _decide(view)
    if view.outcome == "delivered":
        return f"headway status {view.service}"
    if view.outcome == "rolled_back":
        tried = [v for v in view.visits if v.rollout]
        if tried:
            return f"headway rollout show {tried[-1].rollout}"
    return f"headway delivery show {view.id}"


def _decide(view: DeliveryView) -> str:
    here = next((v for v in view.visits if v.state in {"held", "waiting"}), None)
    if here is None:
        return f"headway delivery watch {view.id}"
    if here.state == "held":
        return f'headway rollout promote {here.rollout} --reason "…"   (or abort)'
    waits = [g for g in here.gates if g.outcome == "WAIT"]
    if waits and waits[0].judge == "approval":
        return f'headway approve {view.release} --env {here.environment} --reason "…"'
    if waits and waits[0].judge == "auto":
        return f"headway release start {view.release} --env {here.environment}"
    if waits and waits[0].judge == "train":
        return "headway train list"
    return f"headway delivery watch {view.id}"


def shares(steps: tuple[float, ...]) -> str:
    """`5% 25% 50% 95%`."""
    return " ".join(percent(s) for s in steps)
