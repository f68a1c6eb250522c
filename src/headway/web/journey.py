"""A delivery as the straight line from its commit to released, and where its time went.

Pure: from the read model of a delivery to what the template shows.
"""

from dataclasses import dataclass
from datetime import datetime

from headway.store.views.delivery import DeliveryView, Visit
from headway.web import words

_ENDED = {"released": "pass", "shadowed": "pass", "rolled back": "fail", "failed": "fail"}
_MOVING = frozenset({"entering", "starting", "baking", "stability", "going back"})


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop of the line."""

    state: str
    icon: str
    name: str
    took: str
    word: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Where time went: `start` and `width` are percent of the whole."""

    name: str
    state: str
    start: float
    width: float
    took: str


@dataclass(frozen=True, slots=True)
class Headline:
    """The delivery in a sentence."""

    state: str
    icon: str
    says: str
    because: str


def line(view: DeliveryView) -> list[Stop]:
    """Commit, build, artifact, each environment of the path, released."""
    by_name = {v.environment: v for v in view.visits}
    path = view.path or tuple(by_name)
    asked = words.second(view.requested_at)
    stops = [Stop("pass", "commit", "Commit", asked, words.short(view.sha)[:7])]
    stops += [_build(view), _artifact(view)]
    stops += [_environment(view, name, by_name.get(name)) for name in path]
    return [*stops, _released(view, by_name.get(path[-1]) if path else None)]


def _build(view: DeliveryView) -> Stop:
    if view.built_by:
        return Stop("pass", "build", "Build", "", "Built elsewhere")
    seconds = sum(j.seconds for j in view.jobs)
    took = words.lasting(seconds) if view.jobs else ""
    path = f"/runs/{view.id}" if view.jobs else ""
    red = [j for j in view.jobs if j.outcome not in {"success", "skipped"}]
    if red and not view.digest:
        return Stop("fail", "build", "Build", took, f"{red[0].name} failed", path)
    done = f"{len(view.jobs)} of {len(view.planned)} jobs"
    if len(view.jobs) > len(view.planned):  # a matrix: a job several times
        done = f"{len(view.jobs)} jobs"
    if view.digest or view.release:
        return Stop("pass", "build", "Build", took, done, path)
    if view.state == "done":
        return Stop("fail", "build", "Build", took, "Not built")
    if view.state == "queued":
        return Stop("none", "build", "Build", "", "Not yet")
    return Stop("run", "build", "Build", took, done, path)


def _artifact(view: DeliveryView) -> Stop:
    if not view.digest:
        word = "Not yet" if view.state != "done" else "Never built"
        return Stop("none", "artifact", "Artifact", "", word)
    path = f"/artifacts/{view.digest}"
    return Stop("pass", "artifact", "Artifact", words.size(view.size_bytes), "Signed", path)


def _environment(view: DeliveryView, name: str, visit: Visit | None) -> Stop:
    last = view.path[-1:] == (name,)
    icon = "rollout" if last else "server"
    if visit is None:
        return Stop("none", icon, name, "", "Not yet" if view.state != "done" else "Never reached")
    shown = words.state(visit.state)
    state = _ENDED.get(visit.state) or ("run" if visit.state in _MOVING else shown.state)
    path = f"/rollouts/{visit.rollout}" if visit.rollout else ""
    return Stop(state, icon, name, _took(visit), _word(visit), path)


def _took(visit: Visit) -> str:
    if visit.entered_at is None:
        return ""
    if visit.ended_at is None:
        return f"since {words.clock(visit.entered_at)}"
    return words.lasting((visit.ended_at - visit.entered_at).total_seconds())


def _word(visit: Visit) -> str:
    if visit.state in {"baking", "paused", "held"}:
        return f"{words.state(visit.state).word}, {words.percent(visit.share)}"
    return words.state(visit.state).word


def _released(view: DeliveryView, last: Visit | None) -> Stop:
    if last is not None and last.state == "released":
        return Stop("pass", "globe", "Released", words.second(last.ended_at), "Done")
    word = "Not yet" if view.state != "done" else words.state(view.outcome).word
    return Stop("none" if view.state != "done" else "fail", "globe", "Released", "", word)


def headline(view: DeliveryView) -> Headline:
    """What became of it, or what it does and waits for."""
    name = view.release or f"Commit {words.short(view.sha)}"
    last = view.visits[-1] if view.visits else None
    where = last.environment if last else ""
    if view.state == "done":
        return _ended(view, name, last)
    known = words.state(last.state if last else view.state)
    if last is None:
        return Headline("run", "run", f"{name} is being built.", view.waits or view.because)
    said = {
        "waiting": f"{name} waits before {where}.",
        "entering": f"{name} may enter {where}.",
        "refused": f"{name} may not enter {where}.",
        "starting": f"{name} is being started in {where}; no user reaches it yet.",
        "baking": f"{name} has {words.percent(last.share)} of {where}.",
        "paused": f"{name} is paused at {words.percent(last.share)} of {where}.",
        "held": f"{name} is held at {words.percent(last.share)} of {where}.",
        "stability": f"{name} serves {where} and is still watched.",
        "going back": f"{where} goes back to {last.stable or 'nothing'}.",
        "released": f"{name} is released in {where}.",
    }.get(last.state, f"{name}: {known.word.lower()} in {where}.")
    because = view.waits.removeprefix(f"waits before {where}: ")
    because = because or last.because or (last.verdict.because if last.verdict else "")
    return Headline(known.state, known.icon, said, because)


def _ended(view: DeliveryView, name: str, last: Visit | None) -> Headline:
    known = words.state(view.outcome)
    where = last.environment if last else ""
    because = view.because or (last.because if last else "")
    if view.outcome == "delivered":
        return Headline("pass", "pass", f"{name} is released in {where}.", because)
    if view.outcome == "rolled_back" and last is not None:
        took = f" within {last.milliseconds:,.0f} ms" if last.milliseconds else ""
        back = f"{last.stable} serves everyone again{took}." if last.stable else ""
        says = f"{name} was rolled back in {where}. {back}".strip()
        return Headline("fail", "rollback", says, because)
    how = "failed" if view.outcome == "failed" else f"was {known.word.lower()}"
    return Headline(known.state, known.icon, f"{name} {how}.", because)


def spans(view: DeliveryView, now: datetime) -> list[Span]:
    """Build, waiting and rollout of each environment, in order; nothing before it began."""
    if view.requested_at is None:
        return []
    begin, end = view.requested_at, view.finished_at or now
    whole = max((end - begin).total_seconds(), 0.001)
    found: list[Span] = []

    def add(name: str, state: str, since: datetime, until: datetime) -> None:
        seconds = (until - since).total_seconds()
        if seconds >= whole / 500:
            start, width = ((since - begin).total_seconds(), seconds)
            found.append(
                Span(
                    name,
                    state,
                    round(100 * start / whole, 2),
                    round(100 * width / whole, 2),
                    words.lasting(seconds),
                )
            )

    at = view.jobs[-1].at if view.jobs else begin
    if view.jobs:
        add("Build", "none", begin, at)
    for visit in view.visits:
        entered, ended = visit.entered_at or end, visit.ended_at or end
        add(f"Before {visit.environment}", "wait", at, entered)
        if visit.entered_at:
            bad = visit.state in {"rolled back", "failed"}
            add(visit.environment, "fail" if bad else "run", entered, ended)
        at = ended
    return found
