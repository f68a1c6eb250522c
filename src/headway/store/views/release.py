"""A release and an artifact: where each runs and ran, how that ended, what people decided of it.

Read by the pages of releases and artifacts.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from headway.model.delivery import Release
from headway.store import records
from headway.store.tables import approvals, deliveries, releases, rollouts
from headway.store.views import artifacts, lists
from headway.store.views import delivery as story
from headway.store.views.artifacts import ArtifactRow
from headway.store.views.delivery import DeliveryView
from headway.store.views.moments import at, moment

MOST = 50


@dataclass(frozen=True, slots=True)
class Ran:
    """One rollout of it."""

    rollout: str
    environment: str
    release: str
    stable: str
    outcome: str
    because: str
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person said about this digest."""

    environment: str
    release: str
    by: str
    approved: bool
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """`in_charge`: environments that it serves now; `delivery`: the journey it was made in;
    `others`: further deliveries of it, as when somebody went back to it.
    """

    release: Release
    created_at: datetime
    in_charge: tuple[str, ...]
    delivery: DeliveryView
    others: tuple[str, ...]
    ran: tuple[Ran, ...]
    artifact: ArtifactRow


@dataclass(frozen=True, slots=True)
class Named:
    """A release of the artifact, and the environments that it serves now."""

    name: str
    environments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArtifactView:
    """`releases`: every release that is this digest, newest first."""

    artifact: ArtifactRow
    releases: tuple[Named, ...]
    ran: tuple[Ran, ...]
    decided: tuple[Decided, ...]


def read(connection: sa.Connection, name: str) -> ReleaseView:
    """The release. Raises Invalid (`unknown-release`)."""
    known = records.release(connection, name)
    query = sa.select(deliveries.c.id).where(deliveries.c.release == name)
    ids = connection.execute(query.order_by(deliveries.c.id.desc()).limit(MOST)).scalars()
    return ReleaseView(
        release=known,
        created_at=at(known.created_at),
        in_charge=lists.in_charge(connection, name),
        delivery=story.read(connection, known.delivery),
        others=tuple(i for i in ids if i != known.delivery),
        ran=_ran(connection, rollouts.c.release == name),
        artifact=artifacts.one(connection, known.digest, known.service),
    )


def services_of(connection: sa.Connection, digest: str) -> tuple[str, ...]:
    """The services that have released this digest, oldest first."""
    query = sa.select(releases.c.service).where(releases.c.digest == digest)
    found = connection.execute(query.order_by(releases.c.created_at)).scalars()
    return tuple(dict.fromkeys(found))


def artifact(connection: sa.Connection, digest: str, service: str) -> ArtifactView:
    """The artifact with exactly this digest, as this service has released it."""
    known = artifacts.one(connection, digest, service)
    names = known.releases[-MOST:][::-1]
    return ArtifactView(
        artifact=known,
        releases=tuple(Named(n, lists.in_charge(connection, n)) for n in names),
        ran=_ran(connection, rollouts.c.digest == digest, service),
        decided=tuple(d for d in _decided(connection, digest) if d.release in known.releases),
    )


def _ran(
    connection: sa.Connection, which: "sa.ColumnElement[bool]", service: str = ""
) -> tuple[Ran, ...]:
    query = sa.select(*lists.ROLLOUT).where(which).order_by(rollouts.c.id.desc()).limit(MOST)
    return tuple(
        Ran(
            rollout=r.id,
            environment=r.environment,
            release=r.release,
            stable=r.stable,
            outcome=r.outcome,
            because=r.because,
            started_at=at(r.started_at),
            finished_at=moment(r.finished_at) if r.outcome else None,
        )
        for r in connection.execute(query)
        if service in {"", r.service}
    )


def _decided(connection: sa.Connection, digest: str) -> tuple[Decided, ...]:
    query = sa.select(approvals).where(approvals.c.digest == digest)
    rows = connection.execute(query.order_by(approvals.c.seq.desc()).limit(MOST))
    return tuple(
        Decided(r.environment, r.release, r.by, r.approved, r.reason, at(r.at)) for r in rows
    )
