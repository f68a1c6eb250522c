"""Pools for people and programs: who works, who waits, how long, and why. Used by cli/pool."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from headway.pipeline.pool.choice import Limits, Room, Waiting, overdue, rank
from headway.store import pool_claims, pool_jobs, pool_members
from headway.store.pool_jobs import Listed
from headway.store.pool_members import Worker
from headway.store.pool_place import now


@dataclass(frozen=True, slots=True)
class WorkerView:
    """`state`: ready, leaving, silent (its lease has run out) or gone. `silent_seconds`: since its
    last beat.
    """

    id: str
    host: str
    places: int
    running: int
    state: str
    started_at: float
    silent_seconds: float


@dataclass(frozen=True, slots=True)
class JobView:
    """`seconds`: how long it has waited, or run. `because`: why it waits; "" for one that runs.

    `begins`: how often workers took it.
    """

    run: str
    name: str
    repo: str
    environment: str
    priority: int
    state: str
    seconds: float
    worker: str
    begins: int
    because: str


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool at one moment. Jobs that run come first, then the queue by rank."""

    name: str
    limits: Limits
    places: int
    workers: tuple[WorkerView, ...]
    jobs: tuple[JobView, ...]

    @property
    def waiting(self) -> tuple[JobView, ...]:
        """Its queue."""
        return tuple(job for job in self.jobs if job.state == "waiting")

    @property
    def alive(self) -> tuple[WorkerView, ...]:
        """Workers that take or do jobs."""
        return tuple(w for w in self.workers if w.state in {"ready", "leaving"})


def pools(connection: sa.Connection, only: str = "") -> list[PoolView]:
    """All pools, or the one of that name."""
    at = now(connection)
    found = [p for p in pool_members.every(connection) if only in {"", p.name}]
    return [_pool(connection, pool.name, pool.limits, at) for pool in found]


def _pool(connection: sa.Connection, name: str, limits: Limits, at: float) -> PoolView:
    listed = pool_jobs.listing(connection, name)
    running = [job for job in listed if job.state == "claimed"]
    workers = tuple(_worker(w, running, at) for w in pool_members.members(connection, name))
    places = sum(w.places for w in workers if w.state == "ready")
    queue = sorted(pool_claims.waiting(connection, name), key=rank)
    room = Room(pool_claims.running(connection, name), limits)
    first = min((job for job in queue if overdue(job, at)), key=rank, default=None)
    rows = {job.id: job for job in listed}
    waiting = [
        _job(rows[each.id], at - each.since, _why(each, (room, first), places, len(running)))
        for each in queue
        if each.id in rows
    ]
    doing = [_job(job, at - job.claimed_at, "") for job in running]
    return PoolView(name, limits, places, workers, (*doing, *waiting))


def _worker(worker: Worker, running: Sequence[Listed], at: float) -> WorkerView:
    return WorkerView(
        id=worker.id,
        host=worker.host,
        places=worker.places,
        running=sum(job.worker == worker.id for job in running),
        state=worker.state if worker.alive(at) or worker.state == "gone" else "silent",
        started_at=worker.started_at,
        silent_seconds=max(0.0, at - worker.beat_at),
    )


def _why(job: Waiting, room: tuple[Room, Waiting | None], places: int, running: int) -> str:
    if not places:
        return "no worker is there"
    lacks = room[0].lacks(job, room[1])
    if lacks:
        return lacks
    return f"all {places} places are taken" if running >= places else "it is taken next"


def _job(job: Listed, seconds: float, because: str) -> JobView:
    return JobView(
        run=job.run,
        name=job.name,
        repo=job.repo.partition(":")[2],
        environment=job.environment,
        priority=job.priority,
        state="running" if job.state == "claimed" else "waiting",
        seconds=round(max(0.0, seconds), 3),
        worker=job.worker,
        begins=job.generation,
        because=because,
    )
