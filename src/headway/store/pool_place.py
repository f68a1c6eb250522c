"""Transactions of pools: by themselves, on the database's own clock, and how they wake each other.

Claims are serialised by a lock of their own, so that nothing here waits for the event log. On
Postgres a change is told by NOTIFY and heard by one connection a process; on SQLite, whose
processes are on one machine, they look every POLL_SECONDS.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import sqlalchemy as sa

from headway.store import database
from headway.store.database import Tx, lock

POLL_SECONDS = 0.1
EVERYTHING = "*"
CONNECTIONS = 8
CONNECTION_SECONDS = 600.0
"""How long a thread waits for its turn before it is told that the database does not answer."""
Kind = Literal["pool", "worker", "job"]
"""Of topics: a pool's queue or limits, something for a worker, something about a job."""
_LOCK = 4_839_202


def connect(url: str) -> sa.Engine:
    """An engine for many threads that wait: they have CONNECTIONS among them, each for a moment,
    and take nobody else's.
    """
    return database.connect(
        url, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=CONNECTION_SECONDS
    )


@contextmanager
def tx(engine: sa.Engine, *, claims: bool = False) -> Iterator[Tx]:
    """One transaction; its time is the database's, because workers are on other machines.

    `claims`: no other such transaction goes on meanwhile.
    """
    with engine.begin() as connection:
        if engine.dialect.name != "postgresql":
            lock(connection)
        elif claims:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield Tx(connection, now(connection))


def now(connection: sa.Connection) -> float:
    """Unix seconds by the database's clock."""
    if connection.dialect.name != "postgresql":
        return time.time()
    asked = sa.text("SELECT extract(epoch FROM clock_timestamp())")
    return float(connection.execute(asked).scalar_one())


def up_since(connection: sa.Connection) -> float:
    """Since when the database runs (Unix seconds). While it did not, nobody could beat."""
    if connection.dialect.name != "postgresql":
        return 0.0
    asked = sa.text("SELECT extract(epoch FROM pg_postmaster_start_time())")
    return float(connection.execute(asked).scalar_one())


def tell(tx: Tx, kind: Kind, *names: str) -> None:
    """When the transaction commits, whoever listens for the kind is told these names."""
    if tx.connection.dialect.name == "postgresql":
        for name in dict.fromkeys(names):
            asked = sa.text("SELECT pg_notify(:channel, :name)")
            tx.connection.execute(asked, {"channel": _channel(kind), "name": name})


class Ear:
    """Hears topics of these kinds. One connection on Postgres; of one thread."""

    def __init__(self, engine: sa.Engine, *kinds: Kind) -> None:
        self._engine = engine
        self._kinds = kinds
        self._raw: Any = None

    def wait(self, seconds: float) -> frozenset[str]:
        """Until something is told, or so long; EVERYTHING: anything may have changed.

        Raises sqlalchemy.exc.DBAPIError when the database does not answer.
        """
        if self._engine.dialect.name != "postgresql":
            time.sleep(min(seconds, POLL_SECONDS))
            return frozenset({EVERYTHING})
        import psycopg  # noqa: PLC0415  only where the database is Postgres

        try:
            if self._raw is None:
                self._connect()
                return frozenset({EVERYTHING})
            told = self._raw.notifies(timeout=seconds, stop_after=1)
            return frozenset(one.payload for one in told)
        except psycopg.Error as error:  # a raw connection raises the driver's own errors
            self.close()
            raise sa.exc.OperationalError("LISTEN", {}, error) from error

    def close(self) -> None:
        """Stop listening."""
        if self._raw is not None:
            self._raw.close()
            self._raw = None

    def _connect(self) -> None:
        pooled = self._engine.raw_connection()
        raw: Any = pooled.driver_connection
        pooled.detach()
        raw.autocommit = True
        for kind in self._kinds:
            raw.execute(f"LISTEN {_channel(kind)}")
        self._raw = raw


def _channel(kind: Kind) -> str:
    return f"headway_pool_{kind}"
