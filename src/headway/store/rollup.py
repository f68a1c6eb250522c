"""Old samples as one a minute, and how they are read together with the new ones.

A rollup of a counter holds what it was worth without its resets, so that increases are right across
minutes, resets and the border to the raw samples. Called by store/samples.py.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from headway.metrics.samples import running_totals
from headway.model.series import Selector, Series
from headway.store.sample_tables import raw, rollups, series

SEEN_SECONDS = 30.0  # `seen` of a series may be so old: it is not written with every sample


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT of this database's dialect, which knows what to do on a conflict."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def upsert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert; the same key again replaces what was there. Of equal keys the last counts."""
    if not rows:
        return
    keys = [c.name for c in table.primary_key]
    distinct = {tuple(r[k] for k in keys): r for r in rows}
    statement = insert(connection, table)
    others = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
    done = statement.on_conflict_do_update(index_elements=keys, set_=others)
    connection.execute(done, list(distinct.values()))


def fold(connection: sa.Connection, id: int, kind: str, cutoff: float) -> None:
    """One series' raw samples before `cutoff` as rollups, going on from the last one."""
    query = sa.select(raw.c.at, raw.c.value).where(raw.c.series == id, raw.c.at < cutoff)
    found = [(at, value) for at, value in connection.execute(query.order_by(raw.c.at))]
    last, total = _standing(connection, id, cutoff) or (found[0][1], found[0][1])
    values = [v for _, v in found]
    totals = running_totals(values, last, total) if kind == "counter" else values
    minutes: dict[float, list[tuple[float, float, float]]] = {}
    for (at, value), worth in zip(found, totals, strict=True):
        minutes.setdefault(at // 60, []).append((at, value, worth))
    rows = [
        {
            "series": id,
            "at": some[-1][0],
            "last": some[-1][1],
            "value": some[-1][2]
            if kind == "counter"
            else math.fsum(s[1] for s in some) / len(some),
        }
        for some in minutes.values()
    ]
    upsert(connection, rollups, rows)


def _standing(connection: sa.Connection, id: int, until: float) -> tuple[float, float] | None:
    """(last raw value, running total) of the newest rollup."""
    query = sa.select(rollups.c.last, rollups.c.value).where(
        rollups.c.series == id, rollups.c.at <= until
    )
    row = connection.execute(query.order_by(rollups.c.at.desc()).limit(1)).first()
    return (row[0], row[1]) if row else None


def fetched(
    connection: sa.Connection, selector: Selector, since: float, until: float
) -> Iterator[Series]:
    """Every series of the selector with its samples in since <= at <= until, old ones rolled up."""
    query = sa.select(series).where(series.c.metric == selector.metric)
    if "service" in selector.labels:
        query = query.where(series.c.service == selector.labels["service"])
    query = query.where(series.c.seen >= since - SEEN_SECONDS).order_by(series.c.id)
    for row in list(connection.execute(query)):
        labels: dict[str, str] = json.loads(row.labels)
        if any(labels.get(k) != v for k, v in selector.labels.items()):
            continue
        found = _samples(connection, row, since, until)
        if found:
            yield Series(labels, row.kind, tuple(found))


def _samples(
    connection: sa.Connection, row: Any, since: float, until: float
) -> list[tuple[float, float]]:
    def of(table: sa.Table) -> list[tuple[float, float]]:
        within = sa.and_(table.c.series == row.id, table.c.at >= since, table.c.at <= until)
        query = sa.select(table.c.at, table.c.value).where(within).order_by(table.c.at)
        return [(at, value) for at, value in connection.execute(query)]

    old, new = of(rollups), of(raw)
    if not old or not new or row.kind != "counter":
        return [*old, *new]
    last, total = _standing(connection, row.id, until) or (0.0, 0.0)
    totals = running_totals([v for _, v in new], last, total)
    return [*old, *((at, t) for (at, _), t in zip(new, totals, strict=True))]
