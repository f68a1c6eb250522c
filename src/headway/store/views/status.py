"""What runs where, since when, by whom, and what waits: `headway status`, the first page."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from headway.model.delivery import Delivery, Place
from headway.model.rollout import Rollout
from headway.model.service import Service
from headway.store import records
from headway.store.tables import deliveries, places, releases, rollouts
from headway.store.views import line, waiting
from headway.store.views.counts import OPEN
from headway.store.views.moments import moment


@dataclass(frozen=True, slots=True)
class Here:
    """A service in an environment: the release in charge, and the one being tried."""

    service: str
    environment: str
    release: str
    digest: str
    commit: str
    since: datetime | None
    by: str
    address: str
    candidate: str
    rollout: str
    phase: str
    share: float
    because: str


@dataclass(frozen=True, slots=True)
class Open:
    """A delivery that has not ended; `because`: what it waits for now, in one sentence."""

    delivery: str
    service: str
    environment: str
    release: str
    commit: str
    subject: str
    by: str
    state: str
    because: str
    requested_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """Every place and every open delivery. `line`: why nothing moves, a sentence for each stop."""

    places: tuple[Here, ...]
    open: tuple[Open, ...]
    line: tuple[str, ...] = ()


def read(connection: sa.Connection, service: str = "") -> Status:
    """Of one service, or of all."""
    here, waiting = sa.select(places), sa.select(deliveries).where(deliveries.c.state.in_(OPEN))
    if service:
        here = here.where(places.c.service == service)
    rows = connection.execute(here.order_by(places.c.service)).all()
    known = [Place(**r._mapping) for r in rows]
    made, moving = _releases(connection, known), _rollouts(connection, known)
    ordered = sorted(known, key=lambda p: (p.service, _position(made, p)))
    found = connection.execute(waiting.order_by(deliveries.c.requested_at)).all()
    known_open = (Delivery(**r._mapping) for r in found)
    return Status(
        tuple(_here(p, made.get(p.stable, _NONE), moving) for p in ordered),
        tuple(_open(connection, d) for d in known_open if service in {"", d.service}),
        tuple(stop.because for stop in line.read(connection, service).stops),
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """What the places tell of a release. `by`: who asked for the delivery that made it; `path`: the
    environments that it goes through.
    """

    digest: str
    commit: str
    by: str
    path: tuple[str, ...]


_NONE = _Made("", "", "", ())
Moving = tuple[str, float, str]
"""Phase, the candidate's share, and why it does not go on by itself."""


def _releases(connection: sa.Connection, places: Iterable[Place]) -> dict[str, _Made]:
    """The releases of these places by their names."""
    names = {n for p in places for n in (p.stable, p.candidate) if n}
    r, d = releases.c, deliveries.c
    query = sa.select(r.name, r.digest, r.sha, r.config, d.id, d.by)
    query = query.outerjoin(deliveries, d.id == r.delivery).where(r.name.in_(sorted(names)))
    found = {}
    for row in connection.execute(query):
        path = tuple(e.name for e in records.loads(row.config, Service).environments)
        digest, sha, by = (row.digest, row.sha, row.by) if row.id else ("", "", "")
        found[row.name] = _Made(digest, sha, by, path)
    return found


def _position(made: dict[str, _Made], place: Place) -> tuple[int, str]:
    """Where the place is on the path of the newest release there."""
    known = made.get(place.candidate or place.stable, _NONE)
    number = known.path.index(place.environment) if place.environment in known.path else 999
    return number, place.environment


def _here(place: Place, made: _Made, moving: dict[str, Moving]) -> Here:
    phase, share, because = moving.get(place.rollout, ("", 0.0, ""))
    return Here(
        service=place.service,
        environment=place.environment,
        release=place.stable,
        digest=made.digest,
        commit=made.commit,
        since=moment(place.since),
        by=made.by,
        address=place.address,
        candidate=place.candidate,
        rollout=place.rollout,
        phase=phase,
        share=share,
        because=because,
    )


def _rollouts(connection: sa.Connection, places: Iterable[Place]) -> dict[str, Moving]:
    """The rollouts of these places by their ids."""
    t = rollouts.c
    query = sa.select(t.id, t.state, t.outcome, t.because)
    query = query.where(t.id.in_(sorted({p.rollout for p in places if p.rollout})))
    return {row.id: _moving(row) for row in connection.execute(query)}


def _moving(row: Any) -> Moving:
    state = records.loads(row.state, Rollout)
    share = state.plan.steps[state.at].share if state.at >= 0 else 0.0
    if row.outcome == "released":
        return state.phase, 1.0, row.because
    halted = "stopped" if state.stopped else "held" if state.held else ""
    word = halted or ("paused" if state.paused else state.phase)
    because = state.stopped or state.held or state.paused or row.because
    return word, 0.0 if row.outcome else share, because


def _open(connection: sa.Connection, known: Delivery) -> Open:
    return Open(
        delivery=known.id,
        service=known.service,
        environment=known.environment,
        release=known.release,
        commit=known.sha,
        subject=known.subject,
        by=known.by,
        state=known.state,
        because=waiting.of_delivery(connection, known.id),
        requested_at=moment(known.requested_at),
    )


def seen(found: Status, services: frozenset[str] | None) -> Status:
    """What of it may be seen by somebody who may read these services; None: all."""
    if services is None:
        return found
    return Status(
        tuple(p for p in found.places if p.service in services),
        tuple(o for o in found.open if o.service in services),
    )
