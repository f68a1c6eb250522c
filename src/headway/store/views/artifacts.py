"""Artifacts: the list of every digest that was released, and one of them. For commands, the API and
the pages.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from headway.store.tables import quarantines, releases
from headway.store.views.moments import at, moment
from headway.store.views.paging import Filter, narrowed, within


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """Why a digest is, or was, refused in an environment."""

    environment: str
    because: str
    at: datetime
    cleared_by: str
    cleared_reason: str
    cleared_at: datetime | None


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """One digest: its releases, and where it is quarantined."""

    digest: str
    service: str
    commit: str
    releases: tuple[str, ...]
    created_at: datetime
    quarantines: tuple[QuarantineRow, ...]


def read(connection: sa.Connection, asked: Filter) -> list[ArtifactRow]:
    """Every digest that a release names, by service."""
    t = releases
    query: sa.Select[Any] = sa.select(t.c.digest, t.c.service).where(_is_first())
    query = within(narrowed(query, asked, t.c.service, None), asked, t.c.created_at)
    if asked.cursor:
        whole = sa.select(sa.func.min(t.c.created_at)).where(t.c.digest == asked.cursor)
        last = connection.execute(whole).scalar()
        same = sa.and_(t.c.created_at == last, t.c.digest < asked.cursor)
        query = query.where(sa.or_(t.c.created_at < last, same))
    query = query.order_by(t.c.created_at.desc(), t.c.digest.desc())
    rows = connection.execute(query.limit(asked.limit)).all()
    return _rows(connection, [(r.digest, r.service) for r in rows])


def _is_first() -> "sa.ColumnElement[bool]":
    """Whether a release is the oldest of its digest and service."""
    t, older = releases.c, releases.alias("older")
    before = sa.tuple_(older.c.created_at, older.c.name) < sa.tuple_(t.created_at, t.name)
    # looked up by its digest, not among all that the service ever released
    same = sa.and_(older.c.digest == t.digest, older.c.service.concat("") == t.service)
    return ~sa.select(older.c.name).where(same, before).exists()


def one(connection: sa.Connection, digest: str, service: str = "") -> ArtifactRow:
    """One digest, of one service if several have it."""
    return _rows(connection, [(digest, service)])[0]


def _rows(connection: sa.Connection, wanted: list[tuple[str, str]]) -> list[ArtifactRow]:
    """Of digests and services; no service: every one that has released it."""
    digests = sorted({digest for digest, _ in wanted})
    t = releases.c
    query = sa.select(t.digest, t.name, t.service, t.sha, t.created_at)
    query = query.where(t.digest.in_(digests)).order_by(t.created_at)
    made: dict[str, list[Any]] = {}
    for row in connection.execute(query):
        made.setdefault(row.digest, []).append(row)
    refused: dict[tuple[str, str], list[QuarantineRow]] = {}
    q = quarantines.c
    of = sa.select(quarantines).where(q.digest.in_(digests)).order_by(q.seq)
    for row in connection.execute(of):
        refused.setdefault((row.digest, row.service), []).append(_quarantine(row))
    return [
        _row(digest, [r for r in made[digest] if service in {"", r.service}], refused)
        for digest, service in wanted
    ]


def _row(
    digest: str, found: list[Any], refused: dict[tuple[str, str], list[QuarantineRow]]
) -> ArtifactRow:
    first = found[0]
    return ArtifactRow(
        digest=digest,
        service=first.service,
        commit=first.sha,
        releases=tuple(r.name for r in found),
        created_at=at(first.created_at),
        quarantines=tuple(refused.get((digest, first.service), ())),
    )


def _quarantine(row: Any) -> QuarantineRow:
    return QuarantineRow(
        environment=row.environment,
        because=row.because,
        at=at(row.at),
        cleared_by=row.cleared_by,
        cleared_reason=row.cleared_reason,
        cleared_at=moment(row.cleared_at),
    )
