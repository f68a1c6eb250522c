"""Long lists in parts, by the place of the last row: a part costs the same however long it is.

Called by pages and the API with a function of lists.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

LIMIT = 50
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty fields filter nothing. `state` is a state or an outcome; `cursor`: the `next` of the
    part before; `seen`: only in these services, None: in all; `since` and before `until`: Unix
    seconds of when it began.
    """

    service: str = ""
    environment: str = ""
    state: str = ""
    limit: int = LIMIT
    cursor: str = ""
    seen: frozenset[str] | None = None
    release: str = ""
    commit: str = ""
    by: str = ""
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A part of a list. `next`: the cursor of the part that follows, empty at the end."""

    items: tuple[Row, ...]
    next: str


def page(
    read: Callable[[sa.Connection, Filter], list[Row]],
    connection: sa.Connection,
    asked: Filter,
    key: Callable[[Row], str],
) -> Page[Row]:
    """One part of what `read` lists, newest first; `key` names a row for the cursor."""
    found = read(connection, replace(asked, limit=asked.limit + 1))
    items = found[: asked.limit]
    return Page(tuple(items), key(items[-1]) if len(found) > asked.limit else "")


def narrowed(
    query: "sa.Select[Any]",
    asked: Filter,
    service: "sa.ColumnElement[str]",
    environment: "sa.ColumnElement[str] | None",
) -> "sa.Select[Any]":
    """The rows of services and environments that are asked for and may be seen."""
    if asked.service:
        query = query.where(service == asked.service)
    if asked.seen is not None:
        query = query.where(service.in_(asked.seen))
    if asked.environment and environment is not None:
        query = query.where(environment == asked.environment)
    return query


def within(
    query: "sa.Select[Any]", asked: Filter, began: "sa.ColumnElement[float]"
) -> "sa.Select[Any]":
    """The rows of the time that is asked for."""
    if asked.since is not None:
        query = query.where(began >= asked.since)
    return query if asked.until is None else query.where(began < asked.until)
