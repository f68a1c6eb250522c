"""Rows written by their key, with statements that are built once.

To build a statement costs several times what it takes to run it, so whatever a rollout asks at each
turn, or a round of the server every second, is built once: reads as constants of the module that
asks, writes here. Called by the modules of store/.
"""

from collections.abc import Mapping
from functools import cache

import sqlalchemy as sa


def insert(connection: sa.Connection, table: sa.Table, row: Mapping[str, object]) -> None:
    """One new row. Raises ValueError if a column is unknown."""
    connection.execute(_insert(table), _known(table, row))


def update(
    connection: sa.Connection,
    table: sa.Table,
    key: Mapping[str, object],
    changes: Mapping[str, object],
) -> int:
    """Change columns of the rows with that key, of which no part is NULL; gives how many there are.
    Raises ValueError if a column is unknown.
    """
    here = {f"key_{name}": value for name, value in key.items()}
    changes = _known(table, changes)
    return connection.execute(_update(table, tuple(key)), {**changes, **here}).rowcount


def put(
    connection: sa.Connection,
    table: sa.Table,
    key: Mapping[str, object],
    values: Mapping[str, object],
) -> None:
    """The row with that key says so from now on, whether it was there or not."""
    if update(connection, table, key, values) == 0:
        insert(connection, table, {**key, **values})


def _known(table: sa.Table, values: Mapping[str, object]) -> dict[str, object]:
    """SQLAlchemy leaves out in silence what is no column."""
    unknown = values.keys() - set(table.columns.keys())
    if unknown:
        raise ValueError(f"{table.name} has no columns {sorted(unknown)}")
    return dict(values)


@cache
def _insert(table: sa.Table) -> sa.Insert:
    return table.insert()


@cache
def _update(table: sa.Table, key: tuple[str, ...]) -> sa.Update:
    return table.update().where(*(table.c[name] == sa.bindparam(f"key_{name}") for name in key))
