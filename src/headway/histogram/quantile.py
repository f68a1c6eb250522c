"""Quantiles of a latency histogram, for people to read. The judge never tests a quantile."""

from collections.abc import Sequence


def quantile(bounds_ms: Sequence[float], buckets: Sequence[float], q: float) -> float | None:
    """The latency in milliseconds below which a share `q` (0 to 1) of the requests stayed.

    Linear inside a bucket, the lowest bucket beginning at 0; the highest bound for what lies above
    every bound (as Prometheus' histogram_quantile does). None without requests.
    """
    total = sum(buckets)
    if total <= 0:
        return None
    rank, seen = q * total, 0.0
    for index, count in enumerate(buckets[: len(bounds_ms)]):
        if count > 0 and seen + count >= rank:
            low = bounds_ms[index - 1] if index else 0.0
            return low + (bounds_ms[index] - low) * max(0.0, rank - seen) / count
        seen += count
    return bounds_ms[-1]
