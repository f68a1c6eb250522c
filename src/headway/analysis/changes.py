"""What would change the verdict: the judge asked again, about a little more harm than now, or about
a little less than there was. Called by `report`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headway.analysis import words
from headway.analysis.bets import chosen_bounds
from headway.analysis.imagined import Course, present, with_bad
from headway.analysis.judge import Setup, State, begin, judge
from headway.analysis.outlook import span
from headway.model.verdict import Outcome
from headway.model.window import Window

AHEAD = 3  # windows looked ahead, each LONGER times as long as a real one
LONGER = 2
FEW, LONGEST = 40.0, 1200.0
MOST_REPLAYED = 60
MOST_BOUNDS = 2


@dataclass(frozen=True, slots=True)
class Change:
    """`count` bad requests of this signal, more than expected, among the candidate's next
    `requests` (in `seconds`), and the verdict is `outcome`. For a version that failed: `count`
    fewer than the `requests`' bad ones that there were, and it had not. None: no number would do.
    """

    signal: str
    count: int | None
    requests: int
    seconds: float
    outcome: str
    because: str


def changes(setup: Setup, state: State, windows: Sequence[Window]) -> tuple[Change, ...]:
    """For errors and the first latency bounds watched. Empty where nothing can be imagined."""
    if not windows:
        return ()
    if state.failed:
        return _spared(setup, windows)
    now = present(windows, setup.analysis.signals)
    last = windows[-1]
    if now is None or last.candidate is None or not last.share:
        return ()
    course = Course(now, last.end, last.index + 1, last.step, last.share)
    bounds = chosen_bounds(state.memory, now.bounds_ms, setup.analysis)
    watched = [None, *list(bounds.values())[:MOST_BOUNDS]]
    return tuple(_harm(setup, state, course, bound) for bound in watched)


def _harm(setup: Setup, state: State, course: Course, bound: int | None) -> Change:
    """The least number of bad requests, spread evenly, that makes the judge fail it."""
    each = _each(setup, course)
    coming = [course.window(i * each, (i + 1) * each) for i in range(AHEAD)]
    requests = sum(w.candidate.total.requests for w in coming if w.candidate)
    ms = None if bound is None else course.now.bounds_ms[bound]
    name, seconds = words.name("", "", ms), each * AHEAD

    def fails(more: int) -> bool:
        then = state
        for number, window in enumerate(coming):
            extra = more * (number + 1) // AHEAD - more * number // AHEAD
            then, finding = judge(setup, then, with_bad(window, bound, extra))
            if finding.verdict.outcome is Outcome.FAIL:
                return True
        return False

    count = _least(fails, requests)
    told = _more(name, count, requests, seconds)
    return Change(name, count, requests, seconds, str(Outcome.FAIL), told)


def _each(setup: Setup, course: Course) -> float:
    """Seconds of an imagined window: all together hold FEW requests, but do not take for ever."""
    enough = FEW / AHEAD / (course.now.rate * course.share)
    return max(setup.analysis.pace.window * LONGER, min(LONGEST, float(math.ceil(enough))))


def _least(enough: Callable[[int], bool], most: int) -> int | None:
    """The least number from 0 to `most` that is enough, taking it that more is never less so."""
    if not most or not enough(most):
        return None
    low, high = -1, most
    while high - low > max(1, high // 64):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _more(name: str, count: int | None, requests: int, seconds: float) -> str:
    among = f"the new version's next {requests:,} requests (about {span(seconds)})"
    if count is None:
        return f"{name}: nothing in {among} would roll it back"
    if count == 0:
        return f"{name}: if it goes on as it is, {among} roll it back"
    what = "more errors than now" if name == "errors" else f"more requests {name} than now"
    return f"{count:,} {what} among {among} would roll it back"


def _spared(setup: Setup, windows: Sequence[Window]) -> tuple[Change, ...]:
    """With how many fewer errors a version that failed had not, by judging it all again."""
    if len(windows) > MOST_REPLAYED:
        return ()
    errors = [w.candidate.total.errors if w.candidate else 0 for w in windows]
    total = sum(errors)

    def spared(fewer: int) -> bool:
        state, taken, seen = begin(setup), 0, 0
        for window, bad in zip(windows, errors, strict=True):
            seen += bad
            due = fewer * seen // total - taken
            taken += due
            less = with_bad(window, None, -due) if due else window
            state, finding = judge(setup, state, less)
            if finding.verdict.outcome is Outcome.FAIL:
                return False
        return True

    count = _least(spared, total) if total else None
    requests = sum(w.candidate.total.requests for w in windows if w.candidate)
    seconds = windows[-1].end - windows[0].start
    told = (
        f"with {count:,} of its {total:,} errors fewer it would not have been rolled back by then"
        if count is not None
        else "it would have been rolled back without any errors, too: they are not what it fell by"
    )
    return (Change("errors", count, requests, seconds, str(Outcome.WAIT), told),)
