"""One job in a worker's hands: get what it needs, run it, give it back.

Ways it can end, besides its own end: `fenced` (somebody else has it), `back` (this worker leaves
and lets others have it), `lost` (no contact for so long that somebody else may have it). In all
three it is killed at once, without its last steps: an exception from the watch goes through the
runner, which then ends every process of the job. A thread of flows/pool_worker.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from headway import typed
from headway.flows import pool_result, pool_seal
from headway.flows.pool_identity import Identity
from headway.flows.pool_patience import patiently
from headway.flows.pool_ship import Ship
from headway.flows.pool_source import Sources
from headway.model.errors import HeadwayError
from headway.model.job import JobOrder, Line, StepReport
from headway.ports.job_runner import JobRunner, JobWatch
from headway.store import pool_claims
from headway.store.pool_claims import Held
from headway.store.pool_place import tx

_LOG = logging.getLogger(__name__)
SECRETS_SECONDS = 60.0
"""How long a server may take to hand over secrets before others may have the job."""

Torn = Literal["", "fenced", "back", "lost"]


class _Ended(Exception):
    """The job is torn from this worker. Not a HeadwayError: no step may take it for its own."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a worker runs jobs with. `home`: the worker's own; `remove` deletes any folder.

    `contact`: whether the database was reached so lately that nobody else can have our jobs.
    """

    engine: sa.Engine
    home: Path
    pool: str
    identity: Identity
    runner: JobRunner
    sources: Sources
    remove: Callable[[Path], None]
    contact: Callable[[], bool]


class Task(threading.Thread):
    """Runs until the job is given back in one way or another. `done` is called at the end."""

    def __init__(self, tools: Tools, held: Held, done: Callable[["Task"], None]) -> None:
        super().__init__(name=f"task {held.claim.job}", daemon=True)
        self.claim = held.claim
        self._tools, self._held, self._done = tools, held, done
        self.order = typed.loads(held.order, JobOrder)
        self.cancelled = threading.Event()
        self._news = threading.Event()
        self._torn: Torn = ""

    @property
    def folder(self) -> Path:
        """Where the runner keeps the job."""
        return self._tools.home / "runs" / self.order.run / self.order.key

    def tear(self, why: Torn) -> None:
        """End the job from outside. Being fenced is final; leaving is more than to be lost."""
        order = ("", "lost", "back", "fenced")
        if order.index(why) > order.index(self._torn):
            self._torn = why
        self._news.set()

    def news(self) -> None:
        """Something of the job's row has changed."""
        self._news.set()

    def run(self) -> None:
        """To the end, whatever happens."""
        try:
            while not self._once():
                pass
        except Exception:  # noqa: BLE001  a thread of its own: what is not told here is lost
            _LOG.exception("job %s is left to whoever comes when the lease ends", self.claim.job)
        finally:
            self._done(self)

    def _once(self) -> bool:
        """Run it and give the result; False: contact was lost, and it may be ours still."""
        ship = Ship(self._tools.engine, self.claim, self.folder, lambda: self.tear("fenced"))
        ship.going_on(dict(self._held.shipped))
        ship.start()
        try:
            result = self._result(ship)
        except _Ended:
            ship.void()
            ship.join()
            return self._let_go()
        ship.finish()
        self._give(result)
        return True

    def _result(self, ship: Ship) -> bytes:
        watch = _Watch(self, ship)
        try:
            secrets = self._secrets()
            report = self._tools.runner.run(self._local(), secrets, watch)
        except HeadwayError as error:
            return pool_result.of_error(error)
        except _Ended:
            raise
        except Exception as bug:  # noqa: BLE001  the server is told, as it would be of its own
            _LOG.exception("job %s", self.claim.job)
            what = f"a bug in Headway: {type(bug).__name__}: {bug}"
            return pool_result.of_error(HeadwayError(what, code="bug"))
        return pool_result.of_report(report)

    def _local(self) -> JobOrder:
        """The order with a repository of this machine. Raises Failed."""
        if not self._held.source:
            return self.order
        folder = self._tools.home / "sources"
        held, sources = self._held, self._tools.sources

        def go() -> str:
            return sources.fetch(held.repo, held.source, folder)

        return replace(self.order, repo=patiently(go, self.ask))

    def _secrets(self) -> dict[str, str]:
        """As the server sealed them. Raises Drifted, Unreachable (`no-secrets`)."""
        if not self._held.secret:
            return {}
        waited = 0.0
        while not self._held.sealed:
            self.ask()
            self._news.wait(0.5)
            waited += 0.0 if self._news.is_set() else 0.5
            self._news.clear()
            self._look_again()
            if waited >= SECRETS_SECONDS:
                self.tear("back")
        return pool_seal.open_(self._held.sealed, self._tools.identity.private, self.claim)

    def _look_again(self) -> None:
        def go() -> Held | None:
            with self._tools.engine.connect() as connection:
                found = pool_claims.held(connection, self.claim.worker)
            return next((h for h in found if h.claim == self.claim), None)

        found = patiently(go, self.ask)
        if found is None:
            self.tear("fenced")
        else:
            self._held = found

    def ask(self) -> None:
        """Raises what ends the job, if anything does."""
        if not self._torn and not self._tools.contact():
            self._torn = "lost"
        if self._torn:
            raise _Ended(self._torn)

    def _give(self, result: bytes) -> None:
        """The one result, unless the job is somebody else's by now."""

        def go() -> bool:
            with tx(self._tools.engine) as one:
                return pool_claims.finish(one, self.claim, self._tools.pool, result)

        def leave() -> None:
            if self._torn == "fenced":
                raise _Ended

        with suppress(_Ended):
            patiently(go, leave)
        self._clean()

    def _let_go(self) -> bool:
        """True: it is no longer ours. What it left here must not be gone on with."""
        if self._torn == "lost":
            _LOG.warning("job %s: no contact, it is stopped", self.claim.job)
            if self._regained():
                return False
        if self._torn == "back":
            with tx(self._tools.engine) as one:
                pool_claims.give_back(one, self.claim, self._tools.pool)
        self._clean()
        return True

    def _regained(self) -> bool:
        """Once there is contact again: whether the job is still ours, and goes on."""
        while self._torn == "lost":
            if not self._tools.contact():
                self._news.wait(0.2)
                self._news.clear()
                continue
            self._torn = ""
            with suppress(_Ended):
                self._look_again()
        return not self._torn

    def _clean(self) -> None:
        """Nothing of the job stays: the server has what is to be kept."""
        self._tools.remove(self.folder)


class _Watch(JobWatch):
    """Tells the ship, and ends the job when it is torn away."""

    def __init__(self, task: Task, ship: Ship) -> None:
        self._task, self._ship = task, ship

    def step_began(self, job: str, number: int, name: str) -> None:
        """See JobWatch."""
        self._ship.began(number, name)

    def line(self, job: str, number: int, line: Line) -> None:
        """The log has it."""

    def step_ended(self, job: str, number: int, report: StepReport) -> None:
        """See JobWatch."""
        self._ship.ended(number, report)

    def cancelled(self) -> bool:
        """Whether the run shall stop. Raises _Ended."""
        self._task.ask()
        return self._task.cancelled.is_set()
