"""Lists with filters, newest first: deliveries, releases, rollouts, artifacts, environments."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

import sqlalchemy as sa

from headway.model.delivery import DeliveryState
from headway.model.service import Environment
from headway.store import records
from headway.store.tables import deliveries, places, quarantines, releases, rollouts
from headway.store.views.moments import at, moment
from headway.store.views.paging import Filter

_STATES = frozenset(get_args(DeliveryState))


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
class QuarantineRow:
    """Why a digest is, or was, refused in an environment."""

    environment: str
    because: str
    at: datetime
    cleared_by: str
    cleared_reason: str
    cleared_at: datetime | None


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """One digest: its releases, and where it is quarantined."""

    digest: str
    service: str
    commit: str
    releases: tuple[str, ...]
    created_at: datetime
    quarantines: tuple[QuarantineRow, ...]


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
    query = _where(query, asked, t.c.service, t.c.environment)
    query = _when(query, asked, t.c.requested_at)
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
    query = _where(query, asked, t.c.service, None)
    query = _when(query, asked, t.c.created_at)
    if asked.commit:
        query = query.where(t.c.sha == asked.commit)
    if asked.cursor:
        last = sa.select(t.c.created_at).where(t.c.name == asked.cursor).scalar_subquery()
        query = query.where(sa.tuple_(t.c.created_at, t.c.name) < sa.tuple_(last, asked.cursor))
    return [
        ReleaseRow(
            name=r.name,
            service=r.service,
            digest=r.digest,
            commit=r.sha,
            author=r.author,
            delivery=r.delivery,
            created_at=at(r.created_at),
            environments=in_charge(connection, r.name),
        )
        for r in connection.execute(query)
    ]


def in_charge(connection: sa.Connection, release: str) -> tuple[str, ...]:
    """The environments that it serves now."""
    query = sa.select(places.c.environment).where(places.c.stable == release)
    return tuple(connection.execute(query.order_by(places.c.environment)).scalars())


def list_rollouts(connection: sa.Connection, asked: Filter) -> list[RolloutRow]:
    """By service, environment, release and outcome (`running`: not decided yet)."""
    t = rollouts
    query = sa.select(t).order_by(t.c.id.desc()).limit(asked.limit)
    query = _where(query, asked, t.c.service, t.c.environment)
    query = _when(query, asked, t.c.started_at)
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


def list_artifacts(connection: sa.Connection, asked: Filter) -> list[ArtifactRow]:
    """Every digest that a release names, by service."""
    t = releases
    first = sa.func.min(t.c.created_at).label("created_at")
    query: sa.Select[Any] = sa.select(t.c.digest, t.c.service, first)
    query = query.group_by(t.c.digest, t.c.service)
    query = _when(_where(query, asked, t.c.service, None), asked, t.c.created_at)
    if asked.cursor:
        whole = sa.select(sa.func.min(t.c.created_at)).where(t.c.digest == asked.cursor)
        last = connection.execute(whole).scalar()
        same = sa.and_(first == last, t.c.digest < asked.cursor)
        query = query.having(sa.or_(first < last, same))
    query = query.order_by(first.desc(), t.c.digest.desc())
    rows = connection.execute(query.limit(asked.limit)).all()
    return [artifact(connection, r.digest, r.service) for r in rows]


def artifact(connection: sa.Connection, digest: str, service: str = "") -> ArtifactRow:
    """One digest, of one service if several have it."""
    t = releases
    query = sa.select(t.c.name, t.c.service, t.c.sha, t.c.created_at).where(t.c.digest == digest)
    rows = connection.execute(query.order_by(t.c.created_at)).all()
    found = [r for r in rows if service in {"", r.service}]
    return ArtifactRow(
        digest=digest,
        service=found[0].service,
        commit=found[0].sha,
        releases=tuple(r.name for r in found),
        created_at=at(found[0].created_at),
        quarantines=_quarantines(connection, digest, found[0].service),
    )


def _quarantines(connection: sa.Connection, digest: str, service: str) -> tuple[QuarantineRow, ...]:
    t = quarantines
    query = sa.select(t).where(t.c.digest == digest, t.c.service == service).order_by(t.c.seq)
    return tuple(
        QuarantineRow(
            environment=r.environment,
            because=r.because,
            at=at(r.at),
            cleared_by=r.cleared_by,
            cleared_reason=r.cleared_reason,
            cleared_at=moment(r.cleared_at),
        )
        for r in connection.execute(query)
    )


def names(connection: sa.Connection, seen: frozenset[str] | None) -> tuple[list[str], list[str]]:
    """Services and environments that lists can be filtered by. `seen`: only these services."""
    rows = connection.execute(sa.select(places.c.service, places.c.environment)).all()
    known = [r for r in rows if seen is None or r.service in seen]
    return sorted({r.service for r in known}), sorted({r.environment for r in known})


def list_environments(connection: sa.Connection, asked: Filter) -> list[EnvironmentRow]:
    """Each service's path as its newest release has it, and places that left the path."""
    found: list[EnvironmentRow] = []
    for service in _services(connection, asked):
        newest = connection.execute(
            sa.select(releases.c.name)
            .where(releases.c.service == service)
            .order_by(releases.c.number.desc())
        ).scalar()
        path = records.release(connection, newest).config.environments if newest else ()
        known = {e.name: e for e in path}
        left = sorted(_places(connection, service) - set(known))
        found += [_environment(connection, service, n, known.get(n)) for n in (*known, *left)]
    return [e for e in found if asked.environment in {"", e.environment}]


def _services(connection: sa.Connection, asked: Filter) -> list[str]:
    if asked.service:
        made = sa.select(releases.c.name).where(releases.c.service == asked.service).limit(1)
        known = connection.execute(made).first() or _places(connection, asked.service)
        names = [asked.service] if known else []
    else:
        query = sa.union(sa.select(releases.c.service), sa.select(places.c.service))
        names = sorted(connection.execute(query).scalars())
    return names if asked.seen is None else [n for n in names if n in asked.seen]


def _places(connection: sa.Connection, service: str) -> set[str]:
    query = sa.select(places.c.environment).where(places.c.service == service)
    return set(connection.execute(query).scalars())


def _environment(
    connection: sa.Connection, service: str, name: str, settings: Environment | None
) -> EnvironmentRow:
    place = records.place(connection, service, name)
    return EnvironmentRow(
        service=service,
        environment=name,
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


def _where(
    query: "sa.Select[Any]",
    asked: Filter,
    service: "sa.ColumnElement[str]",
    environment: "sa.ColumnElement[str] | None",
) -> "sa.Select[Any]":
    if asked.service:
        query = query.where(service == asked.service)
    if asked.seen is not None:
        query = query.where(service.in_(asked.seen))
    if asked.environment and environment is not None:
        query = query.where(environment == asked.environment)
    return query


def _when(
    query: "sa.Select[Any]", asked: Filter, began: "sa.ColumnElement[float]"
) -> "sa.Select[Any]":
    if asked.since is not None:
        query = query.where(began >= asked.since)
    return query if asked.until is None else query.where(began < asked.until)
