"""What is to be sent to subscriptions and what came of it: a row for each CloudEvent.

A row holds no body: that is made of the event in the log each time. Only ROOM rows of a
subscription wait in order at once; the rest of a backlog is the distance of its cursor to the log's
end. Used by flows/webhook_rounds, flows/webhook_attempts and flows/webhooks.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from headway.model.event import Event
from headway.store.database import Tx
from headway.store.webhook_tables import deliveries as table

ROOM = 200
KEPT_SECONDS = 7 * 86400.0
DEAD_KEPT_SECONDS = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One CloudEvent for one subscription. `state`: waiting, delivered or dead."""

    id: str
    webhook: str
    seq: int
    part: int
    kind: str
    state: str
    aside: bool
    attempts: int
    status: int
    error: str
    created_at: float
    first_at: float
    next_at: float
    done_at: float


def identity(webhook: str, seq: int, part: int) -> str:
    """The same for the same event and subscription: what a receiver knows a repetition by."""
    digest = hashlib.sha256(f"{webhook}\n{seq}\n{part}".encode()).hexdigest()
    return f"dlv_{digest[:26]}"


def room(connection: sa.Connection, webhook: str) -> int:
    """How many more may wait in order."""
    here = (table.c.webhook == webhook, table.c.state == "waiting", table.c.aside.is_(False))
    count = connection.execute(sa.select(sa.func.count()).where(*here)).scalar() or 0
    return max(0, ROOM - count)


def want(tx: Tx, webhook: str, event: Event, parts: int) -> None:
    """The event is to be sent. One that was taken or given up, because the cursor was put back
    over it, is sent again under the same id.
    """
    ids = [identity(webhook, event.seq, part) for part in range(parts)]
    known = set(tx.connection.execute(sa.select(table.c.id).where(table.c.id.in_(ids))).scalars())
    again(tx, known)
    fresh = [
        {"id": id, "webhook": webhook, "seq": event.seq, "part": part, "kind": event.kind,
         "created_at": tx.now, **_NEW}
        for part, id in enumerate(ids)
        if id not in known
    ]  # fmt: skip
    if fresh:
        tx.connection.execute(table.insert(), fresh)


_NEW = {
    "state": "waiting",
    "aside": False,
    "attempts": 0,
    "status": 0,
    "error": "",
    "first_at": 0.0,
    "next_at": 0.0,
    "done_at": 0.0,
}


def again(tx: Tx, ids: Iterable[str]) -> int:
    """Send these again, as if they were new; those that wait already stay as they are."""
    here = (table.c.id.in_(list(ids)), table.c.state != "waiting")
    return tx.connection.execute(table.update().where(*here).values(**_NEW)).rowcount


def dead_again(tx: Tx, webhook: str) -> int:
    """Send again what was given up; gives how many."""
    here = (table.c.webhook == webhook, table.c.state == "dead")
    return tx.connection.execute(table.update().where(*here).values(**_NEW)).rowcount


def due(connection: sa.Connection, webhook: str, now: float, limit: int) -> list[Delivery]:
    """The first that may be sent now; those aside come last."""
    here = (table.c.webhook == webhook, table.c.state == "waiting", table.c.next_at <= now)
    order = (table.c.aside, table.c.seq, table.c.part)
    query = sa.select(table).where(*here).order_by(*order).limit(limit)
    return [Delivery(**row._mapping) for row in connection.execute(query)]


def with_due(connection: sa.Connection, now: float) -> set[str]:
    """The subscriptions that have something that may be sent now."""
    query = sa.select(table.c.webhook).where(table.c.state == "waiting", table.c.next_at <= now)
    return set(connection.execute(query.distinct()).scalars())


def update(tx: Tx, id: str, **changes: str | float | bool) -> None:
    """Change columns of one."""
    tx.connection.execute(table.update().where(table.c.id == id).values(**changes))


def known(connection: sa.Connection, webhook: str, ids: Iterable[str]) -> set[str]:
    """Which of these are of that subscription and still known."""
    here = (table.c.webhook == webhook, table.c.id.in_(list(ids)))
    return set(connection.execute(sa.select(table.c.id).where(*here)).scalars())


def remove(tx: Tx, webhook: str) -> None:
    """Forget all of a subscription."""
    tx.connection.execute(table.delete().where(table.c.webhook == webhook))


def prune(tx: Tx) -> None:
    """Forget what was taken a week ago, and what was given up a month ago."""
    for state, kept in (("delivered", KEPT_SECONDS), ("dead", DEAD_KEPT_SECONDS)):
        old = (table.c.state == state, table.c.done_at < tx.now - kept)
        tx.connection.execute(table.delete().where(*old))
