"""Opening the database: SQLite in WAL mode at a file, or Postgres by URL. Used by wiring and tests.

WAL is set once, before the engine opens the file, because the engine never does and every commit
costs 2.5 times as much without it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headway.model.errors import Invalid, Unreachable
from headway.store import schema
from headway.store.tables import metadata

_LOCK = 4_839_201
_LOCKED = sa.text("SELECT pg_advisory_xact_lock(:key)")
IDLE_SECONDS = 20
"""How long a transaction may stand still. Whoever was frozen in one (a paused machine, a stopped
process) would hold every writer up for as long; Postgres ends it instead.
"""
PATIENCE = {
    "connect_timeout": "10",  # s, for each address; a server that accepts and stays silent too
    "keepalives": "1",
    "keepalives_idle": "10",  # s
    "keepalives_interval": "5",  # s
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",  # ms
}
"""After how long a Postgres that cannot be reached any more is an error, instead of hanging for
ever: 10 s for a new connection, 25 s for one that was open. What the URL says itself holds.
Source: PostgreSQL documentation, "Parameter Key Words" of libpq.
"""


@dataclass(frozen=True, slots=True)
class Tx:
    """One open transaction and its time (Unix seconds). Everything in store/ takes one."""

    connection: sa.Connection
    now: float


def prepare(url: str) -> None:
    """Create what is missing: the file in WAL mode, tables, columns. Safe to run at every start.

    Raises Unreachable if the database does not answer, Refused (`newer-schema`).
    """
    prepare_for(url, metadata, "the database does not answer")


def prepare_for(url: str, tables: sa.MetaData, trouble: str) -> None:
    """The same for these tables; `trouble`: what is said if there is no answer."""
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(file, timeout=30)) as opened:
            opened.execute("PRAGMA journal_mode=WAL")
        file.chmod(0o600)
    engine = connect(url)
    try:
        with engine.connect() as connection:
            if schema.is_current(connection, tables):
                return
        with engine.begin() as connection:
            lock(connection)
            schema.migrate(connection, tables)
    except sa.exc.OperationalError as error:
        raise Unreachable(
            trouble,
            why=str(error.orig).strip().splitlines()[0],
            next="check HEADWAY_DATABASE and try again",
        ) from error
    finally:
        engine.dispose()


def connect(url: str, **pool: float) -> sa.Engine:
    """An engine whose SQLite connections wait for a writer instead of failing at once.

    `pool`: options of its connections, if not the library's own.
    """
    if not url.startswith("sqlite"):
        return _bounded(sa.create_engine(patient(url), pool_pre_ping=True, **pool))
    engine = sa.create_engine(url, **pool)

    @sa.event.listens_for(engine, "connect")
    def _pragmas(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = "IMMEDIATE"
        raw.execute("PRAGMA busy_timeout=30000")

    return engine


def patient(url: str) -> str:
    """The URL with PATIENCE where it is one of Postgres and says nothing else itself."""
    if url.startswith("sqlite"):
        return url
    known = sa.make_url(url)
    more = {name: value for name, value in PATIENCE.items() if name not in known.query}
    return known.update_query_dict(more).render_as_string(hide_password=False)


def _bounded(engine: sa.Engine) -> sa.Engine:
    """Nobody holds others up for longer than IDLE_SECONDS. A text that Postgres cannot keep is
    Invalid (`nul`): somebody sent it.

    Many rows go in one statement: the driver would send them in a pipeline, and whoever is frozen
    in the middle of one is not idle to Postgres, for ever. SQLAlchemy does so only without ON
    CONFLICT.
    """
    engine.dialect.use_insertmanyvalues_wo_returning = True

    @sa.event.listens_for(engine, "connect")
    def _limit(raw: Any, _record: object) -> None:
        with raw.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
        raw.commit()

    @sa.event.listens_for(engine, "handle_error")
    def _explain(context: Any) -> None:
        if "cannot contain NUL" in str(context.original_exception):
            why = "the database keeps none"
            raise Invalid("a text holds the character NUL", why=why, code="nul")

    return engine


def lock(connection: sa.Connection) -> None:
    """Serialise writers, so that the event log is gapless and in commit order on Postgres too.

    Must be the first statement of a READ COMMITTED transaction. On SQLite it begins the
    transaction: the driver would begin it at the first write only, and a savepoint before that
    would be a transaction of its own, committed when it is released.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCKED, {"key": _LOCK})
        return
    raw: object = connection.connection.dbapi_connection
    if isinstance(raw, sqlite3.Connection) and not raw.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that only reads."""
    with engine.connect() as connection:
        yield connection
