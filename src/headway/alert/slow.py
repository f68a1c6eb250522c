"""Which step of a delivery took much longer than it usually does. Called by flows/alert_rounds when
a delivery has ended.

Steps are compared one by one with the service's last successful deliveries, because a whole
delivery is mostly waiting: for approvals, and for the bake times of a rollout. Those are no step
here. What is: each job of the build; in each environment the time from the rollout's beginning
until the proxy has confirmed its first step (images are fetched, databases migrate, instances get
ready), and its tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from headway.alert.sources import End, Found, symptom
from headway.model.event import Event

RULE = "slow_delivery"
KINDS = ("rollout.started", "rollout.shifted", "tests.finished")
JOB = "job.finished:"
LAST, FEWEST = 20, 5  # deliveries to compare with
TIMES, LEAST_SECONDS = 2.0, 5.0  # so much longer than usual, and not only by a moment

Events = Sequence[Event]


@dataclass(frozen=True, slots=True)
class Slow:
    """A step, how long it took now and usually (median of `of` deliveries), in seconds."""

    step: str
    seconds: float
    usual: float
    of: int


def steps(delivery: Events) -> dict[str, float]:
    """Seconds of each step that came to its end, by name. `delivery`: its events, in order."""
    found: dict[str, float] = {}
    for event in delivery:
        if event.kind.startswith(JOB):
            found[f"job {event.kind.removeprefix(JOB)}"] = _seconds(event)
    for environment in dict.fromkeys(e.environment for e in delivery if e.environment):
        here = [e for e in delivery if e.environment == environment]
        found |= _deployed(environment, here)
    return found


def _deployed(environment: str, here: Events) -> dict[str, float]:
    tests = [e for e in here if e.kind == "tests.finished"]
    found = {f"tests in {environment}": sum(map(_seconds, tests))} if tests else {}
    began = next((e for e in here if e.kind == "rollout.started"), None)
    first = next((e for e in here if e.kind == "rollout.shifted"), None)
    if began and first:
        between = sum(_seconds(e) for e in tests if began.seq < e.seq < first.seq)
        found[f"deploy to {environment}"] = max(0.0, first.at - began.at - between)
    return found


def _seconds(event: Event) -> float:
    """Of a job, or of all requests of a test; 0 for what an older version wrote down without."""
    known = event.data.get("tests")
    parts = known if isinstance(known, list) else [event.data]
    said = [p.get("seconds") for p in parts if isinstance(p, dict)]
    return float(sum(s for s in said if isinstance(s, int | float)))


def slowest(delivery: Events, past: Sequence[Events]) -> Slow | None:
    """The step that lost the most time; None if none took more than twice its usual time, or fewer
    than five of the `past` successful deliveries had it.
    """
    known = [steps(one) for one in past[:LAST]]
    found = []
    for step, seconds in steps(delivery).items():
        before = [one[step] for one in known if step in one]
        if len(before) >= FEWEST:
            found.append(Slow(step, seconds, median(before), len(before)))
    slow = [
        s for s in found if s.seconds > TIMES * s.usual and s.seconds - s.usual >= LEAST_SECONDS
    ]
    return max(slow, key=lambda s: s.seconds - s.usual, default=None)


def read(event: Event, delivery: Events, past: Sequence[Events]) -> Found:
    """What the end of a delivery says about its speed: slow, or as it should be again."""
    whole = replace(event, environment="")
    slow = slowest(delivery, past)
    if slow is None:
        again = event.data.get("outcome") == "delivered"
        ends = (End(event.service, "", frozenset({RULE})),)
        return Found(ends=ends if again else ())
    said = f"{slow.step} took {_words(slow.seconds)}, usually {_words(slow.usual)}"
    summary = f"the delivery was slow: {said} (median of the last {slow.of} that succeeded)"
    told = symptom(whole, RULE, summary, "duration")
    return Found((replace(told, labels=told.labels | {"slow_step": slow.step}),))


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"
