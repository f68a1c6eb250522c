"""Runs of the server that gave up their place go on when what they wait for has come.

A round of the server (wiring) looks at their tickets; a run that stirs gets a flow of its own for
its next turn, in the transaction that takes its row away: exactly once, whenever the process ends.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import sqlalchemy as sa

from headway.flows import pipeline_park
from headway.flows.run_start import FLOW, RunOrder
from headway.flows.run_tell import Voice
from headway.flows.world import World
from headway.store import parked
from headway.store.database import Tx
from headway.store.parked import Parked


@dataclass(frozen=True, slots=True)
class Waker:
    """Looks after the runs of one queue; `ring` tells whoever takes from it."""

    world: World
    reading: Callable[[], AbstractContextManager[sa.Connection]]
    queue: str
    ring: Callable[[], None]

    def look(self) -> None:
        """Every run that stirs goes on. Raises OSError, SQLAlchemyError: the rest has its turn at
        the next look.
        """
        with self.reading() as connection:
            rows = parked.of(connection, self.queue)
        now = self.world.clock.now()
        stirring = [row for row in rows if pipeline_park.stirs(self.world.bench, row.run, now)]
        for row in stirring:
            with self.world.tx() as tx:
                wake(tx, self.world, row)
        if stirring:
            self.ring()


def wake(tx: Tx, world: World, row: Parked) -> None:
    """The run goes on; what was done already is not done again."""
    if parked.take(tx, row):
        order = RunOrder(row.run, row.told, row.queue, row.turn)
        world.outbox.start(tx, FLOW, f"{row.run}~{row.turn}", order, row.queue)
        speaker = Voice(world, row.run, "", told=False)
        speaker.fact(tx, "run.woken", {"turn": row.turn}, row.turn)
