"""Subscriptions: who gets events by webhook. Written by flows/webhooks and flows/webhook_rounds."""

import json

import sqlalchemy as sa

from headway.model.errors import Invalid
from headway.model.event import Fact
from headway.model.webhook import Subscription
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.webhook_tables import subscriptions as table

_EVERY = sa.select(table).order_by(table.c.name)
_OF_HOME = _EVERY.where(table.c.home == sa.bindparam("of"))


def add(tx: Tx, one: Subscription) -> None:
    """A new one. The name must be free: `named` says so."""
    row = {name: getattr(one, name) for name in Subscription.__slots__}
    tx.connection.execute(table.insert().values(row | {"events": json.dumps(one.events)}))


def every(connection: sa.Connection, home: str = "") -> list[Subscription]:
    """All by name, or those for which that home sends."""
    found = connection.execute(_OF_HOME, {"of": home}) if home else connection.execute(_EVERY)
    return [_read(row) for row in found]


def get(connection: sa.Connection, id: str) -> Subscription | None:
    """By id; None if it was deleted."""
    row = connection.execute(sa.select(table).where(table.c.id == id)).first()
    return _read(row) if row else None


def named(connection: sa.Connection, name: str) -> Subscription | None:
    """By its whole name or id; None if there is none."""
    same = sa.or_(table.c.name == name, table.c.id == name)
    row = connection.execute(sa.select(table).where(same)).first()
    return _read(row) if row else None


def find(connection: sa.Connection, name: str) -> Subscription:
    """By name or id. Raises Invalid (`unknown-webhook`)."""
    found = named(connection, name)
    if found is None:
        known = ", ".join(s.name for s in every(connection)[:20]) or "none"
        raise Invalid(
            f"there is no webhook `{name[:60]}`",
            why=f"known: {known}",
            next="headway webhook list",
            code="unknown-webhook",
        )
    return found


def update(tx: Tx, id: str, **changes: str | float | bool) -> None:
    """Change columns of one."""
    tx.connection.execute(table.update().where(table.c.id == id).values(**changes))


def changed(tx: Tx, one: Subscription, what: str, data: dict[str, object]) -> None:
    """Write `webhook.WHAT` into the log: what was done to it, or what happened to it."""
    tx.connection.execute(
        table.update().where(table.c.id == one.id).values(changes=table.c.changes + 1)
    )
    query = sa.select(table.c.changes).where(table.c.id == one.id)
    number = tx.connection.execute(query).scalar() or 0
    about = About(service=one.service, environment=one.environment)
    append(tx, about, Fact(f"webhook.{what}", one.id, number, {"name": one.name, **data}))


def pass_to(tx: Tx, one: Subscription, cursor: int) -> bool:
    """Every event up to there was looked at. False: somebody moved the cursor meanwhile."""
    here = (table.c.id == one.id, table.c.cursor == one.cursor, table.c.state == "active")
    done = tx.connection.execute(table.update().where(*here).values(cursor=cursor))
    return done.rowcount == 1


def remove(tx: Tx, id: str) -> None:
    """Forget it. Its deliveries are removed by store/webhook_deliveries."""
    tx.connection.execute(table.delete().where(table.c.id == id))


def _read(row: "sa.Row[tuple[object, ...]]") -> Subscription:
    known = dict(row._mapping)
    return Subscription(**(known | {"events": tuple(json.loads(str(known["events"])))}))
