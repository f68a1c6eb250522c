"""The queue of jobs that wait for a worker, from the side of the server that wants them done.

A job is in the queue once: its id is run, key and attempt. Used by flows/pool_runner and cli/pool;
workers use pool_claims.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from headway.store.database import Tx
from headway.store.pool_claims import Piece
from headway.store.pool_place import tell
from headway.store.pool_tables import jobs, pieces, pools, turns

KEPT_SECONDS = 7 * 24 * 3600.0
"""How long the rows of a run that nobody finished are kept."""
TURNS_KEPT = 10_000
"""Of the pool's last so many claims it is remembered who had them."""


@dataclass(frozen=True, slots=True)
class New:
    """A job to be queued. `order`: its JobOrder as JSON. `secret`: whether it gets any secrets."""

    id: str
    pool: str
    home: str
    run: str
    name: str
    repo: str
    environment: str
    priority: int
    order: bytes
    source: str
    secret: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """How a job stands: `waiting`, `claimed`, `done`. `sealed`: its secrets are there."""

    id: str
    pool: str
    state: str
    generation: int
    worker: str
    secret: bool
    sealed: bool
    since: float


@dataclass(frozen=True, slots=True)
class Listed:
    """A job of a pool for people."""

    id: str
    pool: str
    run: str
    name: str
    repo: str
    environment: str
    priority: int
    state: str
    since: float
    claimed_at: float
    generation: int
    worker: str


def put(tx: Tx, new: New) -> bool:
    """Queue a job; False if it is there already."""
    if tx.connection.execute(sa.select(jobs.c.id).where(jobs.c.id == new.id)).first():
        return False
    count = sa.select(pools.c.claims).where(pools.c.name == new.pool)
    tx.connection.execute(
        jobs.insert().values(
            id=new.id,
            pool=new.pool,
            home=new.home,
            run=new.run,
            name=new.name,
            repo=new.repo,
            environment=new.environment,
            priority=new.priority,
            state="waiting",
            since=tx.now,
            turn=tx.connection.execute(count).scalar() or 0,
            order=new.order,
            source=new.source,
            secret=new.secret,
            sealed=b"",
            generation=0,
            worker="",
            claimed_at=0.0,
            finished_at=0.0,
            cancelled=False,
            shipped="{}",
            result=b"",
        )
    )
    tell(tx, "pool", new.pool)
    return True


def look(connection: sa.Connection, ids: Collection[str]) -> dict[str, Seen]:
    """How these jobs stand."""
    c = jobs.c
    sealed = sa.func.length(c.sealed) > 0
    asked = sa.select(
        c.id, c.pool, c.state, c.generation, c.worker, c.secret, sealed, c.since
    ).where(c.id.in_(ids))
    found = connection.execute(asked).all()
    return {
        r.id: Seen(r.id, r.pool, r.state, r.generation, r.worker, r.secret, bool(r[6]), r.since)
        for r in found
    }


def talking(connection: sa.Connection, ids: Collection[str]) -> set[str]:
    """Those of these jobs that have said something which nobody took yet."""
    asked = sa.select(pieces.c.job).where(pieces.c.job.in_(ids)).distinct()
    return set(connection.execute(asked).scalars())


def said(connection: sa.Connection, job: str, most: int = 16) -> list[Piece]:
    """The next pieces of what a job said, in order."""
    c = pieces.c
    asked = sa.select(c.kind, c.number, c.offset, c.data, c.id, c.generation)
    found = connection.execute(asked.where(c.job == job).order_by(c.id).limit(most))
    return [Piece(*row) for row in found]


def took(tx: Tx, job: str, last: int) -> None:
    """The pieces of the job up to that one are where they belong."""
    tx.connection.execute(pieces.delete().where(pieces.c.job == job, pieces.c.id <= last))


def seal(tx: Tx, job: str, generation: int, sealed: bytes) -> bool:
    """Hand the job's secrets to who holds it with that generation."""
    mine = (jobs.c.id == job, jobs.c.generation == generation, jobs.c.state == "claimed")
    if not tx.connection.execute(jobs.update().where(*mine).values(sealed=sealed)).rowcount:
        return False
    worker = tx.connection.execute(sa.select(jobs.c.worker).where(jobs.c.id == job)).scalar_one()
    tell(tx, "worker", worker)
    return True


def cancel(tx: Tx, job: str) -> bool:
    """The job shall end. True: nobody had it, and it is gone. In a transaction with `claims`."""
    mine = jobs.c.id == job
    gone = tx.connection.execute(jobs.delete().where(mine, jobs.c.state == "waiting"))
    if gone.rowcount:
        return True
    tx.connection.execute(jobs.update().where(mine).values(cancelled=True))
    worker = tx.connection.execute(sa.select(jobs.c.worker).where(mine)).scalar()
    tell(tx, "worker", worker or "")
    return False


def result(connection: sa.Connection, job: str) -> bytes:
    """What the worker gave for a job that is done."""
    found: bytes = connection.execute(sa.select(jobs.c.result).where(jobs.c.id == job)).scalar_one()
    return found


def results(connection: sa.Connection) -> list[bytes]:
    """What workers gave for jobs of runs that go on."""
    return list(
        connection.execute(sa.select(jobs.c.result).where(jobs.c.state == "done")).scalars()
    )


def listing(connection: sa.Connection, pool: str = "") -> list[Listed]:
    """Jobs that wait or are held, the oldest first."""
    c = jobs.c
    asked = sa.select(
        *(c.id, c.pool, c.run, c.name, c.repo, c.environment, c.priority, c.state),
        *(c.since, c.claimed_at, c.generation, c.worker),
    ).where(c.state != "done")
    if pool:
        asked = asked.where(c.pool == pool)
    found = connection.execute(asked.order_by(c.since, c.id))
    return [Listed(**row._mapping) for row in found]


def runs(connection: sa.Connection, home: str) -> dict[str, float]:
    """Runs of this home without a job that waits or is held: when the last one was done."""
    c = jobs.c
    busy = sa.select(c.run).where(c.state != "done")
    asked = sa.select(c.run, sa.func.max(c.finished_at)).where(c.home == home, c.run.not_in(busy))
    return {row[0]: row[1] for row in connection.execute(asked.group_by(c.run))}


def drop(tx: Tx, ended: Sequence[str]) -> None:
    """Forget the jobs of these runs, which are over."""
    old = sa.select(jobs.c.id).where(jobs.c.run.in_(ended))
    tx.connection.execute(pieces.delete().where(pieces.c.job.in_(old)))
    tx.connection.execute(jobs.delete().where(jobs.c.run.in_(ended)))


def forget(tx: Tx) -> None:
    """Forget results that nobody came for, and turns that were long ago."""
    old = (jobs.c.state == "done", jobs.c.finished_at < tx.now - KEPT_SECONDS)
    tx.connection.execute(jobs.delete().where(*old))
    for row in tx.connection.execute(sa.select(pools.c.name, pools.c.claims)).all():
        long_ago = turns.c.turn < row.claims - TURNS_KEPT
        tx.connection.execute(turns.delete().where(turns.c.pool == row.name, long_ago))
