"""Where the refs of polled repositories were when they were last asked for.

Used by flows/polling.
"""

import json
from dataclasses import dataclass, field

import sqlalchemy as sa

from headway.store.database import Tx
from headway.store.tables import polls as table


@dataclass(frozen=True, slots=True)
class Poll:
    """Of one connection. `refs`: None before the first answer; `failures` in a row; `error`: what
    the last of them said.
    """

    connection: str
    address: str
    refs: dict[str, str] | None = None
    next_at: float = 0.0
    failures: int = 0
    error: str = field(default="")


def get(connection: sa.Connection, name: str, address: str) -> Poll:
    """What is known; a connection whose address changed begins anew."""
    row = connection.execute(sa.select(table).where(table.c.connection == name)).first()
    if row is None or row._mapping["address"] != address:
        return Poll(name, address)
    return Poll(**{**row._mapping, "refs": json.loads(row._mapping["refs"])})


def put(tx: Tx, poll: Poll) -> None:
    """Remember it."""
    tx.connection.execute(table.delete().where(table.c.connection == poll.connection))
    tx.connection.execute(
        table.insert().values(
            connection=poll.connection,
            address=poll.address,
            refs=json.dumps(poll.refs),
            next_at=poll.next_at,
            failures=poll.failures,
            error=poll.error,
        )
    )
