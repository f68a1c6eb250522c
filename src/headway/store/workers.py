"""Beats of the processes that run flows."""

import sqlalchemy as sa

from headway.store.database import Tx
from headway.store.tables import workers


def beat(tx: Tx, executor: str) -> None:
    """The executor is alive now."""
    t = workers
    done = tx.connection.execute(t.update().where(t.c.executor == executor).values(beat_at=tx.now))
    if done.rowcount == 0:
        tx.connection.execute(t.insert().values(executor=executor, beat_at=tx.now))


def bury(tx: Tx, after_seconds: float) -> list[str]:
    """Executors whose last beat is older; each is given to exactly one caller."""
    t = workers
    query = sa.select(t.c.executor).where(t.c.beat_at < tx.now - after_seconds)
    dead = list(tx.connection.execute(query).scalars())
    tx.connection.execute(t.delete().where(t.c.executor.in_(dead)))
    return dead


def known(connection: sa.Connection) -> bool:
    """Whether any worker that has beaten is not buried."""
    return connection.execute(sa.select(workers.c.executor).limit(1)).first() is not None
