"""How much a cold start is forgiven: no more than this version itself showed in its first seconds.

A cold start is worst at its beginning and falls. What the candidate's first seconds exclude (more
errors, slower requests than they can mean) is not forgiven later; what they showed is forgiven
until the plateau ends and then fades, so that a fault that is there from the beginning and does
not fall leaves the tolerance. Nothing learnt, or still learning: the declared maximum. Called by
`judge` (learning) and `bets` (reading).
"""

import math
from dataclasses import dataclass

from headway.analysis.margins import Moment
from headway.analysis.memory import Memory
from headway.histogram.survival import above, scaled
from headway.model.pace import Pace
from headway.model.window import Counts

MOST_ERRORS = 0.10  # the worst error rate that any cold start may add
MOST_LATENCY = 6.0  # and the worst latency growth (1 is +100 %)
AGAIN = 0.7  # share of the latency growth that may come back when a step brings more traffic
ERRORS_AGAIN = 0.5  # the same for errors
STEPPED = 0.03  # errors forgiven in the first seconds of a step, however warm the start was
SEEN = 0.01  # less warmth than this is none
HALVINGS = 7
ROOM = 1.15  # the first seconds are an estimate, and no two windows are alike
ROOM_ANYWAY = 0.05


@dataclass(frozen=True, slots=True)
class Warm:
    """The candidate's own first seconds, all in all."""

    requests: int = 0
    errors: int = 0
    buckets: tuple[int, ...] = ()
    bounds_ms: tuple[float, ...] = ()


def observe(
    warm: Warm, candidate: Counts, bounds_ms: tuple[float, ...], age: float, pace: Pace
) -> Warm:
    """Add a window that ended at this age, if it is one of the first seconds."""
    if age > pace.learn:
        return warm
    buckets = candidate.buckets
    if warm.buckets and buckets and warm.bounds_ms == bounds_ms:
        buckets = tuple(a + b for a, b in zip(warm.buckets, buckets, strict=True))
    return Warm(
        warm.requests + candidate.requests,
        warm.errors + candidate.errors,
        buckets or warm.buckets,
        bounds_ms if buckets else warm.bounds_ms,
    )


def warmth(moment: Moment, pace: Pace, part: float) -> float:
    """1 while everything is forgiven, then fading; a step warms up again by this part."""
    again = part * _fading(moment.step_age, pace) if moment.stepped else 0.0
    found = _fading(moment.age, pace) + again
    return found if found >= SEEN else 0.0


def errors(warm: Warm, memory: Memory, moment: Moment, pace: Pace) -> float:
    """Error rate that is forgiven now."""
    factor = warmth(moment, pace, ERRORS_AGAIN)
    least = STEPPED if moment.stepped and moment.step_age <= pace.latency_step_from else 0.0
    if not warm.requests or moment.age <= pace.learn or not factor:
        return max(least, factor * MOST_ERRORS)
    excess = max(0.0, warm.errors - warm.requests * memory.error_rate)
    highest = excess + 2 * math.sqrt(warm.errors + 1) + 1
    return max(least, factor * min(MOST_ERRORS, highest / warm.requests))


def latency(warm: Warm, memory: Memory, j: int, moment: Moment, pace: Pace) -> float:
    """Latency growth that is forgiven now, read at the bound of that index: the least growth that
    the first seconds exclude (two standard errors).
    """
    factor = warmth(moment, pace, AGAIN)
    unknown = not warm.buckets or warm.bounds_ms != memory.bounds_ms
    if unknown or moment.age <= pace.learn or not factor:
        return factor * MOST_LATENCY
    return factor * min(MOST_LATENCY, ROOM * _excluded(warm, memory, j) + ROOM_ANYWAY)


def _excluded(warm: Warm, memory: Memory, j: int) -> float:
    """By bisection: the share above the bound only rises with the growth."""
    slow, of, shares = above(warm.buckets, j), sum(warm.buckets), memory.shares()
    low, high = 0.0, MOST_LATENCY
    for _ in range(HALVINGS):
        grown = (low + high) / 2
        share = min(scaled(shares, memory.bounds_ms, j, 1 + grown), 0.999)
        if slow + 1 + 2 * math.sqrt(of * share * (1 - share)) <= of * share:
            high = grown
        else:
            low = grown
    return high


def _fading(age: float, pace: Pace) -> float:
    """Told from the begin of the window: it is as warm as its coldest moment."""
    over = max(0.0, age - pace.window) - pace.plateau
    return 1.0 if over <= 0 else math.exp(-over / pace.warm_tau)
