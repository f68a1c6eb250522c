"""Alerts as kept: open and ended troubles, signals of composites, suppression windows.

Used by flows/alerting and cli/alert. The outbox of messages is store/messages.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from headway.alert.state import Quiet, Trouble
from headway.model.alert import Symptom
from headway.model.errors import Invalid
from headway.store.database import Tx
from headway.store.records import dumps, loads
from headway.store.rollouts import ulid
from headway.store.tables import alert_signals, alerts, suppressions

PREFIX = "alr_"
_DUE = (
    sa.select(alerts.c.trouble)
    .where(alerts.c.open_key.is_not(None), alerts.c.next_at <= sa.bindparam("now"))
    .order_by(alerts.c.id)
)
_STALE = sa.select(alert_signals).where(alert_signals.c.seen < sa.bindparam("before"))


@dataclass(frozen=True, slots=True)
class Signal:
    """A rule that was told lately; `release` and `cause` say with what it is grouped."""

    service: str
    environment: str
    rule: str
    release: str
    cause: str
    seen: float


@dataclass(frozen=True, slots=True)
class Suppression:
    """A window, and what it swallowed so far."""

    window: Quiet
    symptoms: int
    alerts: int


def new_id(tx: Tx) -> str:
    """An id for an alert."""
    return f"{PREFIX}{ulid(tx.now)}"


def put(tx: Tx, trouble: Trouble, next_at: float) -> None:
    """Record it, new or changed; `next_at` is when it must be looked at again."""
    alert = trouble.alert
    fields: dict[str, Any] = {
        "open_key": alert.key if alert.state != "resolved" else None,
        "state": alert.state,
        "severity": alert.severity,
        "rule": alert.rule,
        "service": alert.service,
        "environment": alert.environment,
        "release": alert.release,
        "began": alert.began,
        "next_at": next_at,
        "trouble": dumps(trouble),
    }
    here = alerts.c.id == alert.id
    if tx.connection.execute(alerts.update().where(here).values(**fields)).rowcount == 0:
        tx.connection.execute(alerts.insert().values(id=alert.id, **fields))


def open_by_key(connection: sa.Connection, key: str) -> Trouble | None:
    """The open alert of this trouble, if there is one."""
    query = sa.select(alerts.c.trouble).where(alerts.c.open_key == key)
    text = connection.execute(query).scalar()
    return loads(text, Trouble) if text else None


def open_at(
    connection: sa.Connection, service: str, environment: str | None = None
) -> list[Trouble]:
    """Every open alert of the service, oldest first; of one environment if it is named."""
    query = sa.select(alerts.c.trouble).where(
        alerts.c.open_key.is_not(None), alerts.c.service == service
    )
    if environment is not None:
        query = query.where(alerts.c.environment == environment)
    return [loads(t, Trouble) for t in connection.execute(query.order_by(alerts.c.id)).scalars()]


def due(connection: sa.Connection, now: float) -> list[Trouble]:
    """Open alerts that must be looked at by now."""
    return [loads(t, Trouble) for t in connection.execute(_DUE, {"now": now}).scalars()]


def find(connection: sa.Connection, id: str) -> Trouble:
    """By id or a unique beginning of it. Raises Invalid (`unknown-alert`)."""
    query = sa.select(alerts.c.trouble).where(alerts.c.id.startswith(id, autoescape=True)).limit(2)
    found = list(connection.execute(query).scalars())
    if len(found) != 1 or not id:
        raise Invalid(
            f"there is no alert `{id}`" if not found else f"`{id}` begins several alerts",
            next="headway alert list --all",
            code="unknown-alert",
        )
    return loads(found[0], Trouble)


def several(
    connection: sa.Connection, *, everything: bool, service: str = "", limit: int = 50
) -> list[Trouble]:
    """Newest first; only open ones unless `everything`."""
    query = sa.select(alerts.c.trouble).order_by(alerts.c.id.desc()).limit(limit)
    if not everything:
        query = query.where(alerts.c.open_key.is_not(None))
    if service:
        query = query.where(alerts.c.service == service)
    return [loads(t, Trouble) for t in connection.execute(query).scalars()]


def since(connection: sa.Connection, began: float) -> list[Trouble]:
    """Every alert that began at or after that time, oldest first."""
    query = sa.select(alerts.c.trouble).where(alerts.c.began >= began).order_by(alerts.c.id)
    return [loads(t, Trouble) for t in connection.execute(query).scalars()]


def signal(tx: Tx, symptom: Symptom) -> None:
    """Remember that the rule was told; or, if it is over, forget it."""
    t = alert_signals
    here = (
        t.c.service == symptom.service,
        t.c.environment == symptom.environment,
        t.c.rule == symptom.rule,
        t.c.release == symptom.release,
        t.c.cause == symptom.cause,
    )
    tx.connection.execute(t.delete().where(*here))
    if not symptom.over:
        tx.connection.execute(
            t.insert().values(
                service=symptom.service,
                environment=symptom.environment,
                rule=symptom.rule,
                release=symptom.release,
                cause=symptom.cause,
                seen=tx.now,
            )
        )


def signals(connection: sa.Connection, service: str, environment: str) -> list[Signal]:
    """What was told there, newest first."""
    t = alert_signals
    query = sa.select(t).where(t.c.service == service, t.c.environment == environment)
    return [Signal(**r._mapping) for r in connection.execute(query.order_by(t.c.seen.desc()))]


def stale_signals(connection: sa.Connection, before: float) -> list[Signal]:
    """What was told last before that time."""
    return [Signal(**r._mapping) for r in connection.execute(_STALE, {"before": before})]


def suppress(tx: Tx, window: Quiet) -> None:
    """Record a window."""
    fields = {c: getattr(window, c) for c in _WINDOW}
    tx.connection.execute(suppressions.insert().values(**fields, symptoms=0, alerts=0))


def windows(connection: sa.Connection, service: str, now: float) -> tuple[Quiet, ...]:
    """Windows of the service that have not ended."""
    query = sa.select(*(suppressions.c[c] for c in _WINDOW)).where(
        suppressions.c.service == service, suppressions.c.ends > now
    )
    return tuple(Quiet(*r) for r in connection.execute(query.order_by(suppressions.c.id)))


def suppressed(connection: sa.Connection, since: float) -> list[Suppression]:
    """Windows that ended after `since` or have not ended, newest first."""
    query = sa.select(suppressions).where(suppressions.c.ends > since)
    return [
        Suppression(Quiet(*(r._mapping[c] for c in _WINDOW)), r.symptoms, r.alerts)
        for r in connection.execute(query.order_by(suppressions.c.id.desc()))
    ]


def end_windows(tx: Tx, chosen: list[Quiet]) -> None:
    """They end now."""
    here = suppressions.c.id.in_([w.id for w in chosen])
    tx.connection.execute(suppressions.update().where(here).values(ends=tx.now))


def swallowed(tx: Tx, window: str, *, symptoms: int = 0, alerts: int = 0) -> None:
    """Count what a window kept from people."""
    t = suppressions
    values = {"symptoms": t.c.symptoms + symptoms, "alerts": t.c.alerts + alerts}
    tx.connection.execute(t.update().where(t.c.id == window).values(**values))


_WINDOW = ("id", "service", "environment", "rule", "begins", "ends", "reason", "by")
