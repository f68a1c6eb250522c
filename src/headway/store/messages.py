"""The outbox of messages: written with the alert, sent later, until taken or given up.

A message is unique by its key and channel. Used by flows/alerting and flows/telling.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.model.alert import Message
from headway.store import by_key
from headway.store.database import Tx
from headway.store.records import dumps, loads
from headway.store.tables import alert_messages as table
from headway.store.tables import cursors

_CURSOR = sa.select(cursors.c.seq).where(cursors.c.name == sa.bindparam("of"))
_OLDEST = (
    sa.select(sa.func.min(table.c.seq))
    .where(table.c.state == "waiting")
    .group_by(table.c.channel, table.c.alert)
)
_DUE = (
    sa.select(table)
    .where(table.c.seq.in_(_OLDEST), table.c.next_at <= sa.bindparam("now"))
    .order_by(table.c.seq)
    .limit(sa.bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Pending:
    """One message for one channel. `state`: waiting, sent or dead; `attempts` so far."""

    seq: int
    channel: str
    alert: str
    message: Message
    state: str
    attempts: int
    created_at: float
    next_at: float
    sent_at: float
    error: str


def post(tx: Tx, channel: str, alert: str, message: Message) -> None:
    """Put it into the outbox; the same message for the same channel again changes nothing."""
    here = (table.c.key == message.key, table.c.channel == channel)
    if tx.connection.execute(sa.select(table.c.seq).where(*here)).first():
        return
    tx.connection.execute(
        table.insert().values(
            key=message.key,
            channel=channel,
            alert=alert,
            message=dumps(message),
            state="waiting",
            attempts=0,
            created_at=tx.now,
            next_at=tx.now,
            sent_at=0.0,
            error="",
        )
    )


def due(connection: sa.Connection, now: float, limit: int = 200) -> list[Pending]:
    """What may be sent now: of each alert and channel only the oldest that waits, so that nobody
    hears of an end before the beginning.
    """
    return [_pending(r) for r in connection.execute(_DUE, {"now": now, "most": limit})]


def update(tx: Tx, seq: int, **changes: str | float) -> None:
    """Change columns of one message."""
    by_key.update(tx.connection, table, {"seq": seq}, changes)


def postpone(tx: Tx, channel: str, until: float) -> None:
    """Nothing is sent to this channel before then, so that others are not kept waiting for it."""
    here = (table.c.channel == channel, table.c.state == "waiting", table.c.next_at < until)
    tx.connection.execute(table.update().where(*here).values(next_at=until))


def of_alert(connection: sa.Connection, alert: str) -> list[Pending]:
    """Everything told about an alert, oldest first."""
    query = sa.select(table).where(table.c.alert == alert).order_by(table.c.seq)
    return [_pending(r) for r in connection.execute(query)]


def undelivered(connection: sa.Connection) -> list[Pending]:
    """What failed at least once and was not taken, oldest first."""
    query = sa.select(table).where(
        sa.or_(table.c.state == "dead", sa.and_(table.c.state == "waiting", table.c.error != ""))
    )
    return [_pending(r) for r in connection.execute(query.order_by(table.c.seq))]


def cursor(connection: sa.Connection, name: str) -> int | None:
    """How far a reader of the event log has come; None: it has not begun."""
    found: int | None = connection.execute(_CURSOR, {"of": name}).scalar()
    return found


def move_cursor(tx: Tx, name: str, seq: int) -> None:
    """The reader has come so far."""
    by_key.put(tx.connection, cursors, {"name": name}, {"seq": seq})


def _pending(row: "sa.Row[tuple[object, ...]]") -> Pending:
    m = dict(row._mapping)
    m.pop("key")
    return Pending(**(m | {"message": loads(m["message"], Message)}))
