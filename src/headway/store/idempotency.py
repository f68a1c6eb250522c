"""Which writes were done under which key, so that the same again is done once. Used by api/v1.

A key is one principal's. The row is written in the transaction that has the effect: both are there,
or neither. What cannot be done in one transaction reserves an id first, under which doing it twice
is doing it once.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.store.database import Tx
from headway.store.idempotency_tables import table

KEPT_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class Done:
    """A write under a key. `status` 0: it was begun, not answered; `reserved`: the id it has."""

    fingerprint: str
    reserved: str
    status: int
    answer: bytes


def find(tx: Tx, principal: str, key: str) -> Done | None:
    """What was done under the key in the last day."""
    t = table.c
    query = sa.select(t.fingerprint, t.reserved, t.status, t.answer).where(
        t.principal == principal, t.key == key, t.at > tx.now - KEPT_SECONDS
    )
    row = tx.connection.execute(query).first()
    return None if row is None else Done(row.fingerprint, row.reserved, row.status, row.answer)


def keep(tx: Tx, principal: str, key: str, done: Done) -> None:
    """From now on, this was done under the key. What is older than a day is forgotten."""
    t = table.c
    old = sa.or_(t.at <= tx.now - KEPT_SECONDS, sa.and_(t.principal == principal, t.key == key))
    tx.connection.execute(table.delete().where(old))
    tx.connection.execute(
        table.insert().values(
            principal=principal,
            key=key,
            fingerprint=done.fingerprint,
            reserved=done.reserved,
            status=done.status,
            answer=done.answer,
            at=tx.now,
        )
    )
