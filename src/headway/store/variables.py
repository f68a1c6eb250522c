"""The variables of the home, for its runs. Every change is in the event log.

Used by flows/variables and `headway vars`. Not for secrets: whoever reads the home, the event log
or a run's log reads the values.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.model.event import Fact
from headway.pipeline.run.variables import Variable
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.run_tables import variables as table
from headway.store.tables import events

_KEY = (table.c.scope, table.c.environment, table.c.name)


@dataclass(frozen=True, slots=True)
class Kept:
    """A variable, who set it and when (Unix seconds)."""

    variable: Variable
    by: str
    at: float


def every(connection: sa.Connection) -> list[Kept]:
    """All of them, by scope, environment and name."""
    rows = connection.execute(sa.select(table).order_by(*_KEY))
    return [Kept(Variable(r.scope, r.environment, r.name, r.value), r.by, r.at) for r in rows]


def put(tx: Tx, one: Variable, by: str) -> bool:
    """It has this value from now on; False: it had already."""
    here = _here(one)
    old = tx.connection.execute(sa.select(table.c.value).where(*here)).scalar()
    if old == one.value:
        return False
    values = {"value": one.value, "by": by, "at": tx.now}
    if old is None:
        key = {"scope": one.scope, "environment": one.environment, "name": one.name}
        tx.connection.execute(table.insert().values(**key, **values))
    else:
        tx.connection.execute(table.update().where(*here).values(**values))
    _tell(tx, "variable.set", one, {"value": one.value, "by": by})
    return True


def delete(tx: Tx, one: Variable, by: str) -> bool:
    """It is no more; False: there is none. Its value is not looked at."""
    if tx.connection.execute(table.delete().where(*_here(one))).rowcount == 0:
        return False
    _tell(tx, "variable.deleted", one, {"by": by})
    return True


def _here(one: Variable) -> tuple[sa.ColumnElement[bool], ...]:
    key = (one.scope, one.environment, one.name)
    return tuple(column == value for column, value in zip(_KEY, key, strict=True))


def _tell(tx: Tx, kind: str, one: Variable, data: dict[str, object]) -> None:
    """One event for each change."""
    where = {"name": one.name, "scope": one.scope, "environment": one.environment}
    subject = f"variable/{one.scope}/{one.environment}/{one.name}"
    count = sa.select(sa.func.count()).where(events.c.subject == subject)
    number = int(tx.connection.execute(count).scalar() or 0)
    kind_of, _, place = one.scope.partition(":")
    about = About(service=place * (kind_of == "service"), environment=one.environment)
    append(tx, about, Fact(kind, subject, number, where | data))
