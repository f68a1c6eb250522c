"""What statsd lines add up to: cumulative counters, gauges and histograms. Called by `listener`.

Every counter is told at every flush, also unchanged, so that silence of an application is not
taken for silence of the source; one that was not heard of for IDLE_SECONDS is forgotten.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from headway.adapters.statsd.lines import Line
from headway.model.series import Point

IDLE_SECONDS = 300.0
MOST_SERIES = 10_000
MOST_MEMBERS = 10_000
BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000)

Key = tuple[str, tuple[tuple[str, str], ...]]


class _Timing:
    """A histogram; values in the unit that the application uses, milliseconds for `ms`."""

    def __init__(self) -> None:
        self.buckets = [0.0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def add(self, value: float, weight: float) -> None:
        self.buckets[bisect_left(BOUNDS, value)] += weight
        self.sum += value * weight


class Totals:
    """Not for several threads. `overflow`: lines dropped because there are too many series."""

    def __init__(self) -> None:
        self.overflow = 0
        self._counters: dict[Key, float] = {}
        self._gauges: dict[Key, float] = {}
        self._timings: dict[Key, _Timing] = {}
        self._sets: dict[Key, set[str]] = {}
        self._heard: dict[Key, float] = {}

    def add(self, line: Line, now: float) -> None:
        """Take one line into account."""
        key = (line.name, tuple(sorted(line.labels.items())))
        if key not in self._heard and len(self._heard) >= MOST_SERIES:
            self.overflow += 1
            return
        self._heard[key] = now
        numbers = [v for v in line.values if isinstance(v, float)]
        match line.type:
            case "c":
                grown = sum(max(0.0, n) for n in numbers) / line.rate
                self._counters[key] = self._counters.get(key, 0.0) + grown
            case "g":
                before = self._gauges.get(key, 0.0) if line.relative else 0.0
                self._gauges[key] = before + numbers[-1]
            case "s":
                members = self._sets.setdefault(key, set())
                members.update(str(v) for v in line.values[: MOST_MEMBERS - len(members)])
            case _:
                timing = self._timings.setdefault(key, _Timing())
                for number in numbers:
                    timing.add(number, 1 / line.rate)

    def flush(self, now: float) -> Iterator[Point]:
        """Everything as it stands; sets begin anew."""
        for key in [k for k, heard in self._heard.items() if now - heard > IDLE_SECONDS]:
            del self._heard[key]
            for table in (self._counters, self._gauges, self._timings, self._sets):
                table.pop(key, None)
        for (name, labels), value in self._counters.items():
            yield Point(name, dict(labels), "counter", now, value)
        for (name, labels), value in self._gauges.items():
            yield Point(name, dict(labels), "gauge", now, value)
        for (name, labels), members in self._sets.items():
            yield Point(name, dict(labels), "gauge", now, float(len(members)))
            members.clear()
        for (name, labels), timing in self._timings.items():
            yield from _histogram(name, dict(labels), timing, now)


def _histogram(name: str, labels: dict[str, str], timing: _Timing, now: float) -> Iterator[Point]:
    yield Point(f"{name}_count", labels, "counter", now, sum(timing.buckets))
    yield Point(f"{name}_sum", labels, "gauge", now, timing.sum)
    ends = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    for le, below in zip(ends, accumulate(timing.buckets), strict=True):
        yield Point(f"{name}_bucket", {**labels, "le": le}, "counter", now, below)
