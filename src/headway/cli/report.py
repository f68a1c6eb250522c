"""A rollout in full as lines: the analysis report of `headway rollout show`."""

from headway.analysis.judge import SignalFinding
from headway.store.views.rollout import RolloutView, StepView
from headway.store.views.window import Side, WindowView
from headway.wording.text import clock, columns, marked, percent, plain, span

NO_EVIDENCE = -1e6


def report(view: RolloutView, every: list[WindowView]) -> list[str]:
    """Head, steps, signals, moves; each window too if given."""
    lines = _head(view)
    lines += ["", *columns([STEPS, *(_step(s) for s in view.steps)])]
    for step in view.steps:
        lines += _signals(step)
    lines += _compared(view)
    lines += ["", *columns([_move(view, m) for m in range(len(view.moves))])]
    if every:
        lines += ["", *columns([WINDOWS, *(_window(w) for w in every)])]
    return lines


STEPS = ("STEP", "SHARE", "TIME", "CANDIDATE", "STABLE", "EVIDENCE", "VERDICT", "WHY")
WINDOWS = ("WINDOW", "SECONDS", "STEP", "CANDIDATE", "STABLE")


def _head(view: RolloutView) -> list[str]:
    against = f" against {view.stable}" if view.stable else ", the first release there"
    halted = "stopped" if view.stopped else "held" if view.held else ""
    state = view.outcome or halted or ("paused" if view.paused else view.phase)
    lines = [
        f"{view.release} in {plain(view.service)}/{plain(view.environment)}{against}",
        f"  {marked(state)}  {view.strategy}, pace {view.pace}, holdback {percent(view.holdback)}",
        f"  {view.id}, delivery {view.delivery}",
        f"  {view.digest}",
        f"  started {clock(view.started_at)}" + _ended(view),
    ]
    if view.waits:
        lines.append(f"  waits   {plain(view.waits)}")
    elif view.because:
        lines.append(f"  because {plain(view.because)}")
    if view.outlook is not None and view.outlook.because not in view.waits:
        lines.append(f"  {plain(view.outlook.because)}")
    if view.snapshot is not None:
        warned = view.snapshot.stale or not view.snapshot.used
        lines.append(f"  {'⚠' if warned else '●'} {plain(view.snapshot.because)}")
    if view.milliseconds is not None:
        lines.append(f"  back on {view.stable} {view.milliseconds:.0f} ms after the decision")
    if view.recovery:
        lines.append(f"  {marked(view.recovery)}: {view.stable} afterwards")
    return lines


def _ended(view: RolloutView) -> str:
    if view.finished_at is None:
        return ""
    took = (view.finished_at - view.started_at).total_seconds()
    return f", ended {clock(view.finished_at)}, {span(took)}"


def _step(step: StepView) -> tuple[str, ...]:
    return (
        str(step.step + 1),
        f"mirror {percent(step.mirror)}" if step.mirror else percent(step.share),
        span(step.seconds) if step.seconds is not None else "",
        side(step.candidate),
        side(step.stable),
        _evidence(step),
        marked(step.outcome) if step.outcome else "",
        step.because,
    )


def _evidence(step: StepView) -> str:
    if step.log_evidence is None or step.boundary is None:
        return ""
    held = f"{step.log_evidence:.1f}" if step.log_evidence > NO_EVIDENCE else "none"
    return f"{held} of {step.boundary:.1f}"


def side(seen: Side) -> str:
    """`0.21% of 4,512 (0.1% to 0.39%)`: error share of requests with its 95 % interval."""
    if seen.share is None or seen.low is None or seen.high is None:
        return "no requests"
    between = f"{percent(seen.low)} to {percent(seen.high)}"
    return f"{percent(seen.share)} of {seen.requests:,} ({between})"


def _signals(step: StepView) -> list[str]:
    """What the judge held at the step's end, the strongest first."""
    known = sorted(step.signals, key=lambda s: -s.log_evidence)[:8]
    if not known:
        return []
    rows = [
        (
            f"  {s.name}",
            s.why,
            f"evidence {s.log_evidence:.1f}" if s.log_evidence > NO_EVIDENCE else "no evidence",
            _word(s, step.boundary),
        )
        for s in known
    ]
    return ["", f"signals at step {step.step + 1}", *(f"  {line}" for line in columns(rows))]


def _word(signal: SignalFinding, boundary: float | None) -> str:
    if boundary is not None and signal.log_evidence >= boundary:
        return "harm"
    return "harm excluded" if signal.harm_excluded else ""


def _compared(view: RolloutView) -> list[str]:
    """What differed in the answers to mirrored requests; the newest examples first."""
    found = view.compared
    if found is None:
        return []
    kinds = ", ".join(f"{plain(kind)} {n}" for kind, n in sorted(found.kinds.items()))
    head = f"answers compared: {found.compared}, {found.candidate} differ" + (
        f" ({kinds})" if kinds else ""
    )
    rows = [
        (
            f"  {plain(str(e['method']))} {plain(str(e['path']))}",
            f"{e['kind']} {plain(str(e['field']))}".strip(),
            f"{e['candidate_status']} against {e['stable_status']}",
        )
        for e in found.examples[:-9:-1]
    ]
    return ["", f"{head}; {found.control} of stable's own differ", *columns(rows)]


def _move(view: RolloutView, number: int) -> tuple[str, ...]:
    move = view.moves[number]
    step = f"step {move.step + 1}" if move.step is not None and move.step >= 0 else ""
    unproven = "not proven" if move.proven is False else ""
    return (clock(move.at), move.what, step, unproven, move.because)


def _window(window: WindowView) -> tuple[str, ...]:
    return (
        str(window.index),
        f"{window.start:.0f} to {window.end:.0f}",
        str(window.step + 1),
        side(window.candidate) if window.candidate else "no data",
        side(window.stable) if window.stable else "no data",
    )
