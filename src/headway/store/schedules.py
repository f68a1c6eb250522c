"""Schedules of the workflows on default branches, and up to when each was dealt with.

Used by flows/schedules.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from headway.store.database import Tx
from headway.store.tables import schedules as table


@dataclass(frozen=True, slots=True)
class Schedule:
    """One `cron` of one workflow file. `zone` is an IANA name, "" for UTC; `seen` Unix seconds."""

    address: str
    file: str
    cron: str
    zone: str
    repo: str
    branch: str
    seen: float = 0.0


def every(connection: sa.Connection) -> list[Schedule]:
    """All of them."""
    query = sa.select(table).order_by(table.c.address, table.c.file, table.c.cron, table.c.zone)
    return [Schedule(**row._mapping) for row in connection.execute(query)]


def replace(tx: Tx, address: str, found: Iterable[Schedule]) -> None:
    """These are the repository's schedules now. One that was there keeps what it has seen; a new
    one begins now, so that it does not strike for the past.
    """
    old = {(s.file, s.cron, s.zone): s.seen for s in every(tx.connection) if s.address == address}
    tx.connection.execute(table.delete().where(table.c.address == address))
    for key, one in {(s.file, s.cron, s.zone): s for s in found}.items():
        seen = old.get(key, tx.now)
        tx.connection.execute(
            table.insert().values(
                address=address,
                file=one.file,
                cron=one.cron,
                zone=one.zone,
                repo=one.repo,
                branch=one.branch,
                seen=seen,
            )
        )


def advance(tx: Tx, one: Schedule, to: float) -> bool:
    """It is dealt with up to then; False if another server was faster, or it is gone."""
    here = [table.c[name] == getattr(one, name) for name in ("address", "file", "cron", "zone")]
    query = table.update().where(*here, table.c.seen == one.seen).values(seen=to)
    return tx.connection.execute(query).rowcount == 1
