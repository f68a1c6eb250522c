"""What the stable version did so far: its error rate and its latency distribution.

Read before a window's bet, written after it, so that a bet never knows its own outcome.
Called by `judge`.
"""

import math
from dataclasses import dataclass

import numpy as np

from headway.histogram.survival import survival
from headway.model.pace import Pace
from headway.model.window import Counts

LEAST_REQUESTS = 30.0
LEAST_FOR_CEILING = 300.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Decayed counts of the stable version."""

    requests: float = 0.0
    errors: float = 0.0
    bounds_ms: tuple[float, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def error_rate(self) -> float:
        """Errors per request, drawn a little towards 0.05 % so that it is never 0."""
        return (self.errors + 0.5e-3) / (self.requests + 1.0)

    @property
    def error_likely(self) -> float | None:
        """The error rate, one standard error up. None: too few requests to tell."""
        if self.requests < LEAST_FOR_CEILING:
            return None
        return (self.errors + math.sqrt(self.errors + 1)) / self.requests

    @property
    def error_ceiling(self) -> float | None:
        """The highest error rate the memory can still mean (two standard errors up), to hold a
        version to when nobody runs beside it. None: too few requests to tell.
        """
        if self.requests < LEAST_FOR_CEILING:
            return None
        return (self.errors + 2 * math.sqrt(self.errors + 1) + 1) / self.requests

    @property
    def knows_latency(self) -> bool:
        """Were enough latencies seen to choose bounds from?"""
        return sum(self.buckets) >= LEAST_REQUESTS

    def slow_ceiling(self, share: float) -> float:
        """By what factor a remembered share may be too low: two standard errors."""
        return 1 + 2 * math.sqrt((1 - share) / share / sum(self.buckets))

    def shares(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """The remembered share of requests above each bound."""
        return survival(self.buckets)


def remember(
    memory: Memory, stable: Counts, bounds_ms: tuple[float, ...], seconds: float, pace: Pace
) -> Memory:
    """Add one window of `seconds`. Other bounds than before: the latencies begin anew."""
    fade = math.exp(-max(0.0, seconds) / pace.memory_errors)
    buckets = memory.buckets
    if stable.buckets:
        buckets = _faded(memory, stable, bounds_ms, math.exp(-seconds / pace.memory_latency))
    return Memory(
        requests=memory.requests * fade + stable.requests,
        errors=memory.errors * fade + stable.errors,
        bounds_ms=bounds_ms if stable.buckets else memory.bounds_ms,
        buckets=buckets,
    )


def _faded(
    memory: Memory, stable: Counts, bounds_ms: tuple[float, ...], fade: float
) -> tuple[float, ...]:
    if memory.bounds_ms != bounds_ms:
        return tuple(float(count) for count in stable.buckets)
    pairs = zip(memory.buckets, stable.buckets, strict=True)
    return tuple(old * fade + new for old, new in pairs)
