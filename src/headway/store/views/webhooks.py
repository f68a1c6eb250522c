"""Webhooks for people and programs: subscriptions, deliveries, what was given up.

Used by cli/webhook, the API and the pages. Never a secret, and of addresses not the query.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from headway.model.errors import Invalid
from headway.model.webhook import Subscription
from headway.store import log, webhooks
from headway.store.views.moments import at, moment
from headway.store.webhook_tables import deliveries as table
from headway.store.webhook_tables import subscriptions as subscribed
from headway.subscription.address import target

LIMIT = 50


@dataclass(frozen=True, slots=True)
class WebhookView:
    """One subscription. `state`: active, failing (its receiver does not take what is sent) or
    paused; `because`: why; `waiting`: deliveries to be sent, `dead`: given up; `behind`: events of
    the log not looked at yet. `next_at`: nothing is sent before.
    """

    id: str
    name: str
    url: str
    service: str
    environment: str
    events: tuple[str, ...]
    format: str
    allow_private: bool
    state: str
    because: str
    by: str
    created_at: datetime
    delivered_at: datetime | None
    failing_since: datetime | None
    next_at: datetime | None
    waiting: int
    dead: int
    behind: int


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery. `state`: waiting, delivered or dead; `status`: of the last answer, 0 for none;
    `seq`: the event's number in the log. `next_at`: the next try of one that waits.
    """

    id: str
    webhook: str
    seq: int
    kind: str
    state: str
    attempts: int
    status: int
    error: str
    created_at: datetime
    next_at: datetime | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: give it as `before` to go on; "" at the end."""

    items: tuple[DeliveryView, ...]
    next: str = ""


def subscriptions(connection: sa.Connection) -> list[WebhookView]:
    """All, by name."""
    counts, last = _counts(connection), log.last_seq(connection)
    return [_view(one, counts, last) for one in webhooks.every(connection)]


def subscription(connection: sa.Connection, name: str) -> WebhookView:
    """One by name or id. Raises Invalid (`unknown-webhook`)."""
    one = webhooks.find(connection, name)
    return _view(one, _counts(connection, one.id), log.last_seq(connection))


def deliveries(
    connection: sa.Connection, id: str, *, state: str = "", limit: int = LIMIT, before: str = ""
) -> Page:
    """Those of a subscription (by its id; "" for all), newest event first. `before`: the
    `next` of the page before. Raises Invalid (`bad-cursor`).
    """
    query = sa.select(table, subscribed.c.name).join(subscribed, subscribed.c.id == table.c.webhook)
    query = query.where(table.c.webhook == id) if id else query
    query = query.where(table.c.state == state) if state else query
    query = query.where(_older(before)) if before else query
    order = (table.c.seq.desc(), table.c.id.desc())
    rows = list(connection.execute(query.order_by(*order).limit(limit + 1)))
    items = tuple(_delivery(row._mapping) for row in rows[:limit])
    return Page(items, f"{items[-1].seq}.{items[-1].id}" if len(rows) > limit else "")


def _older(before: str) -> sa.ColumnElement[bool]:
    seq, _, id = before.partition(".")
    if not seq.isdecimal() or len(seq) > 18:
        raise Invalid("this is no `next` of a page of deliveries", code="bad-cursor")
    same = sa.and_(table.c.seq == int(seq), table.c.id < id)
    return sa.or_(table.c.seq < int(seq), same)


def dead(connection: sa.Connection, id: str = "", *, limit: int = LIMIT, before: str = "") -> Page:
    """What was given up, of one subscription or of all."""
    return deliveries(connection, id, state="dead", limit=limit, before=before)


Counts = dict[tuple[str, str], int]


def _counts(connection: sa.Connection, id: str = "") -> Counts:
    columns = (table.c.webhook, table.c.state)
    query = sa.select(*columns, sa.func.count()).where(table.c.state != "delivered")
    query = query.where(table.c.webhook == id) if id else query
    return {(w, s): n for w, s, n in connection.execute(query.group_by(*columns))}


def _view(one: Subscription, counts: Counts, last: int) -> WebhookView:
    failing = one.state == "active" and one.failures > 0
    return WebhookView(
        id=one.id,
        name=one.name,
        url=target(one.url).shown,
        service=one.service,
        environment=one.environment,
        events=one.events,
        format=one.format,
        allow_private=one.allow_private,
        state="failing" if failing else one.state,
        because=one.because,
        by=one.by,
        created_at=at(one.created_at),
        delivered_at=moment(one.delivered_at),
        failing_since=moment(one.failing_since),
        next_at=moment(one.next_at),
        waiting=counts.get((one.id, "waiting"), 0),
        dead=counts.get((one.id, "dead"), 0),
        behind=max(0, last - one.cursor),
    )


def _delivery(row: sa.RowMapping) -> DeliveryView:
    waits = row["state"] == "waiting"
    return DeliveryView(
        id=row["id"],
        webhook=row["name"],
        seq=row["seq"],
        kind=row["kind"],
        state=row["state"],
        attempts=row["attempts"],
        status=row["status"],
        error=row["error"],
        created_at=at(row["created_at"]),
        next_at=moment(row["next_at"]) if waits else None,
        done_at=moment(row["done_at"]),
    )
