"""How sure is a rate that was counted? Called by `selftest`."""

import math
from collections.abc import Callable

ENOUGH = 60  # halvings: far below what a float can tell apart


def clopper_pearson(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a binomial rate (Clopper and Pearson 1934, Biometrika 26:404): the
    rates that neither `hits` or more, nor `hits` or fewer, would surprise. (0, 1) without trials.

    Raises ValueError if 0 <= hits <= trials does not hold.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} of {trials}")
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _solve(lambda p: at_most(hits - 1, trials, p) > 1 - tail)
    high = 1.0 if hits == trials else _solve(lambda p: at_most(hits, trials, p) > tail)
    return low, high


def _solve(still_low: Callable[[float], bool]) -> float:
    """The rate at which the test, true for small rates, turns false."""
    low, high = 0.0, 1.0
    for _ in range(ENOUGH):
        middle = (low + high) / 2
        low, high = (middle, high) if still_low(middle) else (low, middle)
    return (low + high) / 2


def at_most(hits: int, trials: int, rate: float) -> float:
    """P(X <= hits) for X binomial."""
    if rate <= 0 or hits >= trials:
        return 1.0
    if rate >= 1:
        return 0.0
    return min(1.0, math.fsum(_exactly(k, trials, rate) for k in range(hits + 1)))


def _exactly(hits: int, trials: int, rate: float) -> float:
    ways = math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
    return math.exp(ways + hits * math.log(rate) + (trials - hits) * math.log1p(-rate))
