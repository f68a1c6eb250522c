"""Counting: how many requests there were and how many of them were good, per release and minute.

Called by flows/goals.py, which reads the proxy's counters every few seconds. Nothing is estimated
here: what was counted between two readings is kept, and lies evenly between them.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from headway.model.service import Slo
from headway.model.window import Counts, Snapshot
from headway.slo import routes

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Events and the good ones among them. A share of a counted event may lie in a minute."""

    good: float = 0.0
    total: float = 0.0

    @property
    def bad(self) -> float:
        """Never below 0, whatever rounding says."""
        return max(0.0, self.total - self.good)

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(self.good + other.good, self.total + other.total)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What happened from `at` (Unix seconds) on, for the length that the list of buckets has."""

    at: float
    tally: Tally


def within(buckets: Iterable[Bucket], since: float, until: float, size: float = MINUTE) -> Tally:
    """All of `since` to `until`. The bucket in which `since` lies counts whole: the window may be
    up to one bucket longer, never shorter.
    """
    first = math.floor(since / size) * size
    found = [b.tally for b in buckets if first <= b.at < until]
    return Tally(sum(t.good for t in found), sum(t.total for t in found))


def spread(begin: float, end: float, tally: Tally, size: float = MINUTE) -> Iterator[Bucket]:
    """The tally of an interval laid evenly over the buckets that it touches."""
    if end <= begin:
        yield Bucket(math.floor(end / size) * size, tally)
        return
    at = math.floor(begin / size) * size
    while at < end:
        part = (min(end, at + size) - max(begin, at)) / (end - begin)
        yield Bucket(at, Tally(tally.good * part, tally.total * part))
        at += size


def grown(before: Snapshot, after: Snapshot, slo: Slo) -> dict[str, Tally]:
    """What each release served between two readings, in the SLO's terms; for a route all releases
    together, under the name "".

    A counter that fell, or a changed epoch, began anew: what it shows was counted since. A release
    or a route that the earlier reading does not know was counted from 0.
    """
    anew = before.epoch != after.epoch or before.bounds_ms != after.bounds_ms
    was, now = ({}, _counted(after, slo)) if anew else (_known(before, slo), _counted(after, slo))
    found: dict[str, Tally] = {}
    for name, counts in now.items():
        more = _increase(was.get(name, Counts(0, 0)), counts)
        tally = _in_terms(slo, more, after.bounds_ms)
        if tally.total > 0:
            release = name if slo.route is None else ""
            found[release] = found.get(release, Tally()).plus(tally)
    return found


def _counted(snapshot: Snapshot, slo: Slo) -> dict[str, Counts]:
    """By release, or by the parts of the SLO's route."""
    if slo.route is None:
        return _known(snapshot, slo)
    return routes.parts(snapshot.routes, slo.route) or {}


def _known(snapshot: Snapshot, slo: Slo) -> dict[str, Counts]:
    """Of an earlier reading every route: a part may be known although the whole was not counted."""
    if slo.route is None:
        return {release: v.total for release, v in snapshot.versions.items()}
    return snapshot.routes


def remembered(before: Snapshot, after: Snapshot) -> Snapshot:
    """The reading to compare the next one with: `after`, and of `before` what `after` leaves out
    while the counters go on, so that a release or route which is missing once is not counted twice.
    """
    if before.epoch != after.epoch or before.bounds_ms != after.bounds_ms:
        return after
    return replace(
        after, versions=before.versions | after.versions, routes=before.routes | after.routes
    )


def _increase(before: Counts, after: Counts) -> Counts:
    requests, errors = after.requests, after.errors
    if requests >= before.requests and errors >= before.errors:
        requests, errors = requests - before.requests, errors - before.errors
    buckets = after.buckets
    if len(buckets) == len(before.buckets):
        more = tuple(a - b for a, b in zip(buckets, before.buckets, strict=True))
        buckets = more if min(more, default=0) >= 0 else buckets
    return Counts(requests, min(errors, requests), buckets)


def _in_terms(slo: Slo, counts: Counts, bounds_ms: Sequence[float]) -> Tally:
    if slo.sli == "availability":
        return Tally(counts.requests - counts.errors, counts.requests)
    fast = sum(counts.buckets[: buckets_under(bounds_ms, slo.under_seconds or 0.0)])
    return Tally(fast, sum(counts.buckets))


def buckets_under(bounds_ms: Sequence[float], under_seconds: float) -> int:
    """How many buckets lie wholly below the threshold; 0 if even the first reaches above it."""
    return bisect_right(bounds_ms, under_seconds * 1000 * (1 + 1e-9))


def effective_ms(bounds_ms: Sequence[float], under_seconds: float) -> float:
    """The threshold that is really measured: the greatest bound that is not above the one asked
    for. Requests between the two count as slow, so the goal is kept at least as well as is said.
    """
    count = buckets_under(bounds_ms, under_seconds)
    return bounds_ms[count - 1] if count else 0.0
