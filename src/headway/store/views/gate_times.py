"""How long each gate let releases wait: from its first WAIT to its PASS, at the same door.

Of the newest deliveries, so that the answer costs the same however long the history is. For the
page of approvals and GET /gates.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Any

import sqlalchemy as sa

from headway.store.tables import deliveries, events

DELIVERIES = 100


@dataclass(frozen=True, slots=True)
class GateTimes:
    """One gate of one place. `waits`: how often it let wait and then pass; of these the median and
    the longest, in seconds. `open`: how many wait now.
    """

    service: str
    environment: str
    gate: str
    waits: int
    median_seconds: float
    longest_seconds: float
    open: int


Key = tuple[str, str, str]


def read(
    connection: sa.Connection, services: frozenset[str] | None = None, newest: int = DELIVERIES
) -> list[GateTimes]:
    """By service, environment and gate; gates that never let wait are not told."""
    took: dict[Key, list[float]] = {}
    waiting: dict[Key, int] = {}
    of = _newest(connection, services, newest)
    for delivery, told in groupby(_events(connection, of), lambda row: row.delivery):
        for key, seconds in _of(told, of[delivery]):
            if seconds is None:
                waiting[key] = waiting.get(key, 0) + 1
            else:
                took.setdefault(key, []).append(seconds)
    return [_told(k, took.get(k, []), waiting.get(k, 0)) for k in sorted({*took, *waiting})]


def _newest(
    connection: sa.Connection, services: frozenset[str] | None, newest: int
) -> dict[str, str]:
    """Services by delivery."""
    t = deliveries.c
    query = sa.select(t.id, t.service).order_by(t.id.desc()).limit(newest)
    if services is not None:
        query = query.where(t.service.in_(sorted(services)))
    return {r.id: r.service for r in connection.execute(query)}


def _events(connection: sa.Connection, of: Iterable[str]) -> Iterable[Any]:
    """What gates said to these deliveries and that they ended, in the order of each delivery."""
    t = events.c
    query = sa.select(t.delivery, t.at, t.environment, t.data, t.kind).where(
        t.delivery.in_(list(of)), t.kind.in_(["gates.judged", "delivery.finished"])
    )
    return connection.execute(query.order_by(t.delivery, t.seq))


def _of(told: Iterable[Any], service: str) -> Iterator[tuple[Key, float | None]]:
    """Each gate of a delivery that let it wait, and for how long; None: it waits still."""
    began: dict[Key, float] = {}
    for row in told:
        if row.kind == "delivery.finished":
            return
        for gate in json.loads(row.data)["gates"]:
            key = (service, row.environment, gate["judge"])
            if gate["outcome"] == "WAIT":
                began.setdefault(key, row.at)
            elif key in began:
                since = began.pop(key)
                if gate["outcome"] == "PASS":
                    yield key, row.at - since
    yield from ((key, None) for key in began)


def _told(key: Key, took: list[float], waiting: int) -> GateTimes:
    middle, longest = (median(took), max(took)) if took else (0.0, 0.0)
    return GateTimes(*key, len(took), middle, longest, waiting)
