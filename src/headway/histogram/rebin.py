"""Move counts from a proxy's native log-linear buckets onto fixed bounds, exactly.

Called by adapters that read histograms. The native buckets have two significant digits (format:
openhistogram/libcircllhist): [1.0, 1.1), [1.1, 1.2) ... [9.9, 10), [10, 11) ... times powers of
ten. Every bound here is such an edge, so no bucket is ever split and nothing is interpolated. Below
10 the bounds are whole, because whole milliseconds are recorded, cut off and not rounded: what took
1.9 ms is recorded as 1 and truly is below the bound 2.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

_MANTISSAS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)

BOUNDS_MS: tuple[float, ...] = (
    *(float(ms) for ms in range(1, 10)),
    *(float(m * 10**k) for k in range(4) for m in _MANTISSAS if m * 10**k <= 60_000),
)
"""Upper bounds in ms, from 1 ms to 60 s: a count at index i is of values v with
BOUNDS_MS[i-1] <= v < BOUNDS_MS[i]; the last count is of values of 60 s and more.
"""


def rebin(
    native: Iterable[tuple[float, float, int]], bounds: Sequence[float] = BOUNDS_MS
) -> tuple[int, ...]:
    """Counts of len(bounds)+1 from native buckets (lower edge, width, count).

    Raises ValueError if a bucket lies on both sides of a bound: then the bounds are wrong, and a
    guess would be a made-up measurement.
    """
    counts = [0] * (len(bounds) + 1)
    for lower, width, count in native:
        index = bisect_right(bounds, lower + width / 2)
        slack = (abs(lower) + width) * 1e-9
        starts_below = index > 0 and lower < bounds[index - 1] - slack
        ends_above = index < len(bounds) and lower + width > bounds[index] + slack
        if starts_below or ends_above:
            raise ValueError(f"the bucket [{lower}, {lower + width}) is split by a bound")
        counts[index] += count
    return tuple(counts)
