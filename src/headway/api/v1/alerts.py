"""Alerts: what people must know about, and that somebody takes care of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import sqlalchemy as sa
from starlette.requests import Request

from headway.access.principal import Principal, services
from headway.alert.state import Trouble
from headway.api.guard import Reader, must, needs, see
from headway.api.v1.common import WRITES, noun, private, reading
from headway.api.v1.paging import Page, Span, Spanned
from headway.api.v1.route import unchanged
from headway.api.v1.writing import Body, IfMatch, Key, Reason, Write
from headway.flows import alerting
from headway.store import alerts as stored
from headway.store.database import Tx
from headway.store.records import loads
from headway.store.tables import alerts as table
from headway.store.views.moments import at, moment

router = noun("alerts")


@dataclass(frozen=True, slots=True)
class AlertView:
    """`severity`: page or ticket; `state`: firing, acknowledged, suppressed or resolved; `count`:
    symptoms so far; `by`: who takes care of it; `links`: name to text or URL.
    """

    id: str
    severity: str
    state: str
    rule: str
    service: str
    environment: str
    release: str
    summary: str
    began_at: datetime
    seen_at: datetime
    count: int
    told_at: datetime | None
    acknowledged_at: datetime | None
    by: str
    escalated_at: datetime | None
    resolved_at: datetime | None
    links: dict[str, str]


class AlertCommand(Body):
    """`acknowledge`: somebody takes care of it; `resolve`: it is over."""

    command: Literal["acknowledge", "resolve"]
    reason: Reason


@router.get("/alerts")
def list_alerts(  # noqa: PLR0913  one parameter for each field
    request: Request,
    who: Reader,
    span: Spanned,
    service: str = "",
    environment: str = "",
    rule: str = "",
    state: Literal["", "firing", "acknowledged", "suppressed", "resolved"] = "",
) -> Page[AlertView]:
    """Newest first."""
    fields = {"service": service, "environment": environment, "rule": rule, "state": state}
    with reading(request) as connection:
        found = _read(connection, who, span, fields)
    return span.page(found, lambda a: a.id)


@router.get("/alerts/{alert}")
def show_alert(request: Request, who: Reader, alert: str) -> AlertView:
    """One: its id, or the beginning of it."""
    with reading(request) as connection:
        return _seen(connection, who, alert)


@router.post("/alerts/{alert}/commands", status_code=202, responses=WRITES)
def command_alert(  # noqa: PLR0913  headers are parameters
    request: Request,
    who: Annotated[Principal, needs("alert.acknowledge")],
    alert: str,
    body: AlertCommand,
    key: Key,
    if_match: IfMatch = "",
) -> AlertView:
    """Take care of it, or say that it is over."""
    del if_match

    def do(tx: Tx) -> AlertView:
        known = _seen(tx.connection, who, alert)
        must(who, "alert.acknowledge", known.service, known.environment)
        unchanged(request, known)
        act = alerting.acknowledge if body.command == "acknowledge" else alerting.resolve
        return _view(act(tx, known.id, who.id, body.reason))

    return Write(request, who, key, body).once(do)


def _read(
    connection: sa.Connection, who: Principal, span: Span, fields: dict[str, str]
) -> list[AlertView]:
    t, seen = table.c, services(who)
    query = sa.select(t.trouble)
    for name, value in fields.items():
        query = query.where(t[name] == value) if value else query
    if seen is not None:
        query = query.where(t.service.in_(sorted(seen)))
    if span.after:
        query = query.where(t.id < span.after)
    if span.since is not None:
        query = query.where(t.began >= span.since)
    if span.until is not None:
        query = query.where(t.began < span.until)
    rows = connection.execute(query.order_by(t.id.desc()).limit(span.reach)).scalars()
    return [_view(loads(text, Trouble)) for text in rows]


def _seen(connection: sa.Connection, who: Principal, alert: str) -> AlertView:
    with private(who):
        found = _view(stored.find(connection, alert))
        see(who, found.service)
        return found


def _view(trouble: Trouble) -> AlertView:
    one = trouble.alert
    return AlertView(
        id=one.id,
        severity=one.severity,
        state=one.state,
        rule=one.rule,
        service=one.service,
        environment=one.environment,
        release=one.release,
        summary=one.summary,
        began_at=at(one.began),
        seen_at=at(one.seen),
        count=one.count,
        told_at=moment(one.told),
        acknowledged_at=moment(one.acknowledged),
        by=one.by,
        escalated_at=moment(one.escalated),
        resolved_at=moment(one.resolved),
        links=one.links,
    )
