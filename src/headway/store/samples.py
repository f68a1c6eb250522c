"""Headway's own samples: what the proxy, the instances and applications reported, and for how long.

Written by flows/scrape.py, the OTLP and statsd receivers and `headway metric import`; read through
the metric source `headway`, `/metrics` and `headway metric`. Full resolution is kept for canary
windows, then one-minute rollups for SLOs (store/rollup.py).
"""

import json
import math
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from headway.model.series import Point, Selector, Series, SeriesKind
from headway.store import database
from headway.store.rollup import SEEN_SECONDS, fetched, fold, insert, upsert
from headway.store.sample_tables import dropped, metadata, raw, rollups, series, settings

Why = Literal[
    "label budget", "too many series", "in the future", "too late", "not a number", "name"
]

BUDGET = 100  # label sets per metric and service
MOST_SERIES = 20_000
MOST_LABELS, MOST_CHARACTERS = 30, 256
AHEAD_SECONDS = 10.0  # a source's clock may run ahead so far
RAW_SECONDS, ROLLUP_SECONDS = 2 * 86400.0, 400 * 86400.0
_REREAD_SECONDS = 60.0
_NAME = re.compile(r"[^a-zA-Z0-9_:]")


@dataclass(frozen=True, slots=True)
class Retention:
    """Seconds at full resolution, seconds as one-minute rollups, label sets per metric."""

    raw: float = RAW_SECONDS
    rollup: float = ROLLUP_SECONDS
    budget: int = BUDGET


@dataclass(frozen=True, slots=True)
class Listed:
    """One metric of one service. `newest`: Unix seconds; `dropped`: samples, by why."""

    metric: str
    service: str
    kind: str
    label_sets: int
    series: int
    newest: float
    dropped: dict[str, int]


@dataclass(slots=True)
class _Known:
    id: int
    seen: float
    at: float = 0.0
    last: float | None = None


class Samples:
    """One store. May be used by several threads; several processes may share the database.

    Raises Unreachable if the database does not answer.
    """

    def __init__(self, url: str) -> None:
        database.prepare_for(url, metadata, "the samples' database does not answer")
        self._engine = database.connect(url)
        self._guard = threading.Lock()
        self._known: dict[tuple[str, str], _Known] = {}
        self._families: dict[tuple[str, str], tuple[float, set[str]]] = {}

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def append(
        self, points: Iterable[Point], now: float, *, trusted: bool = False
    ) -> list[tuple[int, Why]]:
        """Keep the points in one transaction; gives (index, why) of those that were dropped, which
        is counted too. `trusted`: Headway's own, whose label sets are bounded by what runs.
        """
        lost: list[tuple[int, Why]] = []
        with self._guard, self._writing() as connection:
            batch = _Batch(connection, now, self.retention(connection), trusted=trusted)
            rows = []
            for index, point in enumerate(points):
                row, why = self._row(batch, point)
                if row is not None:
                    rows.append(row)
                else:
                    lost.append((index, why))
            upsert(connection, raw, rows)
            self._touch(batch)
            _note(connection, batch)
        return lost

    def drop(self, metric: str, service: str, why: str, count: int, now: float) -> None:
        """Report samples that a receiver could not even hand over."""
        with self._guard, self._writing() as connection:
            _count(connection, {"metric": metric, "service": service, "why": why}, count, now)

    def fetch(self, selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        """See MetricSource. Old samples are one a minute; a counter keeps its increases across."""
        with self._engine.connect() as connection:
            return tuple(
                fetched(connection, Selector(name(selector.metric), selector.labels), since, until)
            )

    def latest(self, since: float) -> list[tuple[str, dict[str, str], SeriesKind, float]]:
        """(metric, labels, kind, value) of every series with a sample later than `since`."""
        newest = (
            sa.select(raw.c.series, sa.func.max(raw.c.at).label("at"))
            .where(raw.c.at > since)
            .group_by(raw.c.series)
            .subquery()
        )
        query = (
            sa.select(series.c.metric, series.c.labels, series.c.kind, raw.c.value)
            .join(raw, raw.c.series == series.c.id)
            .join(newest, sa.and_(newest.c.series == raw.c.series, newest.c.at == raw.c.at))
            .order_by(series.c.metric, series.c.id)
        )
        with self._engine.connect() as connection:
            return [(m, json.loads(text), k, v) for m, text, k, v in connection.execute(query)]

    def listing(self) -> list[Listed]:
        """Every metric that is kept or was dropped, by service and name."""
        query = sa.select(
            series.c.metric,
            series.c.service,
            sa.func.min(series.c.kind),
            sa.func.count(sa.distinct(series.c.family)),
            sa.func.count(),
            sa.func.max(series.c.seen),
        ).group_by(series.c.metric, series.c.service)
        with self._engine.connect() as connection:
            lost: dict[tuple[str, str], dict[str, int]] = {}
            for row in connection.execute(sa.select(dropped)):
                lost.setdefault((row[0], row[1]), {})[row[2]] = row[3]
            found = [
                Listed(m, s, k, sets, n, newest, lost.pop((m, s), {}))
                for m, s, k, sets, n, newest in connection.execute(query)
            ]
        found += [Listed(m, s, "", 0, 0, 0.0, why) for (m, s), why in lost.items()]
        return sorted(found, key=lambda one: (one.service, one.metric))

    def retention(self, connection: sa.Connection | None = None) -> Retention:
        """What is set, or the defaults."""
        with self._reading(connection) as reader:
            rows = reader.execute(sa.select(settings.c.name, settings.c.value))
            known = {row.name: row.value for row in rows}
        was = Retention()
        return Retention(
            float(known.get("raw", was.raw)),
            float(known.get("rollup", was.rollup)),
            int(known.get("budget", was.budget)),
        )

    def retain(self, new: Retention) -> None:
        """Set it; the next prune obeys."""
        for name in ("raw", "rollup", "budget"):
            self.remember(name, str(getattr(new, name)))
        self._families.clear()

    def remember(self, name: str, value: str) -> None:
        """Keep a word under a name."""
        with self._guard, self._writing() as connection:
            upsert(connection, settings, [{"name": name, "value": value}])

    def remembered(self, name: str) -> str:
        """The word, empty if there is none."""
        with self._engine.connect() as connection:
            query = sa.select(settings.c.value).where(settings.c.name == name)
            return connection.execute(query).scalar() or ""

    def prune(self, now: float) -> None:
        """Fold what is older than the raw retention into rollups, forget what is older than theirs.

        Samples that come later than that are dropped as too late.
        """
        with self._guard, self._writing() as connection:
            keep = self.retention(connection)
            cutoff = (now - keep.raw) // 60 * 60
            old = sa.select(raw.c.series).where(raw.c.at < cutoff).distinct()
            kinds = sa.select(series.c.id, series.c.kind).where(series.c.id.in_(old))
            for id, kind in list(connection.execute(kinds)):
                fold(connection, id, kind, cutoff)
            connection.execute(raw.delete().where(raw.c.at < cutoff))
            connection.execute(rollups.delete().where(rollups.c.at < now - keep.rollup))
            connection.execute(series.delete().where(series.c.seen < now - keep.rollup - 3600))
            connection.execute(dropped.delete().where(dropped.c.at < now - keep.rollup))
            upsert(connection, settings, [{"name": "folded", "value": str(cutoff)}])
            self._known.clear()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
        except BaseException:
            self._known.clear()  # what was made in it is not there
            self._families.clear()
            raise

    @contextmanager
    def _reading(self, connection: sa.Connection | None) -> Iterator[sa.Connection]:
        if connection is not None:
            yield connection
            return
        with self._engine.connect() as mine:
            yield mine

    def _row(self, batch: "_Batch", point: Point) -> tuple[dict[str, object] | None, Why]:
        """The row of a point, or why it is dropped, which is counted in the batch."""
        metric, service = name(point.metric), point.labels.get("service", "")[:MOST_CHARACTERS]
        why = batch.refused(point)
        known = None if why else self._series(batch, point, metric, service)
        if known is None:
            batch.dropped[metric, service, why or batch.over] += 1
            return None, why or batch.over
        at, value = point.at, point.value
        if point.delta:
            at, value = self._accumulated(batch.connection, known, point)
        known.at, known.last = max(at, known.at), value
        if at > known.seen + (0 if known.seen == 0 else SEEN_SECONDS):
            batch.seen[known.id] = known.seen = at
        return {"series": known.id, "at": at, "value": value}, batch.over

    def _accumulated(
        self, connection: sa.Connection, known: _Known, point: Point
    ) -> tuple[float, float]:
        """A growth that comes late is counted when it comes."""
        newest = sa.select(raw.c.at, raw.c.value).where(raw.c.series == known.id)
        row = connection.execute(newest.order_by(raw.c.at.desc()).limit(1)).first()
        at, last = (max(row[0], known.at), row[1]) if row else (known.at, 0.0)
        return max(point.at, at), (known.last if known.last is not None else last) + point.value

    def _series(self, batch: "_Batch", point: Point, metric: str, service: str) -> _Known | None:
        labels = _text(point.labels)
        key = (metric, labels)
        if key in self._known:
            return self._known[key]
        family = _text({k: v for k, v in point.labels.items() if k != "le"})
        query = sa.select(series.c.id, series.c.seen).where(
            series.c.metric == metric, series.c.labels == labels
        )
        row = batch.connection.execute(query).first()
        fresh = row is not None and row[1] > batch.now - batch.keep.raw
        if not batch.trusted and not fresh and not self._affordable(batch, metric, service, family):
            return None
        if row is None:
            values: dict[str, object] = {"metric": metric, "labels": labels, "family": family}
            values |= {"service": service, "kind": point.kind, "seen": 0.0}
            made = insert(batch.connection, series).values(**values)
            keys = ["metric", "labels"]
            batch.connection.execute(made.on_conflict_do_nothing(index_elements=keys))
            row = batch.connection.execute(query).one()
        self._known[key] = _Known(row[0], row[1])
        return self._known[key]

    def _affordable(self, batch: "_Batch", metric: str, service: str, family: str) -> bool:
        """Whether this label set is within the budget: those that were seen lately count."""
        read, families = self._families.get((metric, service), (0.0, set()))
        if batch.now - read > _REREAD_SECONDS or batch.now < read:
            query = (
                sa.select(series.c.family)
                .distinct()
                .where(
                    series.c.metric == metric,
                    series.c.service == service,
                    series.c.seen > batch.now - batch.keep.raw,
                )
            )
            families = {row[0] for row in batch.connection.execute(query)}
            self._families[metric, service] = (batch.now, families)
        if family in families:
            return True
        batch.over = "label budget"
        if len(families) >= batch.keep.budget:
            return False
        batch.over = "too many series"
        if len(self._known) >= MOST_SERIES:
            return False
        families.add(family)
        return True

    def _touch(self, batch: "_Batch") -> None:
        for id, at in batch.seen.items():
            batch.connection.execute(series.update().where(series.c.id == id).values(seen=at))


class _Batch:
    """One append: its transaction, and what was dropped on the way."""

    def __init__(
        self, connection: sa.Connection, now: float, keep: Retention, *, trusted: bool
    ) -> None:
        self.connection, self.now, self.keep, self.trusted = connection, now, keep, trusted
        self.over: Why = "label budget"
        self.dropped: Counter[tuple[str, str, Why]] = Counter()
        self.seen: dict[int, float] = {}
        self._folded = float(
            connection.execute(
                sa.select(settings.c.value).where(settings.c.name == "folded")
            ).scalar()
            or 0.0
        )

    def refused(self, point: Point) -> Why | None:
        """Why the point cannot be kept, whatever its series."""
        if not (math.isfinite(point.value) and math.isfinite(point.at)):
            return "not a number"
        if point.at > self.now + AHEAD_SECONDS:
            return "in the future"
        if point.at < self._folded or point.at < self.now - self.keep.rollup:
            return "too late"
        words = (point.metric, *point.labels, *point.labels.values())
        if len(point.labels) > MOST_LABELS or any(len(w) > MOST_CHARACTERS for w in words):
            return "name"
        return "name" if any("\0" in w for w in words) or not point.metric else None


def name(metric: str) -> str:
    """A metric's name as it is kept: letters, digits, `_` and `:`, as Prometheus writes them."""
    return _NAME.sub("_", metric)[:MOST_CHARACTERS]


def location(home: Path, url: str) -> str:
    """Where the samples of a home are kept: beside its database file, or in its Postgres."""
    return f"sqlite:///{home / 'metrics.db'}" if url.startswith("sqlite") else url


def _text(labels: dict[str, str]) -> str:
    return json.dumps(labels, sort_keys=True, separators=(",", ":"))


def _note(connection: sa.Connection, batch: _Batch) -> None:
    for (metric, service, why), count in batch.dropped.items():
        key = {"metric": metric, "service": service, "why": why}
        _count(connection, key, count, batch.now)


def _count(connection: sa.Connection, key: dict[str, str], count: int, now: float) -> None:
    statement = insert(connection, dropped).values(**key, count=count, at=now)
    grown = {"count": dropped.c.count + statement.excluded.count, "at": now}
    done = statement.on_conflict_do_update(index_elements=list(key), set_=grown)
    connection.execute(done)
