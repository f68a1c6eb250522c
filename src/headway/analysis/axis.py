"""Scales, round ticks and their labels for `plot`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

FAR = 10_000.0  # drawing farther out than this helps nobody, and some readers choke on it


@dataclass(frozen=True, slots=True)
class Scale:
    """From values `low` to `high` to positions `begin` to `end`."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        """The position of a value; outside, it goes on, but not for ever."""
        wide = self.high - self.low or 1.0
        position = self.begin + (value - self.low) / wide * (self.end - self.begin)
        return max(-FAR, min(FAR, position))


@dataclass(frozen=True, slots=True)
class Axis:
    """`factor`, `unit`: a value times the factor is shown with the unit."""

    low: float
    high: float
    ticks: tuple[float, ...]
    factor: float
    unit: str

    def label(self, value: float) -> str:
        """A tick's label: no more digits than the ticks need."""
        return f"{self._number(value)}{self.unit}"

    def ranged(self, estimate: float, low: float | None, high: float | None) -> str:
        """`0.85% (0.12 to 2.8)`."""
        shown = f"{_digits(self.factor * estimate)}{self.unit}"
        if low is None or high is None:
            return shown
        return f"{shown} ({self._fine(low, high)} to {self._fine(high, high)})"

    def _number(self, value: float) -> str:
        return f"{round(self.factor * value, 9):.6g}"

    def _fine(self, value: float, beside: float) -> str:
        return "0" if abs(value) < abs(beside) / 100 else _digits(self.factor * value)


def _digits(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 10 else f"{value:.2g}"


def axis(values: Sequence[float], *, share: bool) -> Axis:
    """An axis with room around the values, from 0 where that is near."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.25 * (high - low) or 0.1 * abs(high) or 0.001
    top = high + room
    bottom = low - room
    if low >= 0 and bottom < 0.35 * top:
        bottom = 0.0
    if share:
        top = min(1.0, max(top, 1e-5))
    factor, unit = (100.0, "%") if share else (1.0, "")
    return Axis(bottom, top, _ticks(bottom, top), factor, unit)


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Two to five round numbers: 1, 2 or 5 times a power of ten apart."""
    wide = high - low
    power = 10.0 ** math.floor(math.log10(wide))
    for step in (0.2 * power, 0.5 * power, power, 2 * power, 5 * power):
        if wide / step <= 4:
            first = math.ceil(low / step - 1e-9)
            last = math.floor(high / step + 1e-9)
            return tuple(step * n for n in range(first, last + 1))
    return (low, high)


TIMES = (2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)


def times(end: float) -> list[float]:
    """Round times from 0 to `end` seconds, four at most beside the 0."""
    step = next((t for t in TIMES if end / t <= 4), 86400 * math.ceil(end / 86400 / 4))
    return [float(step * n) for n in range(int(end // step) + 1)]


def duration(seconds: float) -> str:
    """`0`, `20 s`, `5 min`, `2 h`."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:g} s" if seconds else "0"
