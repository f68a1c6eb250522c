"""Commits that were ever asked to be delivered, the one asked for last first: GET /commits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from headway.store.tables import deliveries
from headway.store.views.moments import at
from headway.store.views.paging import Filter


@dataclass(frozen=True, slots=True)
class CommitRow:
    """A commit of a service, with its newest delivery and what came of that."""

    commit: str
    service: str
    ref: str
    author: str
    subject: str
    deliveries: int
    delivery: str
    release: str
    state: str
    outcome: str
    requested_at: datetime


def read(connection: sa.Connection, asked: Filter) -> list[CommitRow]:
    """By service; `asked.cursor` is the newest delivery of the last one."""
    t, other = deliveries.c, deliveries.alias("other")
    # looked up by the commit, not among all that the service ever delivered
    same = sa.and_(other.c.sha == t.sha, other.c.service.concat("") == t.service)
    newer = sa.select(other.c.id).where(same, other.c.id > t.id).exists()
    several = sa.select(sa.func.count()).select_from(other).where(same).scalar_subquery()
    query: sa.Select[Any] = sa.select(deliveries, several.label("several"))
    query = query.where(t.sha != "", ~newer)
    if asked.service:
        query = query.where(t.service == asked.service)
    if asked.seen is not None:
        query = query.where(t.service.in_(sorted(asked.seen)))
    if asked.cursor:
        query = query.where(t.id < asked.cursor)
    if asked.since is not None:
        query = query.where(t.requested_at >= asked.since)
    if asked.until is not None:
        query = query.where(t.requested_at < asked.until)
    rows = connection.execute(query.order_by(t.id.desc()).limit(asked.limit))
    return [
        CommitRow(
            commit=r.sha,
            service=r.service,
            ref=r.ref,
            author=r.author,
            subject=r.subject,
            deliveries=r.several,
            delivery=r.id,
            release=r.release,
            state=r.state,
            outcome=r.outcome,
            requested_at=at(r.requested_at),
        )
        for r in rows
    ]
