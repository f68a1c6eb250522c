"""What people do with subscriptions to our events: make, end, pause, rotate secrets, send again.

Each takes a transaction, so that the command line and the HTTP API call the same; whoever calls has
asked for the permission (`webhook.manage`: an admin's). Everything done is in the event log.
Nothing is sent here: flows/webhook_rounds does that.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import sqlalchemy as sa

from headway.model.errors import Invalid, Refused
from headway.model.webhook import Format, Subscription
from headway.store import log, webhook_deliveries, webhook_secrets, webhooks
from headway.store.database import Tx
from headway.store.rollouts import ulid
from headway.store.tables import events
from headway.subscription import address, signing, wanted

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
MOST_IDS = 500


@dataclass(frozen=True, slots=True)
class Wish:
    """A new subscription. `events`: patterns with commas, "" for all. `home`: the name of the home
    that keeps the secret and sends; `by`: who asks, an admin if `allow_private`.
    """

    name: str
    url: str
    home: str
    by: str
    service: str = ""
    environment: str = ""
    events: str = ""
    format: str = "cloudevents"
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Added:
    """The subscription and its secret (`whsec_…`), which is shown now and never again."""

    subscription: Subscription
    secret: str = field(repr=False)


def add(tx: Tx, home: Path, wish: Wish) -> Added:
    """Subscribe from now on: what happened before is not sent.

    Raises Invalid (`webhook-name`, `webhook-url`, `webhook-events`, `webhook-format`,
    `webhook-exists`), Refused (`private-address`).
    """
    made = _made(tx, wish)
    secret = signing.secret(os.urandom(signing.SECRET_BYTES))
    webhook_secrets.put(home, made.id, secret)
    webhooks.add(tx, made)
    data: dict[str, object] = {"by": wish.by, "url": address.target(made.url).shown}
    data |= {"events": list(made.events), "format": made.format, "private": made.allow_private}
    webhooks.changed(tx, made, "added", data)
    return Added(made, secret)


def _made(tx: Tx, wish: Wish) -> Subscription:
    if not _NAME.fullmatch(wish.name):
        raise Invalid(
            f"`{wish.name[:60]}` is not a name for a webhook",
            why="small letters, digits and . _ - only",
            code="webhook-name",
        )
    if wish.format not in get_args(Format):
        raise Invalid(
            f"`{wish.format[:60]}` is no format of webhooks",
            why=f"known: {', '.join(get_args(Format))}",
            code="webhook-format",
        )
    target = address.target(wish.url)
    if not wish.allow_private:
        address.check_literal(target)
    if webhooks.named(tx.connection, wish.name):
        raise Invalid(
            f"there is a webhook `{wish.name}` already",
            why="its secret is not shown again",
            next=f"headway webhook show {wish.name}, or another name",
            code="webhook-exists",
        )
    return Subscription(
        id=f"whk_{ulid(tx.now)}",
        name=wish.name,
        url=wish.url,
        service=wish.service,
        environment=wish.environment,
        events=wanted.patterns(wish.events),
        format="cdevents" if wish.format == "cdevents" else "cloudevents",
        allow_private=wish.allow_private,
        home=wish.home,
        state="active",
        because="",
        by=wish.by,
        created_at=tx.now,
        cursor=log.last_seq(tx.connection),
    )


def delete(tx: Tx, home: Path, name: str, by: str) -> Subscription:
    """End it and forget its deliveries and secret. Raises Invalid (`unknown-webhook`)."""
    found = webhooks.find(tx.connection, name)
    webhooks.changed(tx, found, "deleted", {"by": by})
    webhook_deliveries.remove(tx, found.id)
    webhooks.remove(tx, found.id)
    webhook_secrets.remove(home, found.id)
    return found


def pause(tx: Tx, name: str, by: str, reason: str) -> Subscription:
    """Send nothing until it is resumed. Raises Invalid (`unknown-webhook`)."""
    found = webhooks.find(tx.connection, name)
    if found.state == "active":
        webhooks.update(tx, found.id, state="paused", because=reason)
        webhooks.changed(tx, found, "paused", {"by": by, "because": reason})
    return webhooks.find(tx.connection, found.id)


def resume(tx: Tx, name: str, by: str, *, skip: bool = False) -> Subscription:
    """Go on at once, also if it waits because its receiver failed. What happened meanwhile is sent,
    in order, unless `skip`. Raises Invalid (`unknown-webhook`).
    """
    found = webhooks.find(tx.connection, name)
    rested: dict[str, float] = {"next_at": 0.0, "failures": 0, "failing_since": 0.0, "told": False}
    rested |= {"cursor": log.last_seq(tx.connection)} if skip else {}
    webhooks.update(tx, found.id, state="active", because="", **rested)
    webhooks.changed(tx, found, "resumed", {"by": by, "skip": skip})
    return webhooks.find(tx.connection, found.id)


def rotate(tx: Tx, home: Path, name: str, by: str) -> Added:
    """A new secret, shown now and never again; for 24 h the old one signs too. A second rotation
    within that day ends the oldest secret at once. Raises Invalid (`unknown-webhook`), Refused
    (`webhook-home`).
    """
    found = webhooks.find(tx.connection, name)
    if not _kept(home, found):
        raise Refused(
            f"the secret of `{found.name}` is kept in another home",
            why="several servers use this database; the one where it was added sends",
            next="ask there",
            code="webhook-home",
        )
    secret = signing.secret(os.urandom(signing.SECRET_BYTES))
    webhook_secrets.rotate(home, found.id, secret, tx.now)
    webhooks.changed(tx, found, "rotated", {"by": by})
    return Added(found, secret)


def _kept(home: Path, found: Subscription) -> bool:
    """Whether this is the home that keeps its secret."""
    file = home / "name"
    return file.exists() and file.read_text().strip() == found.home


def replay(tx: Tx, name: str, ids: Sequence[str], by: str) -> int:
    """Send these deliveries again, under their ids; gives how many did not wait already.

    Raises Invalid (`unknown-webhook`, `unknown-delivery`), Refused (`webhook-paused`).
    """
    found = _going(tx, name)
    wished = list(dict.fromkeys(ids))
    known = webhook_deliveries.known(tx.connection, found.id, wished[:MOST_IDS])
    missing = next((id for id in wished if id not in known), "")
    if missing:
        raise Invalid(
            f"`{found.name}` has no delivery `{missing[:60]}`",
            why="what was taken is forgotten after a week, what was given up after a month",
            next=f"headway webhook show {found.name}, or replay --since",
            code="unknown-delivery",
        )
    count = webhook_deliveries.again(tx, wished)
    _replayed(tx, found, {"by": by, "deliveries": count})
    return count


def replay_dead(tx: Tx, name: str, by: str) -> int:
    """Send again all that was given up; gives how many. Raises as `replay`."""
    found = _going(tx, name)
    count = webhook_deliveries.dead_again(tx, found.id)
    _replayed(tx, found, {"by": by, "deliveries": count})
    return count


def replay_since(tx: Tx, name: str, at: float, by: str) -> int:
    """Send again everything wanted since then (Unix seconds), also from before it subscribed: the
    cursor is put back, so that the order stays. Gives how many events will be looked at.

    Raises as `replay`.
    """
    found = _going(tx, name)
    query = sa.select(sa.func.max(events.c.seq)).where(events.c.at < at)
    before = int(tx.connection.execute(query).scalar() or 0)
    cursor = min(before, found.cursor)
    webhooks.update(tx, found.id, cursor=cursor)
    _replayed(tx, found, {"by": by, "since": at})
    return log.last_seq(tx.connection) - cursor


def _going(tx: Tx, name: str) -> Subscription:
    found = webhooks.find(tx.connection, name)
    if found.state == "paused":
        raise Refused(
            f"the webhook `{found.name}` is paused",
            why=found.because,
            next=f"headway webhook resume {found.name}",
            code="webhook-paused",
        )
    return found


def _replayed(tx: Tx, found: Subscription, data: dict[str, object]) -> None:
    webhooks.update(tx, found.id, next_at=0.0, failures=0)
    webhooks.changed(tx, found, "replayed", data)
