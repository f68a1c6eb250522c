"""How much longer "insufficient data" lasts: the judge asked about the present rates going on.

An estimate, never a promise. Called by flows once when a rollout is held, and by the read models.
Bounded: at most about 20 questions to the judge for each share looked at (docs/how-to/
read-a-verdict.md says what that costs).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from headway.analysis.imagined import Course, Present, present
from headway.analysis.judge import Setup, State, judge
from headway.model.rollout import Rollout
from headway.model.verdict import Outcome
from headway.model.window import Window

MOST_SHARES = 3
REFINEMENTS = 2
COINS = 16
FARTHEST = 86400.0


@dataclass(frozen=True, slots=True)
class Ahead:
    """What could be tried. `steps`: (index, share) of the step in force and those after it that
    ask for proof. `left_seconds`: until the deadline, None if there is none any more.
    """

    steps: tuple[tuple[int, float], ...]
    left_seconds: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """If it went on at `share` from now on. `outcome`: PASS (harm excluded), FAIL (rolled back), or
    WAIT: nothing until `seconds`, the end of what was looked at. `requests`: the candidate's.
    """

    step: int
    share: float
    outcome: str
    seconds: float
    requests: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """`rate`: requests per second of both versions, as seen in the last `over_seconds`."""

    rate: float
    over_seconds: float
    left_seconds: float | None
    forecasts: tuple[Forecast, ...]
    because: str


def ahead(rollout: Rollout, now: float) -> Ahead:
    """The steps still to be proven, the present one first."""
    plan = rollout.plan
    if rollout.at < 0 or not plan.steps[rollout.at].share:
        return Ahead((), None)  # nobody is there yet, or only copies of requests
    steps = [
        (index, step.share)
        for index, step in enumerate(plan.steps)
        if index >= rollout.at and step.proof and step.share > 0
    ]
    left = plan.deadline_seconds - (now - rollout.started)
    return Ahead(tuple(steps[:MOST_SHARES]), left if left > 0 else None)


def outlook(setup: Setup, state: State, windows: Sequence[Window], todo: Ahead) -> Outlook | None:
    """None where there is nothing to prove, or the judge has decided for good. Pure."""
    if not todo.steps or not windows or state.failed:
        return None
    now = present(windows, setup.analysis.signals)
    if now is None:
        return Outlook(0.0, 0.0, todo.left_seconds, (), NO_RATE)
    found: list[Forecast] = []
    left = todo.left_seconds
    for step, share in todo.steps:
        course = Course(now, windows[-1].end, windows[-1].index + 1, step, share)
        found.append(_forecast(setup, state, course))
        late = found[-1].outcome == Outcome.PASS and not _in_time(found[-1], left)
        if len(found) > 1 and not late:
            break  # it settles it; or it never would, and then a later step, held to more, neither
    return Outlook(
        rate=round(now.rate, 3),
        over_seconds=round(now.over_seconds, 3),
        left_seconds=todo.left_seconds,
        forecasts=tuple(found),
        because=_told(now, tuple(found), todo.left_seconds),
    )


def _forecast(setup: Setup, state: State, course: Course) -> Forecast:
    """Ever longer windows until the judge decides; then the last one is made shorter again."""
    since, length = 0.0, setup.analysis.pace.window
    singly = COINS * length if course.now.values else 0.0  # a value is one coin in each window
    while since < FARTHEST:
        after, outcome = _asked(setup, state, course, (since, since + length))
        if outcome is not Outcome.WAIT:
            until, outcome = _refined(setup, state, course, (since, since + length))
            window = setup.analysis.pace.window
            return _at(course, outcome, math.ceil(until / window) * window)
        state, since = after, since + length
        length = max(length, since - singly)
    return _at(course, Outcome.WAIT, since)


def _refined(
    setup: Setup, state: State, course: Course, between: tuple[float, float]
) -> tuple[float, Outcome]:
    """The earliest end of a window from `between` that decides, to a quarter of its length."""
    since, until = between
    _, outcome = _asked(setup, state, course, between)
    low = since
    for _ in range(REFINEMENTS):
        middle = 0.5 * (low + until)
        _, then = _asked(setup, state, course, (since, middle))
        if then is Outcome.WAIT:
            low = middle
        else:
            until, outcome = middle, then
    return until, outcome


def _asked(
    setup: Setup, state: State, course: Course, between: tuple[float, float]
) -> tuple[State, Outcome]:
    after, finding = judge(setup, state, course.window(*between))
    # Expected counts differ less than real ones: nothing may be learnt from that.
    return replace(after, spread=state.spread), finding.verdict.outcome


def _at(course: Course, outcome: Outcome, seconds: float) -> Forecast:
    requests = round(course.now.rate * course.share * seconds)
    return Forecast(course.step, course.share, str(outcome), round(seconds, 3), requests)


NO_RATE = "no requests were counted lately: no step would settle it"


def _told(now: Present, found: tuple[Forecast, ...], left: float | None) -> str:
    """The sentence people read."""
    rate = f"at this rate ({number(now.rate)} requests/s, as in the last {span(now.over_seconds)})"
    here, later = found[0], found[1:]
    if here.outcome == Outcome.FAIL:
        return f"{rate} it would be rolled back after about {_long(here)}"
    if here.outcome == Outcome.PASS and _in_time(here, left):
        return f"{rate} about {_long(here)} more at {percent(here.share)}{_sooner(here, later)}"
    why = _never(here, left)
    other = next((f for f in later if f.outcome == Outcome.PASS and _in_time(f, left)), None)
    if other is not None:
        settled = f"{percent(other.share)} would settle it in about {_long(other)}"
        return f"{rate} {why} at {percent(here.share)}; {settled}"
    return f"{rate} {why} at {percent(here.share)}{_nor(later)}"


def _in_time(found: Forecast, left: float | None) -> bool:
    return left is None or found.seconds <= left


def _never(here: Forecast, left: float | None) -> str:
    if here.outcome == Outcome.PASS and left is not None:
        return f"not within the deadline ({span(left)} left; it needs about {_needs(here)})"
    return "nothing would be proven, neither harm nor its absence,"


def _sooner(here: Forecast, later: tuple[Forecast, ...]) -> str:
    quick = [f for f in later if f.outcome == Outcome.PASS and f.seconds < 0.7 * here.seconds]
    if not quick:
        return ""
    return f", or {span(quick[0].seconds)} at {percent(quick[0].share)}"


def _nor(later: tuple[Forecast, ...]) -> str:
    return f", nor at {' or '.join(percent(f.share) for f in later)}" if later else ""


def _long(found: Forecast) -> str:
    return f"{span(found.seconds)} ({found.requests:,} requests)"


def _needs(found: Forecast) -> str:
    return f"{span(found.seconds)}, {found.requests:,} requests"


def number(value: float) -> str:
    """`0.4`, `52`: two digits for what is small."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def percent(share: float) -> str:
    """`5 %`."""
    return f"{100 * share:.3g} %"


def span(seconds: float) -> str:
    """`40 s`, `14 min`, `3 h`, `2 days`, as coarse as the estimate is."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.2g} h"
    return f"{seconds / 86400:.0f} days"
