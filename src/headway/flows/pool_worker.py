"""A worker: takes jobs of one pool, as many at once as it has places, until it is told to leave.

It needs the database and nothing else of the server. One thread listens and claims, one beats, one
runs each job. Whoever misses its own beats for most of its lease stops its jobs, because others may
have them by now; whoever is told of a newer generation does so at once. Called by cli/worker.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from headway.flows import pool_seal
from headway.flows.pool_identity import Identity
from headway.flows.pool_patience import patiently
from headway.flows.pool_source import Sources
from headway.flows.pool_task import Task, Tools
from headway.ports.job_runner import JobRunner
from headway.store import pool_claims, pool_members
from headway.store.pool_claims import Claim, Held
from headway.store.pool_members import Worker as Member
from headway.store.pool_place import Ear, tx

_LOG = logging.getLogger(__name__)
LEASE_SECONDS = 30.0
GRACE_SECONDS = 30.0
LISTEN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Setup:
    """`places`: jobs at once. `lease`: seconds after which a silent worker's jobs go to others."""

    pool: str
    identity: Identity
    host: str
    places: int = 1
    lease: float = LEASE_SECONDS


class Worker:
    """`remove` deletes a job's folder, whatever a step made of it; `told` gets a line a job."""

    def __init__(
        self,
        setup: Setup,
        engine: sa.Engine,
        home: Path,
        runner: JobRunner,
        sources: Sources,
    ) -> None:
        self._setup, self._engine, self._home = setup, engine, home
        self._runner, self._sources = runner, sources
        self.remove: Callable[[Path], None] = _nothing
        self.told: Callable[[str], None] = _LOG.info
        self._tasks: dict[str, Task] = {}
        self._lock = threading.Lock()
        self._heard = time.monotonic()
        self._leaving = threading.Event()
        self._over = threading.Event()

    def leave(self) -> None:
        """Take no more jobs; those that run may end. May be called from a signal handler."""
        self._leaving.set()

    def give_back(self) -> None:
        """Leave at once: what runs is ended, and others may have it."""
        self._leaving.set()
        for task in list(self._tasks.values()):
            task.tear("back")

    def run(self) -> None:
        """Until told to leave, and every job has ended or was given back."""
        patiently(self._register)
        beats = threading.Thread(target=self._beats, name="beats", daemon=True)
        beats.start()
        ear = Ear(self._engine, "pool", "worker")
        try:
            self._adopt()
            while not (self._leaving.is_set() and not self._tasks):
                self._round(ear)
        finally:
            self._over.set()
            beats.join()
            ear.close()
            with tx(self._engine) as one:
                pool_members.beat(one, self._setup.identity.id, "gone")

    def contact(self) -> bool:
        """Whether nobody else can have our jobs: the lease counts from before the last beat."""
        return time.monotonic() - self._heard < self._setup.lease * 0.8

    def _register(self) -> None:
        began, setup = time.monotonic(), self._setup
        with tx(self._engine) as one:
            member = Member(
                id=setup.identity.id,
                pool=setup.pool,
                host=setup.host,
                places=setup.places,
                public_key=pool_seal.public(setup.identity.private),
                lease=setup.lease,
            )
            pool_members.register(one, member)
        self._heard = began

    def _adopt(self) -> None:
        """Go on with what this worker held when it was killed; forget everything else."""
        held = patiently(self._held)
        runs = self._home / "runs"
        keys = {runs / h.claim.job.rpartition("/")[0] for h in held}
        whole = {key.parent for key in keys}
        for folder in [*runs.glob("[!.]*"), *runs.glob("[!.]*/[!.]*")]:
            if folder.is_dir() and folder not in keys | whole:
                self.remove(folder)
        for each in held:
            self.told(f"goes on: {each.claim.job}")
            self._begin(each)

    def _held(self) -> list[Held]:
        with self._engine.connect() as connection:
            return pool_claims.held(connection, self._setup.identity.id)

    def _round(self, ear: Ear) -> None:
        """Claim what there is place for, then wait for news."""
        try:
            while not self._leaving.is_set() and len(self._tasks) < self._setup.places:
                if not self._claim():
                    break
            ear.wait(LISTEN_SECONDS)
            self._refresh()
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            _LOG.warning("the database does not answer: %s", error)
            self._over.wait(LISTEN_SECONDS)

    def _claim(self) -> bool:
        setup = self._setup
        with self._engine.connect() as connection:
            if not pool_claims.expirable(connection) and pool_claims.queue_empty(
                connection, setup.pool
            ):
                return False
        with tx(self._engine, claims=True) as one:
            for lost in pool_claims.expire(one):
                _LOG.warning("worker %s is gone; %s is free again", lost.worker, lost.job)
            held = pool_claims.claim(one, setup.pool, setup.identity.id)
        if held is None:
            return False
        self._begin(held)
        return True

    def _begin(self, held: Held) -> None:
        setup = self._setup
        tools = Tools(
            engine=self._engine,
            home=self._home,
            pool=setup.pool,
            identity=setup.identity,
            runner=self._runner,
            sources=self._sources,
            remove=self.remove,
            contact=self.contact,
        )
        task = Task(tools, held, self._ended)
        if held.cancelled:
            task.cancelled.set()
        with self._lock:
            self._tasks[held.claim.job] = task
        self.told(f"runs {task.order.name or task.order.id} of {task.order.run}")
        task.start()

    def _ended(self, task: Task) -> None:
        with self._lock:  # held to the end: the next job of the run must not begin meanwhile
            del self._tasks[task.claim.job]
            if all(t.order.run != task.order.run for t in self._tasks.values()):
                self.remove(self._home / "runs" / task.order.run)

    def _beats(self) -> None:
        every = min(self._setup.lease / 6, 5.0)
        while not self._over.wait(every):
            try:
                self._beat()
                self._refresh()
            except sa.exc.DBAPIError as error:
                _LOG.warning("no beat: %s", error)

    def _beat(self) -> None:
        began = time.monotonic()
        state = "leaving" if self._leaving.is_set() else "ready"
        with tx(self._engine) as one:
            known = pool_members.beat(one, self._setup.identity.id, state)
        if not known:
            self._register()
        self._heard = began

    def _refresh(self) -> None:
        """What others did to our jobs."""
        tasks = list(self._tasks.values())
        if not tasks:
            return
        with self._engine.connect() as connection:
            signs = pool_claims.signs(connection, self._setup.identity.id)
        for task in tasks:
            self._look(task, signs.get(task.claim.job))

    def _look(self, task: Task, sign: tuple[int, bool, bool] | None) -> None:
        claim: Claim = task.claim
        if sign is None or sign[0] != claim.generation:
            # It may have ended just now, by our own hand: then nobody hears this.
            task.tear("fenced")
            return
        if sign[1]:
            task.cancelled.set()
        if sign[2]:
            task.news()


def _nothing(folder: Path) -> None:
    """For a home that is thrown away as a whole."""


def host() -> str:
    """The machine's name."""
    return os.uname().nodename
