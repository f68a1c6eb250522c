"""Hears for all jobs of this process that are away: one thread, one connection, however many wait.

It also frees the jobs of dead workers, so that they move on while any server is up, and drops what
is over. It runs while there is somebody to hear for. Called by flows/pool_away.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from headway.store import pool_claims, pool_jobs
from headway.store.pool_jobs import Seen
from headway.store.pool_place import EVERYTHING, Ear, tx

_LOG = logging.getLogger(__name__)
ASK_SECONDS = 0.2
LOOK_SECONDS = 1.0
TIDY_SECONDS = 60.0


class Relay:
    """`tidy` is called about once a minute while jobs are away."""

    def __init__(self, engine: sa.Engine, tidy: Callable[[], None]) -> None:
        self._engine, self._tidy = engine, tidy
        self._waiters: dict[str, tuple[threading.Event, Callable[[], bool]]] = {}
        self._stopping: set[str] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._tidied = time.monotonic()

    @contextmanager
    def hearing(self, job: str, stop: Callable[[], bool]) -> Iterator[threading.Event]:
        """An event that is set when there may be something new about the job, or when it shall
        `stop`, which is asked five times a second.
        """
        event = threading.Event()
        event.set()
        with self._lock:
            self._waiters[job] = event, stop
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
                self._thread.start()
        try:
            yield event
        finally:
            with self._lock:
                del self._waiters[job]
                self._stopping.discard(job)

    def _run(self) -> None:
        ear = Ear(self._engine, "job")
        known: dict[str, object] = {}
        looked = 0.0
        while self._wanted():
            try:
                told = ear.wait(ASK_SECONDS)
                self._wake(told | self._asked())
                if EVERYTHING in told or time.monotonic() - looked >= LOOK_SECONDS:
                    known = self._look(known)
                    looked = time.monotonic()
            except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
                _LOG.warning("the database does not answer: %s", error)
                time.sleep(LOOK_SECONDS)
            except Exception:  # noqa: BLE001  without this thread no job would ever come back
                _LOG.exception("relay of pools")
                time.sleep(LOOK_SECONDS)
        ear.close()

    def _wanted(self) -> bool:
        with self._lock:
            if not self._waiters:
                self._thread = None
            return bool(self._waiters)

    def _wake(self, jobs: frozenset[str] | set[str]) -> None:
        with self._lock:
            for job in jobs & self._waiters.keys():
                self._waiters[job][0].set()

    def _asked(self) -> set[str]:
        """Jobs that shall stop, each once."""
        with self._lock:
            asks = {job: stop for job, (_, stop) in self._waiters.items()}
        found = {job for job, stop in asks.items() if job not in self._stopping and stop()}
        with self._lock:
            self._stopping |= found & self._waiters.keys()
        return found

    def _look(self, known: dict[str, object]) -> dict[str, object]:
        """What was not told, and what nobody tells: workers that died."""
        with self._lock:
            ids = list(self._waiters)
        with self._engine.connect() as connection:
            seen = pool_jobs.look(connection, ids)
            talking = pool_jobs.talking(connection, ids)
            dead = pool_claims.expirable(connection)
        self._wake({job for job in ids if _news(known.get(job), seen.get(job))} | talking)
        if dead:
            with tx(self._engine, claims=True) as one:
                for lost in pool_claims.expire(one):
                    _LOG.warning("worker %s is gone; %s is free again", lost.worker, lost.job)
        if time.monotonic() - self._tidied >= TIDY_SECONDS:
            self._tidied = time.monotonic()
            self._tidy()
        return dict(seen)


def _news(known: object, seen: Seen | None) -> bool:
    """Whether the job's thread has to look. It has looked once by itself, when it was queued."""
    return known != seen and not (known is None and seen is not None and seen.state == "waiting")
