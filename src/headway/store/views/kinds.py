"""Events of all kinds that begin with a word: `line` is whatever happened to the line.

A beginning is no help to the index of kinds: SQLite does not use it for a pattern with an escape,
Postgres not in the collation of most databases. But kinds are few, and an index knows which there
are; the newest of each are looked up by themselves, so that a rare kind needs no look at the rest
of the log and a common one no sort of all it has. Called by views/audit.py and the API.
"""

from typing import Any

import sqlalchemy as sa

from headway.store.tables import events
from headway.store.views.indexed import values

MOST = 60
"""Kinds that are looked up one by one. Finished jobs are of a kind for each name of a job; of so
many the newest are near the end of the log, and it is read from there.
"""


def begins(word: str) -> "sa.ColumnElement[bool]":
    """Whether an event's kind is the word or begins with it, told event by event: for questions
    that another index answers.
    """
    kind = events.c.kind
    return sa.or_(kind == word, *(kind.startswith(word + m, autoescape=True) for m in ".:"))


def newest(
    connection: sa.Connection, query: "sa.Select[Any]", word: str, limit: int
) -> "sa.Select[Any]":
    """The newest events of the query that begin so; it selects from the log, and no other index is
    better for it.
    """
    kind, seq = events.c.kind, events.c.seq
    marked = (f"{word}.", f"{word}:")
    there = [k for k in values(connection, kind) if k == word or k.startswith(marked)]
    if not 0 < len(there) <= MOST:
        return query.where(begins(word)).order_by(seq.desc()).limit(limit if there else 0)
    numbers = query.with_only_columns(seq).order_by(seq.desc()).limit(limit)
    each = [sa.select(numbers.where(kind == one).subquery().c.seq) for one in there]
    found = sa.select(events).where(seq.in_(sa.union_all(*each)))
    return found.order_by(seq.desc()).limit(limit)
