"""The shape of the database: what this Headway knows, what is there, how one becomes the other.

A newer Headway only ever adds (tables, columns, indexes), at its start, under the writers' lock; so
what an older one left in mid-flow goes on. An older Headway refuses what a newer one has added to:
its own inserts would leave the new columns empty. `VERSION` rises besides when the meaning of what
is kept changes without a column to show it. Called by database.prepare and samples.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from headway.model.errors import Refused
from headway.store import (  # noqa: F401  their tables are made with the others
    access_tables,
    contract_tables,
    handed_tables,
    idempotency_tables,
    line_tables,
    notice_tables,
    pool_tables,
    run_tables,
    sample_tables,
    test_tables,
    train_tables,
    webhook_tables,
)
from headway.store.tables import installation, metadata

VERSION = 1
PREFIX = "headway_"

_SQLITE = """\
SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p
WHERE m.type = 'table' AND substr(m.name, 1, 8) = 'headway_'"""
_POSTGRES = """\
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND left(table_name, 8) = 'headway_'"""
_EMPTY: tuple[tuple[type, str], ...] = (
    (sa.Boolean, "false"),
    (sa.Integer, "0"),
    (sa.Float, "0"),
    (sa.LargeBinary, "''"),
    (sa.Text, "''"),
)

_SQLITE_INDEXES = "SELECT name FROM sqlite_master WHERE type = 'index'"
_POSTGRES_INDEXES = "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"

Shape = dict[str, set[str]]
"""Columns by table."""


def everything() -> tuple[sa.MetaData, ...]:
    """Headway's own tables: of its state, and of its samples (on SQLite in a file of their own)."""
    return (metadata, sample_tables.metadata)


def shape(connection: sa.Connection) -> Shape:
    """Headway's tables that are there, with their columns."""
    asked = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRES
    found: Shape = {}
    for table, column in connection.exec_driver_sql(asked):
        found.setdefault(table, set()).add(column)
    return found


def _indexes(connection: sa.Connection) -> set[str]:
    """Names of all indexes that are there."""
    sqlite = connection.dialect.name == "sqlite"
    asked = _SQLITE_INDEXES if sqlite else _POSTGRES_INDEXES
    return set(connection.exec_driver_sql(asked).scalars())


def _wanting(connection: sa.Connection, wanted: sa.MetaData) -> list[sa.Index]:
    """Indexes that are not there yet."""
    there = _indexes(connection)
    return [i for t in wanted.sorted_tables for i in t.indexes if str(i.name) not in there]


def is_current(connection: sa.Connection, wanted: sa.MetaData) -> bool:
    """Whether nothing is to be done. Raises Refused (`newer-schema`) as `migrate`."""
    there = shape(connection)
    _refuse_newer(connection, there)
    complete = all(_missing(t, there) == [] for t in wanted.sorted_tables)
    complete = complete and not _wanting(connection, wanted)
    return complete and (wanted is not metadata or _version(connection, there) == VERSION)


def migrate(connection: sa.Connection, wanted: sa.MetaData) -> list[str]:
    """Add what is missing; gives its names (`table`, `table.column` or an index), none if all was
    there. In the caller's transaction, under the writers' lock.

    Raises Refused (`newer-schema`) if a newer Headway was here, (`schema`) if a table has lost its
    key.
    """
    there = shape(connection)
    _refuse_newer(connection, there)
    new = [t for t in wanted.sorted_tables if t.name not in there]
    wanted.create_all(connection, tables=new)
    added = [t.name for t in new]
    for table in wanted.sorted_tables:
        if table not in new:
            added += _widen(connection, table, _missing(table, there))
    for index in _wanting(connection, wanted):
        index.create(connection)
        added.append(str(index.name))
    if wanted is metadata and _version(connection, shape(connection)) != VERSION:
        connection.execute(installation.delete().where(installation.c.name == "schema"))
        connection.execute(installation.insert().values(name="schema", value=str(VERSION)))
    return added


def _missing(table: sa.Table, there: Shape) -> list[sa.Column[object]]:
    known = there.get(table.name, set())
    return [c for c in table.columns if c.name not in known]


def _widen(
    connection: sa.Connection, table: sa.Table, missing: Iterable[sa.Column[object]]
) -> list[str]:
    added = []
    for column in missing:
        if column.primary_key:
            raise Refused(
                f"the table {table.name} has no column {column.name}, which is its key",
                why="no Headway ever made it so",
                next="headway restore FILE --home DIR",
                code="schema",
            )
        quoted = connection.dialect.identifier_preparer
        kind = column.type.compile(connection.dialect)
        given = "" if column.nullable else f" NOT NULL DEFAULT {_empty(column)}"
        connection.exec_driver_sql(
            f"ALTER TABLE {quoted.format_table(table)} "
            f"ADD COLUMN {quoted.format_column(column)} {kind}{given}"
        )
        if column.unique:
            sa.Index(f"uq_{table.name}_{column.name}", column, unique=True).create(connection)
        added.append(f"{table.name}.{column.name}")
    return added


def _empty(column: sa.Column[object]) -> str:
    return next(text for kind, text in _EMPTY if isinstance(column.type, kind))


def _refuse_newer(connection: sa.Connection, there: Shape) -> None:
    known = {t.name: set(t.columns.keys()) for m in everything() for t in m.sorted_tables}
    unknown = [
        f"{table}.{column}"
        for table, columns in sorted(there.items())
        for column in sorted(columns - known.get(table, set()))
    ]
    version = _version(connection, there)
    if not unknown and version <= VERSION:
        return
    why = f"its schema is version {version}, this Headway knows up to {VERSION}"
    if unknown:
        why = f"this Headway does not know {', '.join(unknown[:3])}" + (
            f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        )
    raise Refused(
        "the database was written by a newer Headway",
        why=why,
        next="install the newer Headway again, or restore a backup that was made before it",
        code="newer-schema",
    )


def _version(connection: sa.Connection, there: Shape) -> int:
    if installation.name not in there:
        return 0
    asked = sa.select(installation.c.value).where(installation.c.name == "schema")
    return int(connection.execute(asked).scalar() or 0)
