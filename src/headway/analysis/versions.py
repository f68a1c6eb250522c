"""What each version's users got, and by how much they differ: error share, p50, p95 and p99, with
the histogram's own error bound. For people; the judge never tests a quantile. Called by `report`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from headway.histogram.quantile import quantile
from headway.model.window import VersionCounts, Window

QUANTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


@dataclass(frozen=True, slots=True)
class Range:
    """A number, and the lowest and highest it can truly be. `high` None: without limit."""

    estimate: float
    low: float
    high: float | None


@dataclass(frozen=True, slots=True)
class Stats:
    """One version. `error_share` None without requests; a quantile None without latencies.

    The range of a quantile is exact: it is the bucket that the request of that rank lies in.
    """

    requests: int
    errors: int
    error_share: float | None
    p50_ms: Range | None
    p95_ms: Range | None
    p99_ms: Range | None


@dataclass(frozen=True, slots=True)
class Deltas:
    """Candidate minus stable; None where either has no data. Of a quantile: its range, too."""

    error_share: float | None
    p50_ms: Range | None
    p95_ms: Range | None
    p99_ms: Range | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Both versions at one step, or in all (`step` None)."""

    step: int | None
    share: float | None
    seconds: float
    candidate: Stats
    stable: Stats
    delta: Deltas


def compared(windows: Sequence[Window]) -> tuple[Compared, ...]:
    """One for each step that has windows, in order, then one for all of them."""
    steps = sorted({w.step for w in windows})
    each = [_one([w for w in windows if w.step == step], step) for step in steps]
    return (*each, _one(list(windows), None)) if windows else ()


def _one(windows: list[Window], step: int | None) -> Compared:
    ours = _stats([w.candidate for w in windows], windows)
    theirs = _stats([w.stable for w in windows], windows)
    return Compared(
        step=step,
        share=windows[-1].share if step is not None else None,
        seconds=round(sum(w.end - w.start for w in windows), 3),
        candidate=ours,
        stable=theirs,
        delta=_delta(ours, theirs),
    )


def _stats(sides: list[VersionCounts | None], windows: list[Window]) -> Stats:
    """Latencies of the windows that have the bounds of the last one."""
    known = [s.total for s in sides if s is not None]
    requests, errors = sum(c.requests for c in known), sum(c.errors for c in known)
    bounds = windows[-1].bounds_ms
    same = [
        s.total.buckets
        for s, w in zip(sides, windows, strict=True)
        if s is not None and s.total.buckets and w.bounds_ms == bounds
    ]
    buckets = [sum(column) for column in zip(*same, strict=True)]
    found = {name: ranged(bounds, buckets, q) for name, q in QUANTILES.items()}
    share = errors / requests if requests else None
    return Stats(requests, errors, share, **found)


def ranged(bounds_ms: Sequence[float], buckets: Sequence[int], q: float) -> Range | None:
    """The quantile `q` and the bucket it lies in. None without requests."""
    estimate = quantile(bounds_ms, buckets, q) if len(buckets) else None
    if estimate is None:
        return None
    rank, seen = q * sum(buckets), 0
    for index, count in enumerate(buckets):
        seen += count
        if count and seen >= rank:
            low = bounds_ms[index - 1] if index else 0.0
            high = bounds_ms[index] if index < len(bounds_ms) else None
            return Range(round(estimate, 3), low, high)
    raise AssertionError("the last bucket with requests holds every rank")


def _delta(ours: Stats, theirs: Stats) -> Deltas:
    errors = None
    if ours.error_share is not None and theirs.error_share is not None:
        errors = ours.error_share - theirs.error_share
    return Deltas(
        errors,
        _apart(ours.p50_ms, theirs.p50_ms),
        _apart(ours.p95_ms, theirs.p95_ms),
        _apart(ours.p99_ms, theirs.p99_ms),
    )


def _apart(ours: Range | None, theirs: Range | None) -> Range | None:
    if ours is None or theirs is None:
        return None
    if theirs.high is None:  # the difference has no lower limit: nothing is known but the estimate
        return None
    high = None if ours.high is None else ours.high - theirs.low
    return Range(round(ours.estimate - theirs.estimate, 3), ours.low - theirs.high, high)
