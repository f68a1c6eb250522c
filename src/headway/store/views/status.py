"""What runs where, since when, by whom, and what waits: `headway status`, the first page."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from headway.model.delivery import Delivery, Place
from headway.store import records
from headway.store.rollouts import load
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
    ordered = sorted(known, key=lambda p: (p.service, _position(connection, p)))
    found = connection.execute(waiting.order_by(deliveries.c.requested_at)).all()
    known_open = (Delivery(**r._mapping) for r in found)
    return Status(
        tuple(_here(connection, p) for p in ordered),
        tuple(_open(connection, d) for d in known_open if service in {"", d.service}),
        tuple(stop.because for stop in line.read(connection, service).stops),
    )


def _position(connection: sa.Connection, place: Place) -> tuple[int, str]:
    """Where the place is on the path of the newest release there."""
    name = place.candidate or place.stable
    if not name:
        return 999, place.environment
    path = [e.name for e in records.release(connection, name).config.environments]
    number = path.index(place.environment) if place.environment in path else 999
    return number, place.environment


def _here(connection: sa.Connection, place: Place) -> Here:
    release = connection.execute(
        sa.select(releases.c.digest, releases.c.sha, deliveries.c.by)
        .join(deliveries, deliveries.c.id == releases.c.delivery)
        .where(releases.c.name == place.stable)
    ).first()
    digest, commit, by = release or ("", "", "")
    phase, share, because = _rollout(connection, place.rollout)
    return Here(
        service=place.service,
        environment=place.environment,
        release=place.stable,
        digest=digest,
        commit=commit,
        since=moment(place.since),
        by=by,
        address=place.address,
        candidate=place.candidate,
        rollout=place.rollout,
        phase=phase,
        share=share,
        because=because,
    )


def _rollout(connection: sa.Connection, id: str) -> tuple[str, float, str]:
    """Phase, the candidate's share, and why it does not go on by itself."""
    if not id:
        return "", 0.0, ""
    row = connection.execute(sa.select(rollouts).where(rollouts.c.id == id)).one()
    state = load(connection, id)
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
