"""How large a share of requests is slower than a bound, read from bucket counts.

No interpolation enters a test: the judge bets on counts above bounds. Only the tolerance (how much
larger may the share be?) is read between bounds, by `scaled`. Called by the analysis.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TINY = 1e-6


def above(buckets: Sequence[float], bound: int) -> float:
    """How many requests were slower than `bounds[bound]`: the sum of the buckets after it."""
    return sum(buckets[bound + 1 :])


def survival(buckets: Sequence[float]) -> NDArray[np.float64]:
    """Share of requests above each bound, len(buckets)-1 values, falling, never exactly 0.

    A quarter of a request is added, half of one to the total, so that an empty tail is rare
    instead of impossible. `buckets` may be decayed weights.
    """
    counts = np.asarray(buckets, float)
    total = counts.sum()
    return np.asarray((total - np.cumsum(counts)[:-1] + 0.25) / (total + 0.5))


def scaled(
    shares: NDArray[np.float64], bounds: Sequence[float], bound: int, factor: float
) -> float:
    """The share above `bounds[bound]` if every latency were multiplied by `factor` (>= 1).

    The log-odds of `shares` are taken as linear in the logarithm of the latency between bounds.
    Below the first bound the distribution is unknown: the answer there is 1.
    """
    logs = np.log(np.asarray(bounds, float))
    point = math.log(bounds[bound] / factor)
    if point <= logs[0]:
        return 1.0
    clipped = np.clip(shares, TINY, 1 - TINY)
    odds = float(np.interp(point, logs, np.log(clipped / (1 - clipped))))
    return max(float(shares[bound]), 1 / (1 + math.exp(-odds)))
