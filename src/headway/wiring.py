"""The one place that picks adapters and builds Headway. Used by cli/, api/ and the tests.

Adapters are found by entry point (`headway.targets`, `headway.traffic_routers`, …), Headway's own
through the same door as anybody else's; each is called with the home folder.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from importlib.metadata import entry_points
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from headway import workbench
from headway.adapters.git.hosting import GitHosting
from headway.adapters.statsd import emitter
from headway.adapters.statsd.listener import Listener
from headway.flows import (
    alert_rounds,
    baseline,
    emit,
    goals,
    intake,
    telling,
    trigger_poll,
    trigger_schedule,
    trigger_status,
    trigger_work,
)
from headway.flows import scrape as scraping
from headway.flows.deliver import deliver
from headway.flows.journal import LOG, Engine, Outbox, executor_id
from headway.flows.liveness import Liveness
from headway.flows.revert import RevertOrder, revert
from headway.flows.rounds import Rounds
from headway.flows.scrape import Scrape
from headway.flows.tend import (
    TendOrder,
    astray,
    held_places,
    look,
    order_tending,
    settled_places,
    tend,
)
from headway.flows.trigger_work import Desk
from headway.flows.world import World
from headway.model.connection import Connection
from headway.model.delivery import Order
from headway.model.errors import Drifted, HeadwayError, Invalid, Unreachable
from headway.model.series import Point
from headway.pipeline.run.state import RunSpec
from headway.ports.metric_source import MetricSource
from headway.store import (
    commit_statuses,
    connections,
    database,
    messages,
    records,
    schedules,
    slis,
    triggers,
    workers,
)
from headway.store.database import Tx, lock
from headway.store.place import Place, locate
from headway.store.samples import Samples, location

__all__ = ["Headway", "Place", "locate"]

TEND_SECONDS = 5.0
GOALS_SECONDS = 10.0
PRUNE_SECONDS = 3600.0
ALERT_SECONDS = 2.0
TELL_SECONDS = 1.0
MEASURED_SECONDS = 15.0
INTAKE_SECONDS = 0.2
STRIKE_SECONDS = 5.0
POLL_SECONDS = 2.0
PATIENCE_SECONDS = 2.0
START_SECONDS = 30.0


class Headway:
    """Everything, built when it is first asked for."""

    def __init__(self, place: Place) -> None:
        self.home = place.home
        self.url = place.database
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
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
            builder=f"urn:headway:builder:{self._name}",
            source=source,
            bench=workbench.bench(self.home),
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
            policies=tuple(e.load()() for e in entry_points(group="headway.policy_engines")),
        )

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
    def _name(self) -> str:
        """A name for this home that stays the same: made once, kept in the home."""
        file = self.home / "name"
        if not file.exists():
            _write_once(file, os.urandom(8).hex())
        return file.read_text().strip()

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
    def engine(self, journal: Any = None) -> Iterator[Engine]:
        """Run flows in this process until the block ends. Raises Drifted (`engine-runs`) if
        another process already runs them for this home.
        """
        with _only_one(self.home / "engine.lock", PATIENCE_SECONDS), self._logging():
            executor = f"{executor_id()}-{self._name}"
            options = {"journal": journal} if journal else {}
            engine = Engine(self.url, executor, **options)
            engine.launch(
                {
                    "deliver": (deliver, self.world, Order),
                    "revert": (revert, self.world, RevertOrder),
                    "tend": (tend, self.world, TendOrder),
                }
            )
            beats = Liveness(self.db, executor, engine.recover, lambda: os._exit(70))
            tending = Rounds("tend", TEND_SECONDS, self._tend, self.complain)
            scrape = Scrape(self.world, self.samples)
            fresh = baseline.Freshness(self.world)
            watching = [
                Rounds("statsd", emit.SECONDS, self._emit, self.complain),
                Rounds("scrape", scraping.SECONDS, partial(self._scrape, scrape), self.complain),
                Rounds("alerts", ALERT_SECONDS, self._alert, self.complain),
                Rounds("baselines", baseline.SECONDS, partial(self._freshen, fresh), self.complain),
                Rounds("messages", TELL_SECONDS, self._tell, self.complain),
                Rounds("meters", MEASURED_SECONDS, self._measured, self.complain),
                Rounds("goals", GOALS_SECONDS, self._keep_goals, self.complain),
                Rounds("old counts", PRUNE_SECONDS, self._prune, self.complain),
            ]
            beats.start()
            tending.start()
            for one in watching:
                one.start()
            try:
                yield engine
            finally:
                tending.stop()
                for one in watching:
                    one.stop()
                beats.stop()
                engine.close()
                self._last_words()

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

    def _emit(self) -> None:
        """Tell every statsd connection how deployments ended."""
        known = [c for c in connections.every(self.home) if c.kind == "statsd"]
        with self.reading() as connection:
            ended = emit.new_ends(connection, self.samples)
        for one in ended:
            for to in known:
                emitter.send(to, emitter.lines(one))

    def _scrape(self, scrape: Scrape) -> None:
        """One round of measuring."""
        with self.reading() as connection:
            found = scraping.known_places(connection)
        scrape.go(found)

    def _freshen(self, fresh: baseline.Freshness) -> None:
        """What stable releases do while nothing is rolled out."""
        with self.reading() as connection:
            found = scraping.known_places(connection)
        fresh.go(self.tx, found)

    def _alert(self) -> None:
        """What the log and the clock have for people, as alerts."""
        with self.reading() as connection:
            more = alert_rounds.something_to_do(connection, time.time())
        while more:
            with self.tx() as tx:
                more = alert_rounds.read_log(tx, self.world) == alert_rounds.AT_ONCE

    def _tell(self) -> None:
        """Send what is due. Raises Unreachable, which is a complaint, if a channel fails."""
        with self.reading() as connection:
            due = messages.due(connection, time.time())
        complaints = telling.send(self.tx, self.world, due) if due else ""
        if complaints:
            raise Unreachable("a message was not taken", why=complaints)

    def _measured(self) -> None:
        """Whether every place is measured."""
        with self.reading() as connection:
            places = alert_rounds.places_to_ask(connection)
        alert_rounds.look_at_meters(self.tx, self.world, places)

    def _last_words(self) -> None:
        """A process that runs one delivery ends with it: its alerts are told before it goes."""
        try:
            self._alert()
            self._tell()
        except (HeadwayError, OSError, sa.exc.DBAPIError) as error:
            self.complain(f"messages: {error}")

    def _keep_goals(self) -> None:
        """One look at every place whose SLOs are kept; one that fails does not keep the others."""
        with self.reading() as connection:
            found = goals.watched(connection)
        failed: list[HeadwayError] = []
        for one in found:
            try:
                with self.reading() as connection:
                    seen = goals.look(self.world, connection, one)
                with self.tx() as tx:
                    goals.take(tx, self.world, one, seen)
            except HeadwayError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _prune(self) -> None:
        with self.tx() as tx:
            slis.prune(tx)

    def _tend(self) -> None:
        """One look at every place."""
        with self.reading() as connection:
            held, settled = held_places(connection), settled_places(connection)
            found = [(p, records.release(connection, p.stable)) for p in settled]
        for place, release in found:
            known = release.config.environment(place.environment)
            because = astray(self.world, place, known.target, known.run.instances)
            if because:
                with self.tx() as tx:
                    order_tending(tx, self.world, place, because)
        for place in held:
            look(self.world, place)

    @contextmanager
    def pushes(self) -> Iterator[None]:
        """Turn pushes into deliveries until the block ends; first those that a lost hook missed."""
        self._missed()
        taking = Rounds("intake", INTAKE_SECONDS, self._take, self.complain)
        taking.start()
        try:
            yield
        finally:
            taking.stop()

    @contextmanager
    def triggers(self, start: Callable[[RunSpec], None]) -> Iterator[None]:
        """Turn stored events, schedules and polled repositories into runs until the block ends.

        `start` makes a run exist and go, and changes nothing when it comes again with the same id.
        """
        desk = Desk(self.world, self.tx, self.reading, self._known, start)
        rounds = [
            Rounds("schedules", STRIKE_SECONDS, self._strike, self.complain),
            Rounds("polling", POLL_SECONDS, self._poll, self.complain),
            Rounds("triggers", INTAKE_SECONDS, partial(trigger_work.work, desk), self.complain),
            Rounds("statuses", TELL_SECONDS, self._report, self.complain),
            Rounds("old triggers", PRUNE_SECONDS, self._forget, self.complain),
        ]
        for one in rounds:
            one.start()
        try:
            yield
        finally:
            for one in rounds:
                one.stop()

    def _known(self, name: str) -> Connection | None:
        """The connection, if there is one of that name."""
        return next((c for c in connections.every(self.home) if c.name == name), None)

    def _strike(self) -> None:
        with self.reading() as connection:
            known = schedules.every(connection)
        _complain_of(trigger_schedule.strike(self.tx, known))

    def _forget(self) -> None:
        with self.tx() as tx:
            triggers.forget(tx)

    def _poll(self) -> None:
        asked = [c for c in connections.every(self.home) if trigger_poll.polled(c)]
        _complain_of([trigger_poll.poll(self.tx, self.reading, self.world, c) for c in asked])

    def _report(self) -> None:
        with self.reading() as connection:
            due = commit_statuses.due(connection, time.time())
        _complain_of(trigger_status.send(self.tx, self.world, due))

    def host(self, service: str) -> Path:
        """The hosted repository of a service, made if it is not there."""
        return self.hosting.create(service)

    @cached_property
    def hosting(self) -> GitHosting:
        """The repositories of this home."""
        return GitHosting(self.home)

    def _missed(self) -> None:
        for service in self.hosting.names():
            repo = str(self.hosting.create(service))
            for ref, sha in self.hosting.heads(service).items():
                self._ask_for(intake.Push(service, repo, ref, sha))

    def _take(self) -> None:
        for file, push in intake.read_notes(self.home / "pushes"):
            self._ask_for(push)
            file.unlink()

    def _ask_for(self, push: intake.Push) -> None:
        if intake.wanted(self.world, push):
            with self.tx() as tx:
                intake.take(tx, self.world, push)

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


def _complain_of(complaints: Sequence[str]) -> None:
    """Raises Unreachable with those that say something; Rounds tells them once."""
    said = [text for text in complaints if text]
    if said:
        raise Unreachable("; ".join(said))


def _load(group: str, name: str) -> Any:
    found = [e for e in entry_points(group=group) if e.name == name]
    if not found:
        known = ", ".join(sorted(e.name for e in entry_points(group=group))) or "none"
        raise Invalid(f"no `{name}` for {group}", why=f"installed: {known}", code="unknown-adapter")
    return found[0].load()


def _write_once(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(text)
    try:
        os.link(temporary, file)
    except FileExistsError:
        pass  # another process was first; its text is the text
    finally:
        temporary.unlink()


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
