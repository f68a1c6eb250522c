"""Who holds which job. A claim carries the job's generation; every later write of the worker names
it, and changes nothing when the job was given to somebody else since. Used by flows/pool_worker.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from headway.pipeline.pool.choice import (
    Limits,
    Running,
    Turns,
    Waiting,
    choose,
    repo_key,
    run_key,
)
from headway.store.database import Tx
from headway.store.pool_place import now, tell, up_since
from headway.store.pool_tables import jobs, pieces, pools, turns, workers


@dataclass(frozen=True, slots=True)
class Claim:
    """A job in a worker's hands, and with which right."""

    job: str
    generation: int
    worker: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a worker is to know of a job that it holds. `sealed`: its secrets, once they are there.

    `shipped`: names of logs to the bytes of them that the database has taken.
    """

    claim: Claim
    order: bytes
    repo: str
    home: str
    source: str
    secret: bool
    sealed: bytes
    cancelled: bool
    shipped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Something a job said: kind `log` or `idx` (bytes of a step's log, or of its index, from that
    offset), `began` or `ended` (JSON about step `number`).
    """

    kind: str
    number: int
    offset: int
    data: bytes
    id: int = 0
    generation: int = 0


def claim(tx: Tx, pool: str, worker: str) -> Held | None:
    """The next job of the pool for this worker. In a transaction with `claims`."""
    known = tx.connection.execute(sa.select(pools).where(pools.c.name == pool)).first()
    if known is None:
        return None
    limits = Limits(known.most, known.most_repo, known.most_environment)
    found = choose(
        waiting(tx.connection, pool), running(tx.connection, pool), limits,
        Turns(known.claims, _last(tx, pool)), tx.now,
    )  # fmt: skip
    if found is None:
        return None
    _serve(tx, pool, known.claims + 1, found)
    tx.connection.execute(
        jobs.update()
        .where(jobs.c.id == found.id)
        .values(
            state="claimed",
            worker=worker,
            generation=jobs.c.generation + 1,
            # after the jobs were read that leave it room, so not before those ended
            claimed_at=now(tx.connection),
            shipped="{}",
            sealed=b"",
        )
    )
    tell(tx, "job", found.id)
    return next(h for h in held(tx.connection, worker) if h.claim.job == found.id)


def waiting(connection: sa.Connection, pool: str) -> list[Waiting]:
    """The pool's queue."""
    c = jobs.c
    asked = sa.select(c.id, c.repo, c.run, c.environment, c.priority, c.since, c.turn)
    queued = (c.pool == pool, c.state == "waiting", c.cancelled == sa.false())
    return [Waiting(*row) for row in connection.execute(asked.where(*queued))]


def queue_empty(connection: sa.Connection, pool: str) -> bool:
    """Whether nothing waits in the pool; asked before a claim, which others must wait for."""
    asked = sa.select(jobs.c.id).where(jobs.c.pool == pool, jobs.c.state == "waiting").limit(1)
    return connection.execute(asked).first() is None


def running(connection: sa.Connection, pool: str) -> list[Running]:
    """The pool's jobs that workers hold."""
    c = jobs.c
    asked = sa.select(c.repo, c.run, c.environment)
    found = connection.execute(asked.where(c.pool == pool, c.state == "claimed"))
    return [Running(*row) for row in found]


def held(connection: sa.Connection, worker: str) -> list[Held]:
    """Every job that the worker holds."""
    c = jobs.c
    asked = sa.select(jobs).where(c.worker == worker, c.state == "claimed").order_by(c.id)
    return [
        Held(
            claim=Claim(row.id, row.generation, worker),
            order=row.order,
            repo=row.repo,
            home=row.home,
            source=row.source,
            secret=row.secret,
            sealed=row.sealed,
            cancelled=row.cancelled,
            shipped=json.loads(row.shipped),
        )
        for row in connection.execute(asked)
    ]


def signs(connection: sa.Connection, worker: str) -> dict[str, tuple[int, bool, bool]]:
    """Of every job that the worker holds: generation, whether it is cancelled, and sealed."""
    c = jobs.c
    sealed = sa.func.length(c.sealed) > 0
    asked = sa.select(c.id, c.generation, c.cancelled, sealed)
    found = connection.execute(asked.where(c.worker == worker, c.state == "claimed"))
    return {row[0]: (row[1], row[2], bool(row[3])) for row in found}


def ship(tx: Tx, claim: Claim, said: list[Piece], shipped: Mapping[str, int]) -> bool:
    """Hand over what the job said; `shipped` is how far its logs then are. False: fenced."""
    if not _still(tx, claim, {"shipped": json.dumps(shipped, sort_keys=True)}):
        return False
    rows = [
        {
            "job": claim.job,
            "generation": claim.generation,
            "kind": one.kind,
            "number": one.number,
            "offset": one.offset,
            "data": one.data,
        }
        for one in said
    ]
    if rows:
        tx.connection.execute(pieces.insert(), rows)
    tell(tx, "job", claim.job)
    return True


def finish(tx: Tx, claim: Claim, pool: str, result: bytes) -> bool:
    """The one result of the job. False: fenced, and it is nobody's."""
    done = {"state": "done", "result": result, "finished_at": tx.now, "sealed": b""}
    if not _still(tx, claim, done):
        return False
    tell(tx, "job", claim.job)
    tell(tx, "pool", pool)
    return True


def give_back(tx: Tx, claim: Claim, pool: str) -> bool:
    """Let others have it: it waits again since when it waited first. False: fenced."""
    if not _still(tx, claim, _FREE):
        return False
    _freed(tx, claim.job)
    tell(tx, "pool", pool)
    return True


def expirable(connection: sa.Connection) -> bool:
    """Whether there is anything to `expire`."""
    return bool(_dead(connection, now(connection)))


def expire(tx: Tx) -> list[Claim]:
    """Free the jobs of workers whose lease has run out; each is freed by one caller. In a
    transaction with `claims`.
    """
    found = _dead(tx.connection, tx.now)
    for lost, pool in found:
        tx.connection.execute(jobs.update().where(jobs.c.id == lost.job).values(_FREE))
        _freed(tx, lost.job)
        tell(tx, "pool", pool)
    return [lost for lost, _ in found]


def _dead(connection: sa.Connection, at: float) -> list[tuple[Claim, str]]:
    """Jobs whose worker is silent or unknown, with their pools. After the database was away every
    worker has one lease to be heard.
    """
    heard = (workers.c.beat_at + workers.c.lease < at, workers.c.lease < at - up_since(connection))
    silent = sa.select(workers.c.id).where(*heard)
    c = jobs.c
    dead = sa.or_(c.worker.in_(silent), c.worker.not_in(sa.select(workers.c.id)))
    asked = sa.select(c.id, c.generation, c.worker, c.pool).where(c.state == "claimed", dead)
    return [(Claim(*row[:3]), row[3]) for row in connection.execute(asked)]


_FREE = {"state": "waiting", "worker": "", "sealed": b"", "shipped": "{}"}


def _still(tx: Tx, claim: Claim, values: Mapping[str, object]) -> bool:
    c = jobs.c
    mine = (c.id == claim.job, c.generation == claim.generation, c.worker == claim.worker)
    change = jobs.update().where(*mine, c.state == "claimed").values(**values)
    return tx.connection.execute(change).rowcount == 1


def _freed(tx: Tx, job: str) -> None:
    """What it said is void: it begins anew elsewhere."""
    tx.connection.execute(pieces.delete().where(pieces.c.job == job))
    tell(tx, "job", job)


def _last(tx: Tx, pool: str) -> dict[str, int]:
    found = tx.connection.execute(sa.select(turns.c.who, turns.c.turn).where(turns.c.pool == pool))
    return {row.who: row.turn for row in found}


def _serve(tx: Tx, pool: str, count: int, job: Waiting) -> None:
    """It is the turn of this job's repository and run."""
    tx.connection.execute(pools.update().where(pools.c.name == pool).values(claims=count))
    for who in (repo_key(job.repo), run_key(job.run)):
        mine = (turns.c.pool == pool, turns.c.who == who)
        if not tx.connection.execute(turns.update().where(*mine).values(turn=count)).rowcount:
            tx.connection.execute(turns.insert().values(pool=pool, who=who, turn=count))
