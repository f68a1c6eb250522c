"""A JobRunner that gives jobs to workers of pools, and the others to the runner of this machine.

Serves ports/job_runner on the server; built by wiring. Where an attempt of a job is done is decided
once and written down beside the run, so that the same order again never runs in two places.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from headway.flows import pool_files, pool_route
from headway.flows.pool_away import Away, Far
from headway.flows.pool_files import Mark
from headway.flows.pool_patience import patiently
from headway.model.errors import Refused
from headway.model.job import JobOrder, JobReport
from headway.ports.job_runner import JobRunner, JobWatch
from headway.store import pool_members

PLACES = 64
"""How many jobs of one run may be away at once: threads that wait."""


class PoolRunner(JobRunner):
    """`own`: the runner of this machine, which does `places` jobs of a run at once. `far`: makes
    what jobs that are away need, when the first one is.
    """

    def __init__(self, own: JobRunner, far: Callable[[], Far], places: int) -> None:
        self.own = own
        self._make, self._places = far, _Places(places)
        self._lock = threading.Lock()
        self._made: Far | None = None

    def run(self, order: JobOrder, secrets: Mapping[str, str], watch: JobWatch) -> JobReport:
        """As the port says, wherever the job is done."""
        mark = self._mark(order, watch)
        if mark.pool:
            return Away(self._far, order, mark, watch).run(secrets)
        with self._places.taken(order.run, watch):
            return self.own.run(order, secrets, watch)

    def warm(self) -> None:
        """As the port says."""
        self.own.warm()

    def check(self, order: JobOrder) -> None:
        """As the port says; what a worker's machine has is known there only."""
        if not patiently(lambda: self._pool(order)):
            self.own.check(order)

    @property
    def _far(self) -> Far:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _mark(self, order: JobOrder, watch: JobWatch) -> Mark:
        """Where the attempt is done, now and after a crash."""
        home = self._far.home
        known = pool_files.read_mark(home, order)
        if known is not None:
            return known

        def ask() -> None:
            if watch.cancelled():
                raise Refused("the run was cancelled before the database answered")

        made = Mark(order.attempt, patiently(lambda: self._pool(order), ask))
        pool_files.write_mark(home, order, made)
        return made

    def _pool(self, order: JobOrder) -> str:
        with self._far.engine.connect() as connection:
            pools = pool_members.every(connection)
            living = pool_members.living(connection) if pools else frozenset()
        return pool_route.pool_of(order, pools, living)


class _Places:
    """How many jobs of each run this machine does at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._runs: dict[str, int] = {}
        self._free = threading.Condition()

    @contextmanager
    def taken(self, run: str, watch: JobWatch) -> Iterator[None]:
        """A place, when there is one; whoever is cancelled needs none to say so."""
        with self._free:
            while self._runs.get(run, 0) >= self._most and not watch.cancelled():
                self._free.wait(0.1)
            self._runs[run] = self._runs.get(run, 0) + 1
        try:
            yield
        finally:
            with self._free:
                self._runs[run] -= 1
                if not self._runs[run]:
                    del self._runs[run]
                self._free.notify_all()
