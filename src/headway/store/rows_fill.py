"""Reads the form of store/rows.py, which may come from anybody, and fills tables with it.

Called by backup/ and store/moving.py.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from headway.model.errors import Invalid, Refused
from headway.store.rows import BATCH, Counted, Sum


@dataclass(frozen=True, slots=True)
class Told:
    """One table as a dump tells it; its rows must be taken before the next is."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[bytes]


def read(text: Iterator[bytes], seen: dict[str, Counted]) -> Iterator[Told]:
    """The tables of a dump, lines with their ends; `seen` fills with what was found in each.

    Raises Invalid (`bad-dump`) at the first line that is not of the form.
    """
    for line in text:
        head = _document(line)
        if not isinstance(head, dict) or not isinstance(head.get("table"), str):
            raise _bad("a line that begins no table")
        name, columns = head["table"], head.get("columns")
        if name in seen or not isinstance(columns, list) or not _words(columns):
            raise _bad(f"the table {name[:80]!r} twice, or without columns")
        total, rows = Sum(), _rows(name, len(columns), text)
        ended = _Ended(rows, total)
        yield Told(name, tuple(columns), ended)
        for _ in ended:
            pass
        seen[name] = total.counted()
        if seen[name] != ended.said:
            raise _bad(f"the rows of {name[:80]!r} are not those that were counted")


def _words(columns: list[object]) -> bool:
    return bool(columns) and all(isinstance(c, str) for c in columns)


class _Ended:
    """Rows up to their end; `said` is what the end says of them."""

    def __init__(self, rows: Iterator[bytes | Counted], total: Sum) -> None:
        self._rows, self._total = rows, total
        self.said: Counted | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        one = next(self._rows)
        if isinstance(one, Counted):
            self.said = one
            raise StopIteration
        self._total.add(one)
        return one


def _rows(name: str, width: int, text: Iterator[bytes]) -> Iterator[bytes | Counted]:
    for line in text:
        value = _document(line)
        if isinstance(value, list) and len(value) == width:
            yield line.removesuffix(b"\n")
        elif isinstance(value, dict) and value.get("end") == name:
            rows, total = value.get("rows"), value.get("sum")
            yield Counted(rows if isinstance(rows, int) else -1, str(total))
            return
        else:
            raise _bad(f"a line that is no row of {name[:80]!r}")
    raise _bad(f"the end of {name[:80]!r} is missing")


def _document(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _bad("a line that is no JSON") from error


def value(line: bytes, column: int) -> Any:
    """One value of a row's line. Raises Invalid (`bad-dump`)."""
    found = _document(line)[column]
    if not isinstance(found, str | int):
        raise _bad("a value of another type")
    return found


def _bad(why: str) -> Invalid:
    return Invalid(
        "the rows of a backup cannot be read",
        why=why,
        next="use another backup",
        code="bad-dump",
    )


def clear(connection: sa.Connection, known: Mapping[str, sa.Table]) -> None:
    """Take every row away, those that refer to others first."""
    for table in reversed(list(known.values())):
        connection.execute(table.delete())


def fill(connection: sa.Connection, table: sa.Table, told: Told) -> None:
    """Write the rows into an empty table. A column that is not there must have been empty.

    Raises Refused (`cannot-keep`): this system has no such column, or cannot keep a value.
    """
    batch: list[dict[str, object]] = []
    for line in told.rows:
        batch.append(_values(table, told, json.loads(line)))
        if len(batch) >= BATCH:
            _insert(connection, table, batch)
            batch = []
    if batch:
        _insert(connection, table, batch)
    _go_on_counting(connection, table)


def _values(table: sa.Table, told: Told, row: list[object]) -> dict[str, object]:
    values = {}
    for name, value in zip(told.columns, row, strict=True):
        if name in table.columns:
            values[name] = _typed(table.columns[name].type, value)
        elif value is not None:
            raise Refused(
                f"{told.name} has no column {name[:80]} here",
                why="the backup is of another version of Headway or its engine",
                next="install the version that the backup names",
                code="cannot-keep",
            )
    return values


def _typed(kind: "sa.types.TypeEngine[Any]", value: object) -> object:
    match value:
        case {"b64": str(text)}:
            return base64.b64decode(text)
        case {"float": str(text)}:
            return float(text)
        case int() if isinstance(kind, sa.Boolean):
            return bool(value)
        case str() if isinstance(kind, sa.JSON):
            return json.loads(value)
        case _:
            return value


def _insert(connection: sa.Connection, table: sa.Table, batch: list[dict[str, object]]) -> None:
    try:
        connection.execute(table.insert(), batch)
    except Invalid as error:
        raise _cannot_keep(table, str(error)) from error
    except (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.StatementError) as error:
        raise _cannot_keep(table, str(error.orig or error)) from error


def _cannot_keep(table: sa.Table, why: str) -> Refused:
    return Refused(
        f"{table.name}: a row cannot be kept here",
        why=why.strip().splitlines()[0][:200],
        next="headway doctor",
        code="cannot-keep",
    )


def _go_on_counting(connection: sa.Connection, table: sa.Table) -> None:
    """Postgres counts rows apart from them; SQLite looks."""
    key = list(table.primary_key.columns)
    if connection.dialect.name == "sqlite" or len(key) != 1:
        return
    quoted = connection.dialect.identifier_preparer.format_table(table)
    asked = sa.text("SELECT pg_get_serial_sequence(:table, :column)")
    name = connection.execute(asked, {"table": quoted, "column": key[0].name}).scalar()
    top = connection.execute(sa.select(sa.func.max(key[0]))).scalar() if name else None
    if top is not None:
        connection.execute(sa.select(sa.func.setval(name, top)))
