"""What both versions answered in one window: requests, errors, error share with its interval."""

import math
from dataclasses import dataclass

import sqlalchemy as sa

from headway.model.window import VersionCounts, Window
from headway.store.records import loads
from headway.store.tables import windows

Z = 1.959964


@dataclass(frozen=True, slots=True)
class Side:
    """One version's errors. `share` is errors/requests; `low` and `high` are its 95 % interval
    (Wilson 1927, score interval). None without requests.
    """

    requests: int
    errors: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class WindowView:
    """One judged window. Seconds since the rollout began; None for a side: no data for it."""

    index: int
    start: float
    end: float
    step: int
    share: float
    candidate: Side | None
    stable: Side | None


def side(requests: int, errors: int) -> Side:
    """Errors of requests, with the interval."""
    if not requests:
        return Side(0, errors, None, None, None)
    p, z2 = errors / requests, Z * Z
    middle = (p + z2 / (2 * requests)) / (1 + z2 / requests)
    half = Z / (1 + z2 / requests)
    half *= math.sqrt(p * (1 - p) / requests + z2 / (4 * requests * requests))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Side(requests, errors, round(p, 6), round(low, 6), round(high, 6))


def view(window: Window) -> WindowView:
    """The window as shown."""
    return WindowView(
        index=window.index,
        start=round(window.start, 3),
        end=round(window.end, 3),
        step=window.step,
        share=window.share,
        candidate=_version(window.candidate),
        stable=_version(window.stable),
    )


def _version(counts: VersionCounts | None) -> Side | None:
    return None if counts is None else side(counts.total.requests, counts.total.errors)


def last(connection: sa.Connection, rollout: str) -> WindowView | None:
    """The newest window of the rollout."""
    query = sa.select(windows.c.window).where(windows.c.rollout == rollout)
    text = connection.execute(query.order_by(windows.c.index.desc()).limit(1)).scalar()
    return view(loads(text, Window)) if text else None
