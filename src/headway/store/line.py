"""Stops of the line as kept. A stop is over when that is written, never by the clock alone, so that
nothing moves before the log says that the line runs. Used by flows/line.py and views/line.py.
"""

import sqlalchemy as sa

from headway.model.line import Scope, Stop
from headway.record import dataclass
from headway.store.database import Tx
from headway.store.line_tables import again, stops
from headway.store.rollouts import ulid

_IN_FORCE = (
    sa.select(stops).where(stops.c.open_key.is_not(None)).order_by(stops.c.since, stops.c.id)
)


@dataclass(frozen=True, slots=True)
class Ended:
    """A stop that is over. `by` is empty if its time had passed."""

    stop: Stop
    at: float
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Again:
    """Somebody asked for a stop that was in force already."""

    by: str
    reason: str
    at: float


def in_force(connection: sa.Connection) -> tuple[Stop, ...]:
    """Every stop that is not over, oldest first."""
    return tuple(_stop(r) for r in connection.execute(_IN_FORCE))


def of(connection: sa.Connection, scope: Scope) -> Stop | None:
    """The stop in force of exactly this scope."""
    row = connection.execute(sa.select(stops).where(stops.c.open_key == _key(scope))).first()
    return _stop(row) if row else None


def add(tx: Tx, scope: Scope, by: str, reason: str, until: float) -> Stop:
    """A new stop, since now; there must be none of this scope."""
    new = Stop(f"stp_{ulid(tx.now)}", scope, by, reason, tx.now, until)
    tx.connection.execute(
        stops.insert().values(
            id=new.id,
            open_key=_key(scope),
            service=scope.service,
            environment=scope.environment,
            tier=scope.tier,
            by=by,
            reason=reason,
            since=tx.now,
            until=until,
            ended_at=0.0,
            ended_by="",
            ended_reason="",
        )
    )
    return new


def repeat(tx: Tx, stop: Stop, said: Again, until: float) -> int:
    """Somebody asked once more; it lasts until `until` now. Gives which time this was, from 1."""
    query = sa.select(sa.func.count()).where(again.c.stop == stop.id)
    number = (tx.connection.execute(query).scalar() or 0) + 1
    row = {"stop": stop.id, "number": number, "by": said.by, "reason": said.reason, "at": said.at}
    tx.connection.execute(again.insert().values(**row))
    tx.connection.execute(stops.update().where(stops.c.id == stop.id).values(until=until))
    return number


def repeated(connection: sa.Connection, stop: str) -> tuple[Again, ...]:
    """Who asked for it too, in order."""
    query = sa.select(again).where(again.c.stop == stop).order_by(again.c.number)
    return tuple(Again(r.by, r.reason, r.at) for r in connection.execute(query))


def end(tx: Tx, id: str, by: str, reason: str) -> None:
    """It is over."""
    over = {"open_key": None, "ended_at": tx.now, "ended_by": by, "ended_reason": reason}
    tx.connection.execute(stops.update().where(stops.c.id == id).values(**over))


def ended(connection: sa.Connection, limit: int) -> tuple[Ended, ...]:
    """The last stops that are over, newest first."""
    query = sa.select(stops).where(stops.c.open_key.is_(None))
    rows = connection.execute(query.order_by(stops.c.ended_at.desc(), stops.c.id).limit(limit))
    return tuple(Ended(_stop(r), r.ended_at, r.ended_by, r.ended_reason) for r in rows)


def _key(scope: Scope) -> str:
    return "\n".join((scope.service, scope.environment, scope.tier))


def _stop(row: "sa.Row[tuple[object, ...]]") -> Stop:
    m = row._mapping
    scope = Scope(m["service"], m["environment"], m["tier"])
    return Stop(m["id"], scope, m["by"], m["reason"], m["since"], m["until"])
