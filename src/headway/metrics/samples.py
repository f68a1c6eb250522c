"""From raw samples to numbers that may be compared: one series at a time. Called by `reading`.

Samples come as sources have them: late, twice, out of order, NaN, stamped by a clock that runs
ahead, with counters that began anew. Nothing here ever turns missing data into a zero.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

Sample = tuple[float, float]
RESOLUTION = 5.0  # seconds; what is assumed of a source that has shown one sample only


def cleaned(samples: Iterable[Sample], until: float) -> tuple[Sample, ...]:
    """Rising in time, finite, none later than `until`; of equal times the last one given counts."""
    known = {at: value for at, value in samples if _usable(at, value) and at <= until}
    return tuple(sorted(known.items()))


def _usable(at: float, value: float) -> bool:
    return math.isfinite(at) and math.isfinite(value)


def increase(samples: Sequence[Sample], begin: float, *, born: bool = False) -> float | None:
    """How much a counter grew after `begin` until its last sample; `samples` cleaned.

    It grows from the last sample at or before `begin`. Where there is none, it grows from 0 if the
    counter was `born` under observation, else from its first sample. A sample lower than the one
    before it began anew at 0, as Prometheus' increase() has it; nothing is extrapolated. None: no
    sample later than `begin`.
    """
    inside = [value for at, value in samples if at > begin]
    before = [value for at, value in samples if at <= begin][-1:]
    if not inside:
        return None
    first = before or ([0.0] if born else [])
    return math.fsum(growth(a, b) for a, b in pairwise([*first, *inside]))


def growth(before: float, after: float) -> float:
    """How much a counter grew between two samples; one that fell began anew at 0."""
    return after - before if after >= before else after


def running_totals(values: Iterable[float], last: float, total: float) -> list[float]:
    """A counter's values without its resets: `total` is what it was worth when it stood at `last`.

    The increase between any two results equals that between the raw samples.
    """
    totals = []
    for value in values:
        total += growth(last, value)
        last = value
        totals.append(total)
    return totals


def summed(samples: Sequence[Sample], begin: float) -> Sample | None:
    """(sum, number) of a gauge's samples later than `begin`; None without any."""
    inside = [value for at, value in samples if at > begin]
    return (math.fsum(inside), float(len(inside))) if inside else None


def resolution(samples: Sequence[Sample]) -> float:
    """Seconds from one sample to the next, as a rule."""
    steps = [b[0] - a[0] for a, b in pairwise(samples)]
    return median(steps) if steps else RESOLUTION


def uncovered(samples: Sequence[Sample], begin: float, until: float, longest: float) -> float:
    """Seconds between `begin` and `until` that lie in gaps longer than `longest`."""
    times = [begin, *(at for at, _ in samples if begin < at < until), until]
    return math.fsum(b - a for a, b in pairwise(times) if b - a > longest)
