"""Commits that were ever asked to be delivered, the one asked for last first: GET /commits."""

from dataclasses import dataclass
from datetime import datetime

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
    t = deliveries.c
    each = sa.select(sa.func.max(t.id).label("id"), sa.func.count().label("several"))
    each = each.where(t.sha != "").group_by(t.sha, t.service)
    if asked.service:
        each = each.where(t.service == asked.service)
    if asked.seen is not None:
        each = each.where(t.service.in_(sorted(asked.seen)))
    newest = each.subquery()
    query = sa.select(deliveries, newest.c.several).join(newest, newest.c.id == t.id)
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
