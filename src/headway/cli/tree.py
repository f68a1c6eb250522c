"""The live tree of one delivery for a terminal: stages, traffic bar, last window, verdict in words.

Built anew from the read model at each change; called by cli/follow.py. Everything is rich Text
without markup, so that hostile text stays text.
"""

from dataclasses import dataclass
from datetime import datetime

from rich.text import Text
from rich.tree import Tree

from headway.store.views.delivery import DeliveryView, JobSeen, Visit
from headway.store.views.window import Side, WindowView
from headway.wording.text import percent, plain, short, span, symbol

BAR = 12
DIM = "bright_black"
OVER = frozenset({"released", "shadowed", "rolled back", "failed", "refused"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A delivery, and the newest window of each of its rollouts."""

    delivery: DeliveryView
    windows: dict[str, WindowView]


def tree(seen: Seen, now: datetime) -> Tree:
    """The whole picture at the time `now`."""
    view = seen.delivery
    root = Tree(_title(view, now), guide_style=DIM)
    _pipeline(root, view)
    if view.digest:
        words = f"{view.release}  {short(view.digest)}"
        root.add(_label("ok", "artifact", words))
    visits = {v.environment: v for v in view.visits}
    for name in view.path or tuple(visits):
        if name in visits:
            _environment(root, view, visits[name], seen.windows)
        elif view.state != "done":
            root.add(_label("later", name, "later"))
    if view.state == "done":
        root.add(_label(view.outcome, view.outcome.replace("_", " "), plain(view.because)))
    return root


def _title(view: DeliveryView, now: datetime) -> Text:
    end = view.finished_at or now
    took = span((end - view.requested_at).total_seconds()) if view.requested_at else ""
    title = Text.assemble((f"{plain(view.service)}  {view.sha[:7]}  ", "bold"))
    return title.append(plain(view.subject, 60)).append(f"  {took}", style=DIM)


def _label(word: str, name: str, text: str) -> Text:
    """Sign, name, words: never colour alone."""
    sign, colour = symbol(word)
    return Text.assemble((f"{sign} ", colour), (f"{plain(name, 40):<11} ", "bold"), text)


def _pipeline(root: Tree, view: DeliveryView) -> None:
    if view.built_by:
        root.add(_label("ok", "pipeline", f"built elsewhere by {plain(view.built_by, 80)}"))
    if not view.planned:
        if view.state in {"queued", "building"}:
            root.add(_label("queued", "pipeline", view.state))
        return
    word = _pipeline_word(view)
    branch = root.add(_label(word, "pipeline", f"{len(view.jobs)} of {len(view.planned)} jobs"))
    if word == "success":
        return
    for job in view.jobs:
        _job(branch, job)
    left = [j for j in view.planned if j not in {d.name for d in view.jobs}]
    if view.state != "done" and left:
        branch.add(_label("running", left[0], "running"))


def _pipeline_word(view: DeliveryView) -> str:
    if any(j.outcome not in {"success", "skipped"} for j in view.jobs):
        return "failed"
    return "success" if {j.id for j in view.jobs} >= set(view.planned) else "running"


def _job(branch: Tree, job: JobSeen) -> None:
    below = branch.add(_label(job.outcome, job.name, f"{job.outcome}, {span(job.seconds)}"))
    for step in job.steps:
        if job.outcome != "success":
            code = f", exit {step.exit}" if step.exit else ""
            below.add(_label(step.outcome, step.name, f"{step.outcome}{code}"))


def _environment(
    root: Tree, view: DeliveryView, visit: Visit, windows: dict[str, WindowView]
) -> None:
    words = _state(visit)
    branch = root.add(_label(visit.state, visit.environment, words))
    if visit.tests:
        red = [t for t in visit.tests if t.problem or t.outcome == "FAIL"]
        good = len(visit.tests) - len(red)
        branch.add(Text(f"tests: {good} of {len(visit.tests)} passed"))
        for test in red[:3]:
            branch.add(Text(f"✗ {plain(test.test)}: {plain(test.problem)}"))
    if visit.state == "waiting":
        for gate in visit.gates:
            branch.add(_label(gate.outcome, gate.judge, f"{gate.outcome}  {plain(gate.because)}"))
    if visit.rollout and visit.state not in OVER:
        _traffic(branch, view, visit, windows.get(visit.rollout))
    elif visit.because and visit.state in OVER - {"released"}:
        branch.add(Text(plain(visit.because)))


def _state(visit: Visit) -> str:
    told = visit.state
    if visit.state in {"baking", "held"} and visit.shares:
        told += f", step {visit.step + 1} of {len(visit.shares)}"
    if visit.milliseconds is not None:
        told += f" in {visit.milliseconds:.0f} ms"
    if visit.state == "released" and visit.address:
        told += f"  {visit.address}"
    return told


def _traffic(branch: Tree, view: DeliveryView, visit: Visit, window: WindowView | None) -> None:
    branch.add(bar(view.release, visit.stable, visit.share))
    if window is not None:
        branch.add(Text(f"{view.release}: {_side(window.candidate)}"))
        if visit.stable:
            branch.add(Text(f"{visit.stable}: {_side(window.stable)}"))
    if visit.verdict is not None:
        sign, colour = symbol(visit.verdict.outcome)
        text = Text.assemble((f"{sign} {visit.verdict.outcome}  ", colour))
        branch.add(text.append(plain(visit.verdict.because)))
    if visit.state == "held":
        branch.add(Text(f"◷ held: {plain(visit.because)}", style="yellow"))


def bar(candidate: str, stable: str, share: float) -> Text:
    """`shop-3 ███░░░░░░░░░ 25%  shop-2 75%`."""
    full = min(BAR, max(1 if share > 0 else 0, round(share * BAR)))
    text = Text(f"{candidate} ").append("█" * full, style="cyan").append("░" * (BAR - full), DIM)
    text.append(f" {percent(share)}")
    return text.append(f"  {stable} {percent(1 - share)}") if stable else text


def _side(side: Side | None) -> str:
    if side is None:
        return "no data"
    rate = f", {percent(side.share)} errors" if side.share is not None else ""
    return f"{side.requests} requests{rate}"
