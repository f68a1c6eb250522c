"""The one place that picks adapters and builds Headway. Used by cli/, api/ and the tests.

Adapters are found by entry point (`headway.targets`, `headway.traffic_routers`, …), Headway's own
through the same door as anybody else's; each is called with the home folder.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cached_property, partial
from importlib.metadata import entry_points
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from headway import workbench
from headway.adapters.git.hosting import GitHosting
from headway.adapters.linux import logs
from headway.adapters.linux.actions.listing import lay_out
from headway.adapters.statsd.listener import Listener
from headway.adapters.system.bell import RUNS, Bell, ring
from headway.flows import line, run_start
from headway.flows.deliver import deliver
from headway.flows.journal import LOG, Engine, Outbox, executor_id
from headway.flows.journal import prepare as prepare_engine
from headway.flows.liveness import Liveness
from headway.flows.pipeline_bench import Bench
from headway.flows.pool_bench import Ways, pooled
from headway.flows.pool_patience import patiently
from headway.flows.revert import RevertOrder, revert
from headway.flows.rounds import Rounds, going
from headway.flows.run_start import FLOW, RunOrder
from headway.flows.run_wake import Waker
from headway.flows.run_workflow import run_workflow
from headway.flows.tend import TendOrder, tend
from headway.flows.tests_kept import KeptTests
from headway.flows.webhook_attempts import Office
from headway.flows.world import World
from headway.model.connection import Connection
from headway.model.delivery import Order
from headway.model.errors import Drifted, Invalid
from headway.model.series import Point
from headway.once import once
from headway.pipeline.run.state import RunSpec, RunState
from headway.ports.metric_source import MetricSource
from headway.reception import Reception
from headway.store import connections, database, installation, workers
from headway.store.database import Tx, lock
from headway.store.place import Place, locate
from headway.store.samples import Samples, location
from headway.upkeep import Ground, Upkeep, office

__all__ = ["Headway", "Place", "locate", "prepare_engine"]

PATIENCE_SECONDS = 2.0
START_SECONDS = 30.0
RUNS_SECONDS = 0.5


class Headway:
    """Everything, built when it is first asked for."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.home = place.home
        self.url = place.database
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._bell: Bell | None = None
        database.prepare(self.url)

    @cached_property
    def db(self) -> sa.Engine:
        """The database's connections."""
        return database.connect(self.url)

    @cached_property
    def outbox(self) -> Outbox:
        """Starts and wakes flows."""
        return Outbox(self.url)

    @cached_property
    def world(self) -> World:
        """The adapters of this machine."""
        source = _load("headway.source_hosts", "git")()
        return World(
            home=self.home,
            builder=f"urn:headway:builder:{self.name}",
            source=source,
            bench=self._bench(),
            tx=self.tx,
            artifacts=_load("headway.artifact_stores", "oci")(self.home / "artifacts"),
            signer=_load("headway.signers", "keys")(self.home / "keys"),
            targets={e.name: e.load()(self.home) for e in entry_points(group="headway.targets")},
            router=_load("headway.traffic_routers", "envoy")(self.home),
            meter=_load("headway.traffic_meters", "envoy")(self.home),
            probe=_load("headway.probes", "http")(),
            outbox=self.outbox,
            clock=_load("headway.clocks", "system")(),
            sources=partial(self._connected, "headway.metric_sources"),
            notifiers=partial(self._connected, "headway.notifiers"),
            differ=_load("headway.shadow_differs", "local")(self.home),
            player=_load("headway.journey_players", "local")(self.home, source),
            repositories=_load("headway.repositories", "git")(self.home),
            sinks=partial(self._connected, "headway.status_sinks"),
            registries=partial(self._connected, "headway.artifact_registries"),
            policies=tuple(e.load()() for e in entry_points(group="headway.policy_engines")),
        )

    def _stopped_at(self, repo: str, environment: str) -> str:
        """Why no job may change the environment now."""
        with self.reading() as connection:
            return line.of_job(connection, repo, environment)

    def _bench(self) -> Bench:
        """Where runs are done: on this machine, and by the workers of pools."""
        known = KeptTests(self.tx, patiently)
        near = replace(workbench.bench(self.home), history=known, line=self._stopped_at)
        packs = workbench.load("headway.source_packs", "git")()
        ways = Ways(packs, parse=logs.parse, lay_out=partial(lay_out, share=True))
        return pooled(near, self.url, self.name, ways)

    def _connected(self, group: str, name: str) -> Any:
        """The adapter for a connection, by its kind. `headway` is Headway's own and needs none."""
        if name == "headway":
            return self._own
        connection = connections.get(self.home, name)
        return _load(group, connection.kind)(self.home, connection)

    @cached_property
    def _own(self) -> MetricSource:
        """Headway's own samples as a source."""
        connection = Connection("headway", "headway", self.url)
        own: MetricSource = _load("headway.metric_sources", "headway")(self.home, connection)
        return own

    @cached_property
    def samples(self) -> Samples:
        """Where Headway keeps what it measures."""
        return Samples(location(self.home, self.url))

    @cached_property
    def name(self) -> str:
        """A name for this home that stays the same: made once, kept in the home."""
        return once(self.home / "name", lambda: os.urandom(8).hex().encode()).decode().strip()

    @contextmanager
    def tx(self) -> Iterator[Tx]:
        """One transaction; it commits at the end of the block."""
        with self.db.begin() as connection:
            lock(connection)
            yield Tx(connection, time.time())

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that only reads."""
        with self.db.connect() as connection:
            yield connection

    @contextmanager
    def engine(self, journal: Any = None, runs: int = 0) -> Iterator[Engine]:
        """Run flows in this process until the block ends, with them at most `runs` pipeline runs at
        once. Raises Drifted (`engine-runs`) if another process already runs them for this home,
        Refused (`held`, `half-moved`).
        """
        with self.alone(), self._logging(), self._ears(runs):
            with self.reading() as connection:
                installation.may_act(connection)
            executor = self.executor
            options = {"journal": journal} if journal else {}
            engine = Engine(self.url, executor, **options)
            engine.launch(
                {
                    "deliver": (deliver, self.world, Order),
                    "revert": (revert, self.world, RevertOrder),
                    "tend": (tend, self.world, TendOrder),
                    FLOW: (run_workflow, self.world, RunOrder),
                }
            )
            beats = Liveness(self.db, executor, engine.recover, lambda: os._exit(70))
            upkeep = Upkeep(self._ground, self.samples)
            beats.start()
            try:
                with going([*upkeep.rounds(), *self._runs(engine, runs)]):
                    yield engine
            finally:
                beats.stop()
                engine.close()
                upkeep.last_words()

    @property
    def executor(self) -> str:
        """What this home's process with the engine is called among others."""
        return f"{executor_id()}-{self.name}"

    def alone(self) -> AbstractContextManager[None]:
        """No other process runs flows for this home until the block ends. Raises Drifted
        (`engine-runs`).
        """
        return _only_one(self.home / "engine.lock", PATIENCE_SECONDS)

    def _runs(self, engine: Engine, most: int) -> list[Rounds]:
        """The rounds that take runs from their queue, and let those that waited go on; none without
        a place for them.
        """
        if self._bell is None:
            return []
        there = partial(ring, self.home, RUNS)
        lane = engine.lane(self._queue, most, there)
        taking = Rounds("runs", RUNS_SECONDS, lane.take, self.complain)
        waker = Waker(self.world, self.reading, self._queue, taking.wake)
        waking = Rounds("runs that wait", RUNS_SECONDS, waker.look, self.complain)
        self._bell.hear(RUNS, waking.wake)
        self._bell.hear(RUNS, taking.wake)
        self.world.bench.runner.warm()
        return [waking, taking]

    def start(self, spec: RunSpec) -> RunState:
        """A server of this home shall do this run; the same id again changes nothing. Raises
        Invalid, Refused (`cannot-run`).
        """
        made = run_start.start(self.world, self._queue, spec)
        ring(self.home, RUNS)
        return made

    def again(self, run: str, *, failed_only: bool = False) -> RunState:
        """A server of this home shall do the run another time; gives its next attempt. Raises as
        flows/pipeline.rerun.
        """
        made = run_start.again(self.world, self._queue, run, failed_only=failed_only)
        ring(self.home, RUNS)
        return made

    @property
    def _queue(self) -> str:
        """Runs stay where their folders are, even if other servers use the same database."""
        return f"runs-{self.name}"

    @contextmanager
    def _ears(self, runs: int) -> Iterator[None]:
        """A process with places for runs hears the bell, until the block ends."""
        if not runs:
            yield
            return
        self._bell = Bell(self.home)
        self._bell.start()
        try:
            yield
        finally:
            self._bell.stop()
            self._bell = None

    @contextmanager
    def statsd(self, host: str, port: int) -> Iterator[int]:
        """Hear statsd until the block ends; gives the port. Raises Refused (`port-in-use`)."""
        listener = Listener(host, port, self._heard, self.complain)
        listener.start()
        try:
            yield listener.port
        finally:
            listener.stop()

    def _heard(self, points: Sequence[Point], lost: dict[str, int]) -> None:
        now = time.time()
        self.samples.append(points, now)
        for why, count in lost.items():
            self.samples.drop("statsd", "", why, count, now)

    def pushes(self) -> AbstractContextManager[None]:
        """Turn pushes into deliveries until the block ends; first those that a lost hook missed."""
        return Reception(self._ground, self.hosting).pushes(self._bell)

    def triggers(self, start: Callable[[RunSpec], object]) -> AbstractContextManager[None]:
        """Turn stored events, schedules and polled repositories into runs until the block ends.

        `start` makes a run exist and go, and changes nothing when it comes again with the same id.
        """
        return Reception(self._ground, self.hosting).triggers(start, self._bell)

    @cached_property
    def _ground(self) -> Ground:
        return Ground(self.home, self.name, self.world, self.tx, self.reading, self.complain)

    @property
    def office(self) -> Office:
        """Where this home's webhooks are sent from."""
        return office(self._ground)

    def host(self, service: str) -> Path:
        """The hosted repository of a service, made if it is not there."""
        return self.hosting.create(service)

    @cached_property
    def hosting(self) -> GitHosting:
        """The repositories of this home."""
        return GitHosting(self.home)

    @contextmanager
    def _logging(self) -> Iterator[None]:
        """Bugs and complaints go to log/headway.log in the home."""
        folder = self.home / "log"
        folder.mkdir(mode=0o700, exist_ok=True)
        handler = RotatingFileHandler(folder / "headway.log", maxBytes=5_000_000, backupCount=3)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        LOG.addHandler(handler)
        try:
            yield
        finally:
            LOG.removeHandler(handler)
            handler.close()

    def complain(self, text: str) -> None:
        """Something went wrong beside the deliveries."""
        LOG.warning("%s", text)

    def engine_runs(self) -> bool:
        """Whether some process runs flows for this home now. One that is just starting is waited
        for: until its first beat the engine's tables may not be there.
        """
        deadline = time.monotonic() + START_SECONDS
        while self._engine_locked():
            with self.reading() as connection:
                if workers.known(connection) or time.monotonic() >= deadline:
                    return True
            time.sleep(0.05)
        return False

    def _engine_locked(self) -> bool:
        try:
            with _only_one(self.home / "engine.lock"):
                return False
        except Drifted:
            return True


def _load(group: str, name: str) -> Any:
    found = [e for e in entry_points(group=group) if e.name == name]
    if not found:
        known = ", ".join(sorted(e.name for e in entry_points(group=group))) or "none"
        raise Invalid(f"no `{name}` for {group}", why=f"installed: {known}", code="unknown-adapter")
    return found[0].load()


@contextmanager
def _only_one(file: Path, patience_seconds: float = 0.0) -> Iterator[None]:
    """Held by one process at a time. Patience, because others look in for a moment."""
    deadline = time.monotonic() + patience_seconds
    with file.open("a") as handle:
        while not _taken(handle):
            if time.monotonic() >= deadline:
                raise Drifted(
                    "another process already runs the deliveries of this home",
                    why=f"{file} is locked",
                    next="headway server status",
                    code="engine-runs",
                )
            time.sleep(0.05)
        yield


def _taken(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
