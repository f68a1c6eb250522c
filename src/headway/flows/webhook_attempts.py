"""Attempts to send deliveries: the signed requests, what follows from the answers.

Answers are written down together, AT_ONCE at most; if the process dies before, these deliveries are
sent once more, under the same ids. Called by flows/webhook_rounds; `ping` by the command line and
the API.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import sqlalchemy as sa

from headway.flows.world import Transactions
from headway.model.errors import Drifted, HeadwayError
from headway.model.event import Event
from headway.model.webhook import Answer, Parcel, Subscription
from headway.store import cdevents, cloudevents, log, webhook_deliveries, webhook_secrets, webhooks
from headway.store.database import Tx
from headway.store.webhook_deliveries import Delivery
from headway.subscription import retry, signing

MOST_ERROR = 300
AT_ONCE = 20
Tried = tuple[Delivery, Answer]
Reading = Callable[[], AbstractContextManager[sa.Connection]]


@dataclass(frozen=True, slots=True)
class Office:
    """Where webhooks are sent from. `name`: of the home; `send`: one POST, never raises;
    `chance`: a number from 0 to 1; `complain` gets what went wrong here, not at a receiver.
    """

    home: Path
    name: str
    tx: Transactions
    reading: Reading
    send: Callable[[Parcel], Answer]
    chance: Callable[[], float]
    complain: Callable[[str], None]

    @property
    def source(self) -> str:
        """Who tells, in CloudEvents."""
        return f"urn:headway:home:{self.name}"


def content(subscription: Subscription, event: Event, source: str) -> list[dict[str, object]]:
    """The CloudEvents that the event is for the subscription, one request each."""
    if subscription.format == "cdevents":
        return cdevents.project(event, source)
    return [cloudevents.envelope(event, source)]


def ping(office: Office, one: Subscription, now: float) -> Answer:
    """Ask the receiver, now and once, whether it takes what this subscription signs.

    Raises Refused (`webhook-secret`).
    """
    number = int(now * 1000)
    data: dict[str, object] = {"because": "somebody asked whether this arrives"}
    kind = "webhook.ping"
    event = Event(0, f"{one.id}/{number}/{kind}", now, kind, one.id, "", one.service,
                  one.environment, "", data)  # fmt: skip
    body = msgspec.json.encode(content(one, event, office.source)[0])
    id = webhook_deliveries.identity(one.id, number, 0)
    return office.send(parcel(office, one, id, body, now))


def parcel(office: Office, one: Subscription, id: str, body: bytes, now: float) -> Parcel:
    """The request, signed for this attempt."""
    secrets = webhook_secrets.get(office.home, one.id).valid(now)
    headers = signing.headers(id, now, body, secrets)
    headers |= {"content-type": cloudevents.MEDIA_TYPE, "user-agent": "headway"}
    return Parcel(one.url, headers, body, one.allow_private)


@dataclass(frozen=True, slots=True)
class Try:
    """A delivery and its request; without one, `fault` says why."""

    delivery: Delivery
    parcel: Parcel | None
    fault: str = ""


def may_send(one: Subscription, now: float) -> bool:
    """Whether anything may be sent to it now."""
    return one.state == "active" and one.next_at <= now


def take(connection: sa.Connection, office: Office, id: str, now: float) -> list[Try]:
    """The next deliveries of the subscription that may be sent now, in order; none if it rests."""
    one = webhooks.get(connection, id)
    if one is None or not may_send(one, now):
        return []
    due = webhook_deliveries.due(connection, id, now, AT_ONCE)
    return [_try(connection, office, one, (delivery, now)) for delivery in due]


def _try(
    connection: sa.Connection, office: Office, one: Subscription, due: tuple[Delivery, float]
) -> Try:
    delivery, now = due
    try:
        body = _body(connection, office, one, delivery)
        return Try(delivery, parcel(office, one, delivery.id, body, now))
    except HeadwayError as error:
        return Try(delivery, None, str(error))


def _body(connection: sa.Connection, office: Office, one: Subscription, due: Delivery) -> bytes:
    found = [e for e in log.after(connection, due.seq - 1, limit=1) if e.seq == due.seq]
    parts = [part for event in found for part in content(one, event, office.source)]
    if due.part >= len(parts):
        raise Drifted(f"event {due.seq} is not in the log as it was", code="webhook-event")
    return msgspec.json.encode(parts[due.part])


def attempt(office: Office, tries: list[Try], go_on: Callable[[], bool]) -> list[Tried]:
    """Send them one after the other until one is not taken, or `go_on` says no."""
    done: list[Tried] = []
    for one in tries:
        answer = office.send(one.parcel) if one.parcel else Answer(error=one.fault)
        done.append((one.delivery, answer))
        if not answer.taken or not go_on():
            break
    return done


def record(tx: Tx, id: str, several: list[Tried], chance: Callable[[], float]) -> None:
    """What follows from answers, for the deliveries and for their subscription."""
    for tried, answer in several:
        one = webhooks.get(tx.connection, id)
        if one is not None:
            _record(tx, one, (tried, answer), chance())


def _record(tx: Tx, one: Subscription, what: Tried, jitter: float) -> None:
    tried, answer = what
    attempts, first = tried.attempts + 1, tried.first_at or tx.now
    counted = retry.Tried(answer, attempts, one.failures + 1, tx.now - first)
    follows = retry.follows(counted, jitter)
    error = "" if answer.taken else retry.because(answer)[:MOST_ERROR]
    changes: dict[str, str | float | bool] = {"attempts": attempts, "first_at": first}
    changes |= {"status": answer.status, "error": error}
    match follows.what:
        case "delivered":
            changes |= {"state": "delivered", "done_at": tx.now}
            _works(tx, one)
        case "gone":
            changes |= {"next_at": tx.now}
            _gone(tx, one, error)
        case "dead":
            changes |= {"state": "dead", "done_at": tx.now}
            _fails(tx, replace(one, told=True), error, follows.rest_seconds)
            data: dict[str, object] = {"delivery": tried.id, "event": tried.seq, "because": error}
            webhooks.changed(tx, one, "gave_up", data)
        case "again":
            changes |= {"next_at": tx.now + follows.seconds, "aside": follows.aside}
            _fails(tx, one, error, follows.rest_seconds)
    webhook_deliveries.update(tx, tried.id, **changes)


def _works(tx: Tx, one: Subscription) -> None:
    rested: dict[str, str | float | bool] = {"failures": 0, "failing_since": 0.0, "next_at": 0.0}
    because = "" if one.state == "active" else one.because
    webhooks.update(tx, one.id, delivered_at=tx.now, told=False, because=because, **rested)
    if one.told:
        webhooks.changed(tx, one, "recovered", {})


def _gone(tx: Tx, one: Subscription, error: str) -> None:
    if one.state == "active":
        webhooks.update(tx, one.id, state="paused", because=error, told=True)
        webhooks.changed(tx, one, "paused", {"by": "headway", "because": error})


def _fails(tx: Tx, one: Subscription, error: str, rest_seconds: float) -> None:
    since = one.failing_since or tx.now
    because = error if one.state == "active" else one.because
    tell = not one.told and tx.now - since >= retry.TELL_SECONDS
    webhooks.update(
        tx, one.id, failures=one.failures + 1, failing_since=since, because=because,
        next_at=tx.now + rest_seconds if rest_seconds else 0.0, told=one.told or tell,
    )  # fmt: skip
    if tell:
        webhooks.changed(tx, one, "failing", {"since": since, "because": error})
