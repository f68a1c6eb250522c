"""A rollout in a sentence, and its steps: from the read model to what the page shows. Pure."""

from dataclasses import dataclass
from datetime import datetime

from headway.store.views.rollout import RolloutView, StepView
from headway.web import words
from headway.web.journey import Headline


@dataclass(frozen=True, slots=True)
class Stage:
    """One step as the macro `steps` of parts.html takes it."""

    state: str
    share: str
    when: str
    word: str
    now: bool


def verdict(view: RolloutView) -> str:
    """The judge's last word: PASS, WAIT, FAIL, or nothing yet."""
    told = [s.outcome for s in view.steps if s.outcome]
    return told[-1] if told else ""


def reason(view: RolloutView) -> str:
    """Why the judge said so."""
    told = [s.because for s in view.steps if s.because]
    return told[-1] if told else ""


def headline(view: RolloutView) -> Headline:
    """How it stands, and why."""
    if view.outcome:
        return _ended(view)
    name, share, because = view.release, words.percent(view.share), reason(view)
    if view.phase == "preparing" or view.step < 0:
        return Headline("run", "run", f"{name} is being started. No user reaches it yet.", because)
    if view.paused:
        return Headline("wait", "pause", f"{name} stays at {share}: {view.paused}.", because)
    if view.held:
        more = f" {view.outlook.because}" if view.outlook else ""
        says = f"{name} stays at {share} until somebody decides: {view.held}."
        return Headline("wait", "wait", says, f"{because}{more}")
    if view.phase == "stability":
        return Headline("run", "run", f"{name} serves everyone and is still watched.", because)
    return _judged(view, because)


def _judged(view: RolloutView, because: str) -> Headline:
    name, against = view.release, view.stable
    match verdict(view):
        case "PASS":
            says = (
                f"{name} is as good as {against} so far." if against else f"{name} is good so far."
            )
            return Headline("pass", "pass", says, because)
        case "FAIL":
            back = against or "nothing"
            return Headline("fail", "rollback", f"{name} failed. Going back to {back}.", because)
        case "WAIT":
            more = f" {view.outlook.because}" if view.outlook else ""
            return Headline("wait", "wait", "Not enough data yet.", f"{because}{more}")
    said = "The judge has no window of data yet."
    return Headline("run", "run", f"{name} has {words.percent(view.share)} of traffic.", said)


def _ended(view: RolloutView) -> Headline:
    name, since = view.release, words.clock(view.finished_at)
    known = words.state(view.outcome)
    if view.outcome == "released":
        return Headline("pass", "pass", f"{name} is released since {since}.", view.because)
    if view.outcome == "rolled_back":
        took = f" {view.milliseconds:,.0f} ms after the decision" if view.milliseconds else ""
        back = f"{view.stable} serves everyone again{took}." if view.stable else "Nothing serves."
        moved = [m.at for m in view.moves if m.what == "rolled back"]
        since = words.clock(moved[-1]) if moved else since
        says = f"{name} was rolled back at {since}. {back}"
        return Headline("fail", "rollback", says, view.because)
    says = f"{name}: {known.word.lower()} since {since}."
    return Headline(known.state, known.icon, says, view.because)


def exposure(view: RolloutView) -> str:
    """How many requests met what went back, for how long, and at which share at most. Empty for
    whatever did not go back, or reached nobody.
    """
    met = [s for s in view.steps if s.began_at is not None and s.share]
    requests = sum(s.candidate.requests for s in met)
    if view.outcome not in {"rolled_back", "failed"} or not requests:
        return ""
    share = words.percent(max(s.share for s in met))
    seconds = sum(s.seconds or 0.0 for s in met)
    wrong = sum(s.candidate.errors for s in met)
    counted = f"the judge counted {requests:,} requests there, {wrong:,} of them errors"
    return f"At most {share} of traffic met it, for {words.lasting(seconds)}; {counted}."


def stages(view: RolloutView, now: datetime) -> list[Stage]:
    """Each step with its share, when it was, how it went."""
    begun = [s.step for s in view.steps if s.began_at is not None]
    last = begun[-1] if begun else -1
    return [_stage(view, step, last, now) for step in view.steps]


def _stage(view: RolloutView, step: StepView, last: int, now: datetime) -> Stage:
    share = words.percent(step.share)
    if step.mirror:
        share = f"{words.percent(step.mirror)} mirrored"
    here = step.step == last and not view.outcome
    state, word = _how(view, step, last)
    return Stage(state, share, _when(step, now), word, here)


def _when(step: StepView, now: datetime) -> str:
    if step.began_at is None:
        return ""
    seconds = step.seconds
    if seconds is None:
        seconds = (now - step.began_at).total_seconds()
    return f"{words.clock(step.began_at)}, {words.lasting(seconds)}"


def _how(view: RolloutView, step: StepView, last: int) -> tuple[str, str]:
    if step.began_at is None:
        if view.outcome:
            return "none", "Never reached"
        return "none", "Next" if step.step == last + 1 else "Later"
    if step.step < last or view.outcome in {"released", "shadowed"}:
        return "pass", "Passed" if step.outcome == "PASS" else "Done"
    if view.outcome:
        return "fail", "Failed here" if step.outcome == "FAIL" else words.state(view.outcome).word
    if view.paused or view.held:
        return "wait", "Paused" if view.paused else "Held"
    if view.phase == "stability":
        return "run", "Watched"
    said = {"PASS": "passing", "WAIT": "not enough data", "FAIL": "failing"}.get(step.outcome, "")
    return "run", f"Baking, {said}" if said else "Baking"
