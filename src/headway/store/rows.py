"""Every row of the database as text that neither SQLite nor Postgres has a say in, and back again.

Form 1, one JSON document a line, UTF-8:

    {"table": NAME, "columns": [...]}     then one array of values for each row, then
    {"end": NAME, "rows": N, "sum": HEX}

Tables of the engine are called `engine.NAME`. Truth values are 0 and 1, bytes {"b64": TEXT},
infinite numbers {"float": TEXT}. `sum` does not depend on the order of rows, because the two
systems sort text differently: the sum of the rows' SHA-256 as numbers, modulo 2**256.

This is the way out; store/rows_fill.py is the way in. Called by backup/, store/moving.py and
store/log.py.
"""

import base64
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from headway.store import sample_tables, tables
from headway.store.place import Place
from headway.store.samples import location

ENGINE = "engine."
MODULUS = 1 << 256
BATCH = 1000
_SCHEMA = "dbos"
_OWN = frozenset({"dbos_migrations", "dbos_datasource_migrations"})
"""What the engine keeps of its own schema: made with it, never copied."""
_JSON = frozenset({"attributes"})
"""Columns of the engine that are JSON on Postgres and text on SQLite."""

Out = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Counted:
    """What one table holds: rows, and their sum in hex."""

    rows: int
    sum: str


class Sum:
    """The sum of rows that come one by one."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, line: bytes) -> None:
        """One more row, as its line without the line's end."""
        self.rows += 1
        self._sum += int.from_bytes(hashlib.sha256(line).digest(), "big")

    def counted(self) -> Counted:
        """So far."""
        return Counted(self.rows, f"{self._sum % MODULUS:064x}")


def databases(place: Place) -> dict[str, tuple[sa.MetaData, ...]]:
    """The databases of a home: their URLs, each with the tables of Headway's own in it. The first
    has the engine's besides.
    """
    samples = location(place.home, place.database)
    if samples == place.database:
        return {place.database: (tables.metadata, sample_tables.metadata)}
    return {place.database: (tables.metadata,), samples: (sample_tables.metadata,)}


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees the database as it is now, whatever others write meanwhile."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql("SELECT 1 FROM sqlite_master").all()
            yield connection
            connection.rollback()
        return
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.exec_driver_sql("SELECT 1")
        yield connection
        connection.rollback()


def found(connection: sa.Connection, own: Iterable[sa.MetaData]) -> dict[str, sa.Table]:
    """Tables by name, those that others refer to first; the engine's too if the state is here."""
    own = tuple(own)
    named = {t.name: t for m in own for t in m.sorted_tables}
    return named | (_engine(connection) if tables.metadata in own else {})


def _engine(connection: sa.Connection) -> dict[str, sa.Table]:
    schema = None if connection.dialect.name == "sqlite" else _SCHEMA
    there = sa.MetaData()
    if schema is None or sa.inspect(connection).has_schema(schema):
        there.reflect(connection, schema, only=lambda name, _: _is_engine(name))
    return {f"{ENGINE}{t.name}": t for t in there.sorted_tables}


def _is_engine(name: str) -> bool:
    return not name.startswith("headway_") and name not in _OWN


def lines(connection: sa.Connection, table: sa.Table, names: Sequence[str] = ()) -> Iterator[bytes]:
    """The rows as lines without their ends, by key; `names`: these columns only."""
    names = names or [c.name for c in table.columns]
    query = sa.select(*(table.c[n] for n in names)).order_by(*table.primary_key.columns)
    options = {"stream_results": True, "max_row_buffer": BATCH}
    for row in connection.execute(query, execution_options=options):
        yield encode([_plain(n, v) for n, v in zip(names, row, strict=True)])


def encode(values: list[object]) -> bytes:
    """One row's line."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).encode()


def _plain(name: str, value: object) -> object:
    if name in _JSON and value is not None:
        known = json.loads(value) if isinstance(value, str) else value
        return None if known is None else json.dumps(known, sort_keys=True)
    match value:
        case bool():
            return int(value)
        case float() if not math.isfinite(value):
            return {"float": str(value)}
        case bytes() | memoryview():
            return {"b64": base64.b64encode(value).decode()}
        case _:
            return value


def count(connection: sa.Connection, table: sa.Table, names: Sequence[str] = ()) -> Counted:
    """What the table holds now, in these columns."""
    total = Sum()
    for line in lines(connection, table, names):
        total.add(line)
    return total.counted()


def dump(connection: sa.Connection, own: Iterable[sa.MetaData], out: Out) -> dict[str, Counted]:
    """Write every table, in the form above; gives what each holds."""
    held = {}
    for name, table in found(connection, own).items():
        total = Sum()
        out(_head({"table": name, "columns": [c.name for c in table.columns]}))
        for line in lines(connection, table):
            total.add(line)
            out(line + b"\n")
        held[name] = total.counted()
        out(_head({"end": name, "rows": held[name].rows, "sum": held[name].sum}))
    return held


def _head(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
