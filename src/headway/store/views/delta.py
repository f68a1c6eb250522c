"""A release before and after: what users got of it, and of the release it replaced.

For `headway metric delta`. Both from Headway's own samples: the replaced release in the time before
the rollout began, the new one since it was warm, and apart from it the time in which it was not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from headway.histogram.quantile import quantile
from headway.metrics.samples import increase, summed
from headway.model.errors import Invalid
from headway.model.pace import STANDARD
from headway.model.rollout import Rollout
from headway.model.series import Selector, Series
from headway.store import log
from headway.store.records import loads
from headway.store.samples import Samples
from headway.store.tables import rollouts

BEFORE_SECONDS = 900.0
AFTER_SECONDS = 900.0
_LOOKBACK = 60.0
_BUCKETS = "headway_request_duration_milliseconds_bucket"


@dataclass(frozen=True, slots=True)
class Latency:
    """A percentile in milliseconds lies between `low` and `high`, the ends of its bucket; `about`
    is linear in between.
    """

    about: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """One release over a length of time. None: no data. `error_rate`: 0 to 1."""

    release: str
    seconds: float
    requests: float | None
    error_rate: float | None
    p50: Latency | None
    p95: Latency | None
    p99: Latency | None
    restarts: float | None
    instances: float | None
    cpu_seconds_per_request: float | None
    memory_bytes: float | None


@dataclass(frozen=True, slots=True)
class Delta:
    """The last rollout of the release in the environment. `before` None: nothing ran there.
    `warming`: from the first request of a user until the pace of the judge calls the release warm.
    """

    release: str
    environment: str
    rollout: str
    outcome: str
    before: Stretch | None
    warming: Stretch
    after: Stretch


def delta(
    connection: sa.Connection, samples: Samples, release: str, environment: str, now: float
) -> Delta:
    """Raises Invalid (`unknown-rollout`) if the release was never rolled out there."""
    mine = (rollouts.c.release == release, rollouts.c.environment == environment)
    query = sa.select(rollouts).where(*mine).order_by(rollouts.c.started_at.desc())
    found = connection.execute(query).first()
    if found is None:
        raise Invalid(
            f"{release} was never rolled out to {environment}",
            next=f"headway release show {release}",
            code="unknown-rollout",
        )
    shifts = log.after(connection, 0, subject=found.id, kind="rollout.shifted")
    began = shifts[0].at if shifts else found.started_at
    ends = found.finished_at if found.outcome == "rolled_back" else began + AFTER_SECONDS
    where = {"service": found.service, "environment": environment}
    before = None
    if found.stable:
        start = found.started_at - BEFORE_SECONDS
        before = _stretch(samples, {**where, "release": found.stable}, start, found.started_at)
    ends = min(now, ends)
    pace = loads(found.state, Rollout).plan.pace if found.state else STANDARD
    warm = min(began + pace.warm, ends)
    mine_there = {**where, "release": release}
    warming = _stretch(samples, mine_there, began, warm)
    after = _stretch(samples, mine_there, warm, ends)
    outcome = found.outcome or "running"
    return Delta(release, environment, found.id, outcome, before, warming, after)


def _stretch(samples: Samples, labels: dict[str, str], begin: float, end: float) -> Stretch:
    def of(metric: str) -> tuple[Series, ...]:
        return samples.fetch(Selector(metric, labels), begin - _LOOKBACK, end)

    requests = _grown(of("headway_requests_total"), begin)
    errors = _grown(of("headway_request_errors_total"), begin)
    bounds, counts = _histogram(of(_BUCKETS), begin)
    return Stretch(
        release=labels["release"],
        seconds=max(0.0, end - begin),
        requests=requests,
        error_rate=errors / requests if requests and errors is not None else None,
        p50=_latency(bounds, counts, 0.50),
        p95=_latency(bounds, counts, 0.95),
        p99=_latency(bounds, counts, 0.99),
        restarts=_grown(of("headway_instance_restarts_total"), begin),
        instances=_mean(of("headway_instances_ready"), begin),
        cpu_seconds_per_request=_mean(of("headway_cpu_seconds_per_request"), begin),
        memory_bytes=_mean(of("headway_instance_memory_bytes"), begin),
    )


def _grown(found: Sequence[Series], begin: float) -> float | None:
    """Headway looks from the moment a release is there, so its counters begin at 0."""
    grown = [increase(s.samples, begin, born=True) for s in found]
    known = [g for g in grown if g is not None]
    return sum(known) if known else None


def _mean(found: Sequence[Series], begin: float) -> float | None:
    sums = [pair for s in found if (pair := summed(s.samples, begin))]
    return sum(p[0] for p in sums) / sum(p[1] for p in sums) if sums else None


def _histogram(found: Sequence[Series], begin: float) -> tuple[list[float], list[float]]:
    """Bounds in ms and the counts between them. A bucket that nobody was in has no series."""
    below = {float(s.labels["le"]): _grown([s], begin) or 0.0 for s in found}
    ends = sorted(below)
    counts, last = [], 0.0
    for end in ends:
        counts.append(max(0.0, below[end] - last))
        last = max(last, below[end])
    return [e for e in ends if e != float("inf")], counts


def _latency(bounds: list[float], counts: list[float], q: float) -> Latency | None:
    about = quantile(bounds, counts, q) if bounds else None
    if about is None:
        return None
    seen, rank = 0.0, q * sum(counts)
    for index, count in enumerate(counts):
        seen += count
        if count and seen >= rank:
            low = bounds[index - 1] if index else 0.0
            return Latency(about, low, bounds[index] if index < len(bounds) else float("inf"))
    return None
