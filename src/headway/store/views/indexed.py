"""Questions that an index answers, however long the table is: what begins so, which values there
are. For the search box, ids that are typed in part, and lists of names.
"""

import sqlalchemy as sa


def begins(
    connection: sa.Connection, column: "sa.ColumnElement[str]", start: str
) -> "sa.ColumnElement[bool]":
    """Whether the column begins so, told in a way that SQLite looks up in the column's index."""
    if connection.dialect.name != "sqlite":
        return column.startswith(start, autoescape=True)
    return sa.and_(column >= start, column < start + chr(0x10FFFF))


def values(connection: sa.Connection, column: "sa.Column[str]") -> list[str]:
    """Every value of a column that an index begins with, sorted: by jumps from one to the next."""
    first = sa.select(sa.func.min(column).label("value")).cte("jump", recursive=True)
    after = sa.select(sa.func.min(column)).where(column > first.c.value).scalar_subquery()
    jump = first.union_all(sa.select(after).where(first.c.value.is_not(None)))
    query = sa.select(jump.c.value).where(jump.c.value.is_not(None))
    return sorted(connection.execute(query).scalars())
