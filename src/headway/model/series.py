"""Raw samples from a metric source: what was asked for and what came back, before arithmetic."""

from dataclasses import dataclass, field
from typing import Literal

SeriesKind = Literal["counter", "gauge"]


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric by name, and the labels (equal to these values) that its series must carry."""

    metric: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Series:
    """One time series. `samples`: (Unix seconds, value), rising in time, no NaN, not infinite.

    A counter only grows, except that it begins anew at a lower value; a gauge may do anything.
    """

    labels: dict[str, str]
    kind: SeriesKind
    samples: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One sample on its way into Headway's own store. `delta`: a counter's growth since the last
    point instead of its standing.
    """

    metric: str
    labels: dict[str, str]
    kind: SeriesKind
    at: float
    value: float
    delta: bool = False
