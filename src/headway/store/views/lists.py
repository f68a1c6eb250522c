"""Lists with filters, newest first: deliveries, releases, rollouts, environments."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

import sqlalchemy as sa

from headway.model.delivery import DeliveryState, Place
from headway.model.service import Environment, Service
from headway.store import records
from headway.store.tables import deliveries, places, releases, rollouts
from headway.store.views.indexed import values
from headway.store.views.moments import at, moment
from headway.store.views.paging import Filter, narrowed, within

_STATES = frozenset(get_args(DeliveryState))
_SHOWN = ("id", "service", "environment", "release", "stable", "outcome", "because", "delivery")
ROLLOUT = tuple(rollouts.c[name] for name in (*_SHOWN, "started_at", "finished_at"))
"""What is shown of a rollout in a list: not the judge's memory, which is long."""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One delivery in a list."""

    id: str
    service: str
    commit: str
    subject: str
    release: str
    environment: str
    state: str
    outcome: str
    because: str
    by: str
    requested_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One release in a list; `environments`: where it is in charge now."""

    name: str
    service: str
    digest: str
    commit: str
    author: str
    delivery: str
    created_at: datetime
    environments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One rollout in a list."""

    id: str
    service: str
    environment: str
    release: str
    stable: str
    outcome: str
    because: str
    delivery: str
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class EnvironmentRow:
    """A service's environment with what is in charge there and how its releases come in."""

    service: str
    environment: str
    tier: str
    strategy: str
    instances: int
    release: str
    candidate: str
    rollout: str
    address: str
    since: datetime | None
    settings: Environment | None


def list_deliveries(connection: sa.Connection, asked: Filter) -> list[DeliveryRow]:
    """By service, environment, release, commit, who asked, and state or outcome. Their ids sort by
    time.
    """
    t = deliveries
    query = sa.select(t).order_by(t.c.id.desc()).limit(asked.limit)
    query = narrowed(query, asked, t.c.service, t.c.environment)
    query = within(query, asked, t.c.requested_at)
    names = ((t.c.release, asked.release), (t.c.sha, asked.commit), (t.c.by, asked.by))
    for column, value in names:
        query = query.where(column == value) if value else query
    if asked.state:
        column = t.c.state if asked.state in _STATES else t.c.outcome
        query = query.where(column == asked.state)
    if asked.cursor:
        query = query.where(t.c.id < asked.cursor)
    return [
        DeliveryRow(
            id=r.id,
            service=r.service,
            commit=r.sha,
            subject=r.subject,
            release=r.release,
            environment=r.environment,
            state=r.state,
            outcome=r.outcome,
            because=r.because,
            by=r.by,
            requested_at=moment(r.requested_at),
            finished_at=moment(r.finished_at),
        )
        for r in connection.execute(query)
    ]


def list_releases(connection: sa.Connection, asked: Filter) -> list[ReleaseRow]:
    """By service and commit, and of one digest only."""
    t = releases
    columns = (t.c.name, t.c.service, t.c.digest, t.c.sha, t.c.author, t.c.delivery, t.c.created_at)
    order = t.c.created_at.desc(), t.c.name.desc()
    query: sa.Select[Any] = sa.select(*columns).order_by(*order).limit(asked.limit)
    query = narrowed(query, asked, t.c.service, None)
    query = within(query, asked, t.c.created_at)
    if asked.commit:
        query = query.where(t.c.sha == asked.commit)
    if asked.cursor:
        last = sa.select(t.c.created_at).where(t.c.name == asked.cursor).scalar_subquery()
        query = query.where(sa.tuple_(t.c.created_at, t.c.name) < sa.tuple_(last, asked.cursor))
    rows = connection.execute(query).all()
    serving = _serving(connection, [r.name for r in rows])
    return [
        ReleaseRow(
            name=r.name,
            service=r.service,
            digest=r.digest,
            commit=r.sha,
            author=r.author,
            delivery=r.delivery,
            created_at=at(r.created_at),
            environments=serving.get(r.name, ()),
        )
        for r in rows
    ]


def in_charge(connection: sa.Connection, release: str) -> tuple[str, ...]:
    """The environments that it serves now."""
    return _serving(connection, [release]).get(release, ())


def _serving(connection: sa.Connection, names: list[str]) -> dict[str, tuple[str, ...]]:
    """The same of several releases."""
    t = places.c
    query = sa.select(t.stable, t.environment).where(t.stable.in_(names)).order_by(t.environment)
    found: dict[str, tuple[str, ...]] = {}
    for stable, environment in connection.execute(query):
        found[stable] = (*found.get(stable, ()), environment)
    return found


def subjects(connection: sa.Connection, ids: list[str]) -> dict[str, str]:
    """The subject of the commit of each of these deliveries; nothing for what is none."""
    t = deliveries
    query = sa.select(t.c.id, t.c.subject).where(t.c.id.in_(ids))
    return {row.id: row.subject for row in connection.execute(query)}


def list_rollouts(connection: sa.Connection, asked: Filter) -> list[RolloutRow]:
    """By service, environment, release and outcome (`running`: not decided yet)."""
    t = rollouts
    query: sa.Select[Any] = sa.select(*ROLLOUT).order_by(t.c.id.desc()).limit(asked.limit)
    query = narrowed(query, asked, t.c.service, t.c.environment)
    query = within(query, asked, t.c.started_at)
    if asked.release:
        query = query.where(t.c.release == asked.release)
    if asked.cursor:
        query = query.where(t.c.id < asked.cursor)
    if asked.state:
        query = query.where(t.c.outcome == ("" if asked.state == "running" else asked.state))
    return [
        RolloutRow(
            id=r.id,
            service=r.service,
            environment=r.environment,
            release=r.release,
            stable=r.stable,
            outcome=r.outcome,
            because=r.because,
            delivery=r.delivery,
            started_at=at(r.started_at),
            finished_at=moment(r.finished_at) if r.outcome else None,
        )
        for r in connection.execute(query)
    ]


def names(connection: sa.Connection, seen: frozenset[str] | None) -> tuple[list[str], list[str]]:
    """Services and environments that lists can be filtered by. `seen`: only these services."""
    rows = connection.execute(sa.select(places.c.service, places.c.environment)).all()
    known = [r for r in rows if seen is None or r.service in seen]
    return sorted({r.service for r in known}), sorted({r.environment for r in known})


def list_environments(connection: sa.Connection, asked: Filter) -> list[EnvironmentRow]:
    """Each service's path as its newest release has it, and places that left the path."""
    names = _services(connection, asked)
    there: dict[str, dict[str, Place]] = {}
    query = sa.select(places).where(places.c.service.in_(names))
    for row in connection.execute(query):
        there.setdefault(row.service, {})[row.environment] = Place(**row._mapping)
    found: list[EnvironmentRow] = []
    for service in names:
        mine, known = there.get(service, {}), {e.name: e for e in _path(connection, service)}
        for name in (*known, *sorted(set(mine) - set(known))):
            place = mine.get(name) or records.no_place(service, name)
            found.append(_environment(place, known.get(name)))
    return [e for e in found if asked.environment in {"", e.environment}]


def _path(connection: sa.Connection, service: str) -> tuple[Environment, ...]:
    """As the service's newest release has it."""
    t = releases.c
    query = sa.select(t.config).where(t.service == service).order_by(t.number.desc()).limit(1)
    newest = connection.execute(query).scalar()
    return records.loads(newest, Service).environments if newest else ()


def _services(connection: sa.Connection, asked: Filter) -> list[str]:
    if asked.service:
        made = sa.select(releases.c.name).where(releases.c.service == asked.service).limit(1)
        here = sa.select(places.c.service).where(places.c.service == asked.service).limit(1)
        known = connection.execute(made).first() or connection.execute(here).first()
        names = [asked.service] if known else []
    else:
        known_by = (releases.c.service, places.c.service)
        names = sorted({n for column in known_by for n in values(connection, column)})
    return names if asked.seen is None else [n for n in names if n in asked.seen]


def _environment(place: Place, settings: Environment | None) -> EnvironmentRow:
    return EnvironmentRow(
        service=place.service,
        environment=place.environment,
        tier=settings.tier if settings else "",
        strategy=settings.rollout.strategy if settings else "",
        instances=settings.run.instances if settings else 0,
        release=place.stable,
        candidate=place.candidate,
        rollout=place.rollout,
        address=place.address,
        since=moment(place.since),
        settings=settings,
    )
