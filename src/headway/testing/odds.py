"""Exact binomial arithmetic for rates of failure. Called by `tripwire` and `quarantine`."""

import math

HALVINGS = 40  # 2 ** -40 is far below what decides anything here
TERMS = 300
TINY = 1e-300


def at_least(hits: int, trials: int, rate: float) -> float:
    """P(X >= hits) for X binomial(trials, rate), rate from 0 to 1."""
    if hits <= 0:
        return 1.0
    if hits > trials:
        return 0.0
    return beta(hits, trials - hits + 1, rate)


def upper(hits: int, trials: int, confidence: float = 0.95) -> float:
    """The one-sided upper bound of a rate after `hits` of `trials`: the quantile `confidence` of
    Beta(hits + 1, trials - hits) (Clopper and Pearson 1934, Biometrika 26:404). Without a trial
    that was no hit, of Beta(hits + 1, 1). Raises ValueError unless 0 <= hits <= trials.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} of {trials}")
    misses = max(trials - hits, 1)
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if beta(hits + 1, misses, middle) < confidence else (low, middle)
    return (low + high) / 2


def beta(a: float, b: float, x: float) -> float:
    """P(Beta(a, b) <= x), a and b positive: the regularised incomplete beta function by its
    continued fraction (NIST DLMF 8.17.22), which is quick however large a and b are.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta(b, a, 1 - x)
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log + a * math.log(x) + b * math.log1p(-x)) / (a * _fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)), from the front (Lentz)."""
    value, c, d = 1.0, 1.0, 0.0
    for n in range(1, TERMS):
        term = _coefficient(a, b, x, n)
        d = 1.0 / (1.0 + term * d or TINY)
        c = 1.0 + term / c or TINY
        value *= c * d
        if abs(c * d - 1.0) < 1e-12:
            break
    return value


def _coefficient(a: float, b: float, x: float, n: int) -> float:
    m, odd = divmod(n, 2)
    if odd:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
