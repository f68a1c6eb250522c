"""What forges shall show at commits: the newest state of each, until the forge has taken it.

Only the newest matters: a `pending` that could not be sent is not sent after the `success`.
Used by flows/statuses.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.ports.status_sink import Status
from headway.store.database import Tx
from headway.store.tables import commit_statuses as table


@dataclass(frozen=True, slots=True)
class Due:
    """A status that the forge of the connection has not taken yet."""

    connection: str
    status: Status
    version: int
    attempts: int
    changed_at: float


def put(tx: Tx, connection: str, status: Status) -> None:
    """Let the forge show this; the same again changes nothing."""
    row = tx.connection.execute(sa.select(table).where(*_key(connection, status))).first()
    told = {"state": status.state, "url": status.url, "description": status.description}
    if row is not None and all(row._mapping[name] == value for name, value in told.items()):
        return
    fresh = {**told, "attempts": 0, "next_at": tx.now, "changed_at": tx.now, "error": ""}
    if row is None:
        key = {"repo": status.repo, "sha": status.sha, "context": status.context}
        first = {"connection": connection, "version": 1, "sent": 0}
        tx.connection.execute(table.insert().values(**key, **first, **fresh))
    else:
        newer = {"version": row._mapping["version"] + 1, **fresh}
        change = table.update().where(*_key(connection, status)).values(newer)
        tx.connection.execute(change)


def due(connection: sa.Connection, now: float, limit: int = 100) -> list[Due]:
    """What may be sent now, oldest first."""
    query = sa.select(table).where(table.c.sent < table.c.version, table.c.next_at <= now)
    rows = connection.execute(query.order_by(table.c.changed_at).limit(limit))
    return [_due(row._mapping) for row in rows]


def _due(row: "sa.RowMapping") -> Due:
    status = Status(**{name: row[name] for name in Status.__slots__})
    return Due(row["connection"], status, row["version"], row["attempts"], row["changed_at"])


def sent(tx: Tx, one: Due) -> None:
    """The forge has taken this version; a newer one stays due."""
    here = (*_key(one.connection, one.status), table.c.sent < one.version)
    tx.connection.execute(table.update().where(*here).values(sent=one.version, error=""))


def failed(tx: Tx, one: Due, error: str, until: float | None) -> None:
    """It was not taken: try again then, or (None) no more, unless something newer comes."""
    given_up = {"sent": one.version} if until is None else {"next_at": until}
    changes = {"error": error, "attempts": table.c.attempts + 1, **given_up}
    here = (*_key(one.connection, one.status), table.c.version == one.version)
    tx.connection.execute(table.update().where(*here).values(changes))


def _key(connection: str, status: Status) -> tuple["sa.ColumnElement[bool]", ...]:
    return (
        table.c.connection == connection,
        table.c.repo == status.repo,
        table.c.sha == status.sha,
        table.c.context == status.context,
    )
