"""Pools with their limits, and the workers in them. Used by flows/pool_* and cli/pool.

Whoever can write here is trusted with every job: a worker proves nothing but that it has the
database. Its public key only says whom a job's secrets are sealed for.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.pipeline.pool.choice import Limits
from headway.store.database import Tx
from headway.store.pool_place import now, tell
from headway.store.pool_tables import jobs, pools, turns, workers

FORGET_SECONDS = 24 * 3600.0
"""How long a worker that is gone is still shown."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool and its limits."""

    name: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process. `id` stays the same when it is started again in the same home.

    `places`: how many jobs it runs at once. `lease`: seconds without a beat after which its jobs
    are given to others. Times are Unix seconds of the database.
    """

    id: str
    pool: str
    host: str
    places: int
    public_key: bytes
    lease: float
    state: str = "ready"
    started_at: float = 0.0
    beat_at: float = 0.0

    def alive(self, at: float) -> bool:
        """Whether its lease has not run out."""
        return self.state != "gone" and self.beat_at + self.lease >= at


def make(tx: Tx, name: str) -> None:
    """A pool without limits, unless it is there."""
    known = tx.connection.execute(sa.select(pools.c.name).where(pools.c.name == name)).first()
    if known is None:
        row = {"name": name, "most": 0, "most_repo": 0, "most_environment": 0, "claims": 0}
        tx.connection.execute(pools.insert().values(row))


def limit(tx: Tx, name: str, limits: Limits) -> None:
    """Set all limits of a pool, which is made if it is not there."""
    make(tx, name)
    tx.connection.execute(
        pools.update()
        .where(pools.c.name == name)
        .values(most=limits.pool, most_repo=limits.repo, most_environment=limits.environment)
    )
    tell(tx, "pool", name)


def remove(tx: Tx, name: str) -> bool:
    """Forget a pool; False if it has jobs or living workers."""
    busy = sa.select(jobs.c.id).where(jobs.c.pool == name, jobs.c.state != "done").limit(1)
    if tx.connection.execute(busy).first() or any(
        w.alive(tx.now) for w in members(tx.connection, name)
    ):
        return False
    for table in (turns, workers):
        tx.connection.execute(table.delete().where(table.c.pool == name))
    tx.connection.execute(pools.delete().where(pools.c.name == name))
    return True


def every(connection: sa.Connection) -> list[Pool]:
    """All pools, by name."""
    found = connection.execute(sa.select(pools).order_by(pools.c.name))
    return [Pool(r.name, Limits(r.most, r.most_repo, r.most_environment)) for r in found]


def register(tx: Tx, worker: Worker) -> None:
    """The worker is there; what was known of it under this id is replaced."""
    make(tx, worker.pool)
    tx.connection.execute(workers.delete().where(workers.c.id == worker.id))
    tx.connection.execute(
        workers.insert().values(
            id=worker.id,
            pool=worker.pool,
            host=worker.host,
            places=worker.places,
            public_key=worker.public_key,
            lease=worker.lease,
            state="ready",
            started_at=tx.now,
            beat_at=tx.now,
        )
    )
    tell(tx, "job", *_waiting(tx, worker.pool))


def beat(tx: Tx, worker: str, state: str) -> bool:
    """The worker is alive now; False if nobody knows it."""
    at = workers.update().where(workers.c.id == worker).values(beat_at=tx.now, state=state)
    return tx.connection.execute(at).rowcount == 1


def members(connection: sa.Connection, pool: str = "") -> list[Worker]:
    """The workers of a pool, or of all, by id; those that are gone too."""
    asked = sa.select(workers).order_by(workers.c.pool, workers.c.id)
    if pool:
        asked = asked.where(workers.c.pool == pool)
    return [Worker(**row._mapping) for row in connection.execute(asked)]


def member(connection: sa.Connection, worker: str) -> Worker | None:
    """The worker of that id."""
    row = connection.execute(sa.select(workers).where(workers.c.id == worker)).first()
    return Worker(**row._mapping) if row else None


def living(connection: sa.Connection) -> frozenset[str]:
    """Pools that have a living worker."""
    at = now(connection)
    return frozenset(w.pool for w in members(connection) if w.alive(at))


def forget(tx: Tx) -> None:
    """Drop workers that have been gone for long and hold nothing."""
    old = workers.c.beat_at + workers.c.lease < tx.now - FORGET_SECONDS
    holding = sa.select(jobs.c.worker).where(jobs.c.state == "claimed")
    tx.connection.execute(workers.delete().where(old, workers.c.id.not_in(holding)))


def _waiting(tx: Tx, pool: str) -> list[str]:
    asked = sa.select(jobs.c.id).where(jobs.c.pool == pool, jobs.c.state == "waiting")
    return list(tx.connection.execute(asked.limit(1000)).scalars())
