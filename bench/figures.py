"""Numbers for people and programs: percentiles, ratios, and the shape of a benchmark's result."""

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was measured, its value, and what stands beside it: a peer or a
    limit of the same run.
    """

    what: str
    value: str
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """`problems` empty: what the benchmark requires was so."""

    rows: tuple[Row, ...]
    figures: dict[str, Any]
    problems: tuple[str, ...] = field(default=())


def quantile(values: list[float], share: float) -> float:
    """Nearest rank: the smallest value that at least `share` of all are not above."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def spread(values: list[float]) -> dict[str, float]:
    """p50, p95, p99, max, least and count, three digits after the point."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    found = {name: round(quantile(values, share), 3) for name, share in shares.items()}
    return {"n": len(values), "min": round(min(values), 3), **found}


def p50_p99(values: list[float], unit: str = "ms") -> str:
    """Both, for the table."""
    return f"{quantile(values, 0.5):.3g} / {quantile(values, 0.99):.3g} {unit}"


def ratio(value: float, peer: float) -> float:
    """How many times the peer."""
    return round(value / peer, 3)
