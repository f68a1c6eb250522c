"""The line: whether it is stopped, by whom, why, since when, and what that holds.

Read by `headway line status`, `headway status`, the API and pages.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from headway.model.delivery import Delivery
from headway.model.line import Scope, Stop, Where, because, covers, scope_words
from headway.store import line, records, rollouts
from headway.store.line import Ended
from headway.store.tables import deliveries, places
from headway.store.tables import rollouts as rollout_table
from headway.store.views.counts import OPEN
from headway.store.views.moments import at, moment

ENDED = 10


@dataclass(frozen=True, slots=True)
class Again:
    """Somebody who asked for the stop while it was in force."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """A delivery that a stop holds. `state`: `at the door` of the environment (no `rollout`, `step`
    is -1) or `at a step` of its rollout, where the candidate has `share`.
    """

    delivery: str
    rollout: str
    service: str
    environment: str
    release: str
    state: str
    step: int
    share: float


@dataclass(frozen=True, slots=True)
class StopView:
    """One stop. `scope`: in words; `because`: the whole sentence; `until` None: until somebody
    starts the line. `service`, `environment`, `tier`: empty means every one.
    """

    id: str
    scope: str
    service: str
    environment: str
    tier: str
    by: str
    reason: str
    since: datetime
    until: datetime | None
    because: str
    again: tuple[Again, ...]
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class EndedStop:
    """A stop that is over. `ended_by` is empty if its time had passed."""

    id: str
    scope: str
    by: str
    reason: str
    since: datetime
    ended_at: datetime
    ended_by: str
    ended_reason: str


@dataclass(frozen=True, slots=True)
class LineView:
    """`stops`: those in force, oldest first; `ended`: the last that are over, newest first.
    `because`: one sentence for people, empty while the line runs.
    """

    stopped: bool
    because: str
    stops: tuple[StopView, ...]
    ended: tuple[EndedStop, ...]


def read(connection: sa.Connection, service: str = "") -> LineView:
    """The line as it is; with a service, only stops that concern it."""
    known = [s for s in line.in_force(connection) if _concerns(s.scope, service)]
    moving = _moving(connection, service) if known else []
    stops = tuple(_stop(connection, s, moving) for s in known)
    over = tuple(
        _ended(e) for e in line.ended(connection, ENDED) if _concerns(e.stop.scope, service)
    )
    return LineView(bool(stops), "; ".join(s.because for s in stops), stops, over)


def stop_at(connection: sa.Connection, where: Where) -> Stop | None:
    """The oldest stop that is in force there."""
    return next((s for s in line.in_force(connection) if covers(s.scope, where)), None)


def _concerns(scope: Scope, service: str) -> bool:
    return not service or scope.service in {"", service}


def _stop(connection: sa.Connection, stop: Stop, moving: list[tuple[Where, Held]]) -> StopView:
    said = line.repeated(connection, stop.id)
    return StopView(
        id=stop.id,
        scope=scope_words(stop.scope),
        service=stop.scope.service,
        environment=stop.scope.environment,
        tier=stop.scope.tier,
        by=stop.by,
        reason=stop.reason,
        since=at(stop.since),
        until=moment(stop.until),
        because=because(stop),
        again=tuple(Again(a.by, a.reason, at(a.at)) for a in said),
        held=tuple(held for where, held in moving if covers(stop.scope, where)),
    )


def _ended(one: Ended) -> EndedStop:
    stop = one.stop
    return EndedStop(
        id=stop.id,
        scope=scope_words(stop.scope),
        by=stop.by,
        reason=stop.reason,
        since=at(stop.since),
        ended_at=at(one.at),
        ended_by=one.by,
        ended_reason=one.reason,
    )


def _moving(connection: sa.Connection, service: str) -> list[tuple[Where, Held]]:
    """Every delivery at a door or in a rollout, which a stop there holds."""
    query = sa.select(deliveries).where(deliveries.c.state.in_(OPEN), deliveries.c.release != "")
    rows = connection.execute(query.order_by(deliveries.c.requested_at, deliveries.c.id)).all()
    open_ones = [Delivery(**r._mapping) for r in rows if service in {"", r.service}]
    found = [_held(connection, d) for d in open_ones if d.environment]
    return [f for f in found if f is not None]


def _held(connection: sa.Connection, known: Delivery) -> tuple[Where, Held] | None:
    config = records.release(connection, known.release).config
    tier = next((e.tier for e in config.environments if e.name == known.environment), "production")
    where = Where(known.service, known.environment, tier)
    rollout = connection.execute(
        sa.select(places.c.rollout).where(
            places.c.service == known.service,
            places.c.environment == known.environment,
            places.c.holder == known.id,
        )
    ).scalar()
    place = (known.service, known.environment, known.release)
    if known.state in {"waiting", "queued"}:
        return where, Held(known.id, "", *place, "at the door", -1, 0.0)
    if not rollout or not _goes_on(connection, rollout):
        return None
    state = rollouts.load(connection, rollout)
    share = state.plan.steps[state.at].share if state.at >= 0 else 0.0
    return where, Held(known.id, rollout, *place, "at a step", state.at, share)


def _goes_on(connection: sa.Connection, rollout: str) -> bool:
    """Whether it would move on: it has not ended, and does not go back."""
    t = rollout_table
    row = connection.execute(sa.select(t.c.outcome, t.c.finished_at).where(t.c.id == rollout)).one()
    return row.outcome == "" and not row.finished_at
