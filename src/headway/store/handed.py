"""What registries told: which digest was delivered because of which tag, what each tag meant last.

Used by flows/handover_push.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.store.database import Tx
from headway.store.handed_tables import handed, tags


@dataclass(frozen=True, slots=True)
class Handed:
    """A digest whose push in a registry started a delivery."""

    service: str
    digest: str
    delivery: str
    connection: str
    tag: str
    at: float


def get(connection: sa.Connection, service: str, digest: str) -> Handed | None:
    """The delivery of that digest that a registry started, if one did."""
    here = (handed.c.service == service, handed.c.digest == digest)
    row = connection.execute(sa.select(handed).where(*here)).first()
    return Handed(**row._mapping) if row else None


def add(tx: Tx, one: Handed) -> None:
    """Remember it."""
    row = {name: getattr(one, name) for name in Handed.__slots__}
    tx.connection.execute(handed.insert().values(**row))


def seen(tx: Tx, connection: str, repository: str, tag: str, digest: str) -> tuple[str, int]:
    """The tag means this digest now. Gives what it meant before, "" if that is the same or it is
    new, and how often it has moved.
    """
    t = tags
    here = (t.c.connection == connection, t.c.repository == repository, t.c.tag == tag)
    known = tx.connection.execute(sa.select(t.c.digest, t.c.moves).where(*here)).first()
    if known is None:
        row = {"connection": connection, "repository": repository, "tag": tag}
        tx.connection.execute(t.insert().values(**row, digest=digest, moves=0))
        return "", 0
    before, moves = str(known[0]), int(known[1])
    if before == digest:
        return "", moves
    changes = {"digest": digest, "moves": moves + 1}
    tx.connection.execute(t.update().where(*here).values(**changes))
    return before, moves + 1
