"""One job that is done by a worker, from the server's side: handed over, followed, taken back.

Everything that is decided stands in the database or on this disk, so that the same order again,
after a crash of the server, goes on waiting or takes the result that is there. Called by
flows/pool_runner, in the thread of the job.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import sqlalchemy as sa

from headway.flows import pool_result, pool_route, pool_seal
from headway.flows.pool_carry import Carry
from headway.flows.pool_files import Mark, Parse, Said
from headway.flows.pool_patience import patiently
from headway.flows.pool_relay import Relay
from headway.flows.pool_source import Sources
from headway.model.errors import HeadwayError
from headway.model.job import JobOrder, JobReport, Line
from headway.ports.clock import Clock
from headway.ports.job_runner import JobWatch
from headway.store import pool_jobs, pool_members
from headway.store.pool_claims import Claim
from headway.store.pool_jobs import New, Seen
from headway.store.pool_place import tx

_LOG = logging.getLogger("headway")
LOOK_SECONDS = 30.0
"""How often a job is looked at of which nothing is told."""


@dataclass(frozen=True, slots=True)
class Far:
    """What a server has for jobs that are away. `name`: of this home, the same for ever."""

    engine: sa.Engine
    home: Path
    name: str
    relay: Relay
    sources: Sources
    carry: Carry
    parse: Parse
    clock: Clock


class Away:
    """One attempt of one job in a pool."""

    def __init__(self, far: Far, order: JobOrder, mark: Mark, watch: JobWatch) -> None:
        self._far, self._order, self._pool, self._watch = far, order, mark.pool, watch
        self.id = f"{order.run}/{order.key}/{order.attempt}"
        self._said = Said(far.home, order, mark, far.parse)
        self._asked = False
        self._told = ""
        self._gone = False

    def run(self, secrets: Mapping[str, str]) -> JobReport:
        """To its end. Raises what the worker's runner raised, and Failed (`storage-full`)."""
        self._secrets = dict(secrets)
        began = self._far.clock.now()
        with self._far.relay.hearing(self.id, self._watch.cancelled) as news:
            try:
                report = self._follow(news)
            except HeadwayError:
                patiently(self._cancel)  # nobody would take what the worker gives now
                raise
        if report is not None:
            return report
        now = self._far.clock.now()
        because = "the run was cancelled before a worker took the job"
        return JobReport(self._order.key, "cancelled", began, now, because=because)

    def _follow(self, news: threading.Event) -> JobReport | None:
        """To the end; None if it was taken out of the queue."""
        patiently(self._put)
        while not self._gone:
            result = patiently(self._look)
            if result is not None:
                return patiently(partial(self._back, result))
            news.wait(LOOK_SECONDS)
            news.clear()
            if self._watch.cancelled() and not self._asked:
                patiently(self._cancel)
        return None

    def _put(self) -> None:
        """In the queue, with all that the worker needs; nothing if it is there already."""
        far, order = self._far, self._order
        with far.engine.connect() as connection:
            if pool_jobs.look(connection, [self.id]):
                return
        has_source = bool(order.repo) and bool(order.sha.strip("0"))
        if has_source:
            far.sources.ready(self._repo(), order.repo, order.sha)
        far.carry.there(order.run)
        new = New(
            id=self.id,
            pool=self._pool,
            home=far.name,
            run=order.run,
            name=order.name or order.id,
            repo=self._repo(),
            environment=order.deploys_to,
            priority=pool_route.priority(order),
            order=msgspec.json.encode(order),
            source=order.sha if has_source else "",
            secret=bool(self._secrets),
        )
        with tx(far.engine) as one:
            pool_jobs.put(one, new)

    def _repo(self) -> str:
        """The repository's name in the database, in which several homes may be."""
        return f"{self._far.name}:{self._order.repo}"

    def _look(self) -> bytes | None:
        """Take in what is new; the result, once it is there."""
        with self._far.engine.connect() as connection:
            seen = pool_jobs.look(connection, [self.id]).get(self.id)
        if seen is None:
            self._put()
            return None
        if seen.state == "claimed" and seen.secret and not seen.sealed:
            self._seal(seen)
        self._say(seen)
        if self._asked and seen.state == "waiting":
            self._cancel()
        if seen.state == "waiting":
            return None
        self._drain()
        if seen.state != "done":
            return None
        with self._far.engine.connect() as connection:
            return pool_jobs.result(connection, self.id)

    def _drain(self) -> None:
        """What the job said, as far as it is there."""
        while True:
            with self._far.engine.connect() as connection:
                pieces = pool_jobs.said(connection, self.id)
            if not pieces:
                return
            for piece in pieces:
                self._said.take(piece, self._far.clock.now(), self._watch)
            with tx(self._far.engine) as one:
                pool_jobs.took(one, self.id, pieces[-1].id)

    def _seal(self, seen: Seen) -> None:
        """The secrets, for the one who holds the job now."""
        with tx(self._far.engine) as one:
            worker = pool_members.member(one.connection, seen.worker)
            if worker is None:
                return
            claim = Claim(self.id, seen.generation, seen.worker)
            box = pool_seal.close(self._secrets, worker.public_key, claim)
            pool_jobs.seal(one, self.id, seen.generation, box)

    def _cancel(self) -> None:
        with tx(self._far.engine, claims=True) as one:
            self._gone = pool_jobs.cancel(one, self.id)
        self._asked = True

    def _back(self, result: bytes) -> JobReport:
        return self._far.carry.here(self._order.run, pool_result.read(result))

    def _say(self, seen: Seen) -> None:
        """What it waits for, once each time that changes."""
        text = self._words(seen)
        if text and text != self._told:
            self._watch.line(self._order.key, 0, Line(self._far.clock.now(), text, level="notice"))
            _LOG.info("%s: %s", self.id, text)
        self._told = text

    def _words(self, seen: Seen) -> str:
        if seen.state != "waiting":
            return ""
        with self._far.engine.connect() as connection:
            if self._pool in pool_members.living(connection):
                return ""
        if seen.generation:
            return f"the worker is gone; the job waits for another of pool `{self._pool}`"
        return (
            f"no worker of pool `{self._pool}` is there; the job waits. Next, on any machine that "
            f"has the database: headway worker --pool {self._pool}"
        )
