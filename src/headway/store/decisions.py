"""What people decided and what failed where: approvals, quarantines, starts."""

import json

import sqlalchemy as sa

from headway.gate.approval import Approval
from headway.store import access
from headway.store.database import Tx
from headway.store.tables import approvals as approval_table
from headway.store.tables import deliveries, events, quarantines

_COUNT = sa.select(sa.func.count()).where(
    events.c.subject == sa.bindparam("about"), events.c.kind == sa.bindparam("is")
)


def approvals(connection: sa.Connection, digest: str, environment: str) -> tuple[Approval, ...]:
    """Every decision about the digest in the environment, oldest first."""
    t = approval_table
    query = sa.select(t.c.by, t.c.approved, t.c.at, t.c.reason).where(
        t.c.digest == digest, t.c.environment == environment
    )
    rows = connection.execute(query.order_by(t.c.seq))
    return tuple(Approval(*r, known=access.known(connection, r.by)) for r in rows)


def add_approval(tx: Tx, digest: str, release: str, environment: str, given: Approval) -> None:
    """Record a decision."""
    tx.connection.execute(
        approval_table.insert().values(
            digest=digest,
            release=release,
            environment=environment,
            by=given.by,
            reason=given.reason,
            approved=given.approved,
            at=given.at,
        )
    )


def quarantined(
    connection: sa.Connection, digest: str, service: str, environment: str
) -> str | None:
    """Why the digest is quarantined in the environment, or None."""
    query = (
        sa.select(quarantines.c.because)
        .where(
            quarantines.c.digest == digest,
            quarantines.c.service == service,
            quarantines.c.environment == environment,
            quarantines.c.cleared_at == 0,
        )
        .order_by(quarantines.c.seq.desc())
    )
    found: str | None = connection.execute(query).scalar()
    return found


def quarantine(tx: Tx, digest: str, service: str, environment: str, because: str) -> None:
    """Refuse the digest in the environment from now on; once is enough."""
    if quarantined(tx.connection, digest, service, environment) is None:
        tx.connection.execute(
            quarantines.insert().values(
                digest=digest,
                service=service,
                environment=environment,
                because=because,
                at=tx.now,
                cleared_by="",
                cleared_reason="",
                cleared_at=0.0,
            )
        )


def clear(tx: Tx, digest: str, environment: str, by: str, reason: str) -> int:
    """A person lifts the quarantine; gives how many records were open."""
    t = quarantines
    done = tx.connection.execute(
        t.update()
        .where(t.c.digest == digest, t.c.environment == environment, t.c.cleared_at == 0)
        .values(cleared_by=by, cleared_reason=reason, cleared_at=tx.now)
    )
    return done.rowcount


def was_started(connection: sa.Connection, delivery: str, environment: str) -> bool:
    """Whether a person has started this delivery in this environment."""
    query = sa.select(events.c.seq).where(
        events.c.delivery == delivery,
        events.c.environment == environment,
        events.c.kind.in_(["delivery.start", "delivery.hotfix"]),
    )
    return connection.execute(query).first() is not None


def last_said(
    connection: sa.Connection, delivery: str, environment: str, kind: str
) -> tuple[str, str] | None:
    """Who told the delivery so in this environment, and why, the last time; None: nobody."""
    query = sa.select(events.c.data).where(
        events.c.delivery == delivery, events.c.environment == environment, events.c.kind == kind
    )
    found = connection.execute(query.order_by(events.c.seq.desc())).scalar()
    if found is None:
        return None
    data = json.loads(found)
    return str(data["by"]), str(data["reason"])


def count_of(connection: sa.Connection, kind: str, prefix: str) -> int:
    """How many events of the kind there are about subjects that begin so."""
    query = sa.select(sa.func.count()).where(
        events.c.kind == kind, events.c.subject.startswith(prefix, autoescape=True)
    )
    return connection.execute(query).scalar() or 0


def count(connection: sa.Connection, subject: str, kind: str) -> int:
    """How many events of the kind the subject has: the next one's generation."""
    return connection.execute(_COUNT, {"about": subject, "is": kind}).scalar() or 0


def waiting_for(connection: sa.Connection, service: str, environment: str) -> bool:
    """Whether another delivery waits for its turn in the place."""
    t = deliveries
    query = sa.select(t.c.id).where(
        t.c.service == service, t.c.environment == environment, t.c.state == "queued"
    )
    return connection.execute(query).first() is not None


def released_here(connection: sa.Connection, service: str, environment: str) -> list[str]:
    """Releases that were ever released in the place, the latest first."""
    query = (
        sa.select(events.c.release)
        .where(
            events.c.service == service,
            events.c.environment == environment,
            events.c.kind == "release.released",
        )
        .order_by(events.c.seq.desc())
    )
    return list(dict.fromkeys(connection.execute(query).scalars()))
