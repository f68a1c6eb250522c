"""The append-only event log: the only way a fact is written, and how it is read."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from headway.model.event import VERSION, Event, Fact
from headway.store import by_key, rows
from headway.store.database import Tx
from headway.store.tables import events

_TOLD = sa.select(events.c.seq).where(events.c.id == sa.bindparam("of"))
_LAST = sa.select(sa.func.max(events.c.seq))


@dataclass(frozen=True, slots=True)
class About:
    """What an event is about, beside its subject."""

    delivery: str = ""
    service: str = ""
    environment: str = ""
    release: str = ""


def append(tx: Tx, about: About, fact: Fact) -> None:
    """Write a fact once: the same id again changes nothing."""
    event_id = f"{fact.subject}/{fact.generation}/{fact.kind}"
    if tx.connection.execute(_TOLD, {"of": event_id}).first():
        return
    row = {
        "seq": last_seq(tx.connection) + 1,
        "id": event_id,
        "version": VERSION,
        "at": tx.now,
        "kind": fact.kind,
        "subject": fact.subject,
        "delivery": about.delivery,
        "service": about.service,
        "environment": about.environment,
        "release": about.release,
        "data": json.dumps(fact.data, separators=(",", ":"), sort_keys=True),
    }
    by_key.insert(tx.connection, events, row)


def after(connection: sa.Connection, seq: int, *, limit: int = 1000, **where: str) -> list[Event]:
    """Events later than `seq`, oldest first; `where` names columns (delivery, service, …)."""
    query = _later(tuple(where))
    return [event(r) for r in connection.execute(query, {**where, "after": seq, "most": limit})]


@cache
def _later(columns: tuple[str, ...]) -> "sa.Select[Any]":
    query = sa.select(events).where(events.c.seq > sa.bindparam("after"))
    query = query.where(*(events.c[name] == sa.bindparam(name) for name in columns))
    return query.order_by(events.c.seq).limit(sa.bindparam("most"))


def any_of(connection: sa.Connection, **where: Iterable[str]) -> list[Event]:
    """Every event for which one of the named columns has one of the values, oldest first."""
    tests = [events.c[column].in_(list(values)) for column, values in where.items()]
    query = sa.select(events).where(sa.or_(*tests)).order_by(events.c.seq)
    return [event(r) for r in connection.execute(query)]


def of_kinds(
    connection: sa.Connection, deliveries: Iterable[str], kinds: Iterable[str], prefix: str
) -> list[Event]:
    """These deliveries' events of these kinds, or of kinds that begin with `prefix`; oldest
    first.
    """
    wanted = sa.or_(
        events.c.kind.in_(list(kinds)), events.c.kind.startswith(prefix, autoescape=True)
    )
    query = sa.select(events).where(events.c.delivery.in_(list(deliveries)), wanted)
    return [event(r) for r in connection.execute(query.order_by(events.c.seq))]


def last_seq(connection: sa.Connection) -> int:
    """The newest event's number; 0 in an empty log."""
    return connection.execute(_LAST).scalar() or 0


def service_of(connection: sa.Connection, subject: str) -> str:
    """The service that the subject's first event is about; "" without one."""
    query = sa.select(events.c.service).where(events.c.subject == subject)
    return connection.execute(query.order_by(events.c.seq).limit(1)).scalar() or ""


def digest(connection: sa.Connection, seq: int) -> str:
    """SHA-256 over the events up to `seq`, each as its line of store/rows.py, in their order."""
    total = hashlib.sha256()
    query = sa.select(events).where(events.c.seq <= seq).order_by(events.c.seq)
    options = {"stream_results": True, "max_row_buffer": rows.BATCH}
    for row in connection.execute(query, execution_options=options):
        total.update(rows.encode(list(row)) + b"\n")
    return f"sha256:{total.hexdigest()}"


def event(row: "sa.Row[tuple[object, ...]]") -> Event:
    """A row of the table as the event it is."""
    m = row._mapping
    fields = {k: m[k] for k in m if k not in {"data"}}
    return Event(**fields, data=json.loads(m["data"]))
