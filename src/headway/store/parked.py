"""Runs of the server that wait without a place among those that run at once.

A row is there from the end of the flow that drove the run until the flow that goes on with it is
started, in one transaction each. Used by flows/run_workflow and flows/run_wake.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.store.database import Tx
from headway.store.run_tables import parked as table

_EVERY = sa.select(table.c.run, table.c.turn, table.c.queue, table.c.told).order_by(
    table.c.since, table.c.run
)
_OF_QUEUE = _EVERY.where(table.c.queue == sa.bindparam("of"))


@dataclass(frozen=True, slots=True)
class Parked:
    """One of them. `turn`: how often it has waited so; `queue`: in which it goes on."""

    run: str
    turn: int
    queue: str
    told: bool


def put(tx: Tx, one: Parked) -> None:
    """It waits from now on."""
    values = {"run": one.run, "turn": one.turn, "queue": one.queue, "told": one.told}
    tx.connection.execute(table.insert().values(**values, since=tx.now))


def take(tx: Tx, one: Parked) -> bool:
    """It goes on; False: somebody else has seen to it."""
    here = (table.c.run == one.run, table.c.turn == one.turn)
    return tx.connection.execute(table.delete().where(*here)).rowcount == 1


def of(connection: sa.Connection, queue: str) -> list[Parked]:
    """All that go on in that queue, the longest waiting first."""
    return [Parked(**row._mapping) for row in connection.execute(_OF_QUEUE, {"of": queue})]


def every(connection: sa.Connection) -> list[Parked]:
    """All of them, the longest waiting first."""
    return [Parked(**row._mapping) for row in connection.execute(_EVERY)]
