"""Webhooks: other systems that events are sent to, and how that goes."""

from dataclasses import dataclass
from typing import Annotated, Literal, cast

from pydantic import Field
from starlette.requests import Request

from headway.access.principal import Principal
from headway.api.guard import must, needs
from headway.api.v1.common import WRITES, headway, noun, reading
from headway.api.v1.paging import Page, Spanned
from headway.api.v1.route import unchanged
from headway.api.v1.writing import Body, IfMatch, Key, Reason, Write
from headway.flows import webhooks as flow
from headway.flows.webhooks import Wish
from headway.store.database import Tx
from headway.store.views import webhooks as view
from headway.store.views.webhooks import DeliveryView as Sent
from headway.store.views.webhooks import WebhookView

router = noun("webhooks")
Manager = Annotated[Principal, needs("webhook.manage")]


@dataclass(frozen=True, slots=True)
class WebhookMade:
    """`secret` signs what is sent; it is given once. The same request again gives it empty."""

    webhook: str
    secret: str


@dataclass(frozen=True, slots=True)
class WebhookTold:
    """`secret` after `rotate`, given once; `again`: deliveries that will be sent again."""

    webhook: str
    command: str
    secret: str
    again: int


@dataclass(frozen=True, slots=True)
class WebhookDelivery(Sent):
    """One event on its way there. `state`: waiting, delivered or dead; `status`: of the last
    answer, 0 for none. (A name of its own: schemas are known by it.)
    """


class NewWebhook(Body):
    """`events`: patterns with commas as `release.*`; empty: all."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    url: Annotated[str, Field(min_length=1, max_length=2000)]
    service: Annotated[str, Field(max_length=100)] = ""
    environment: Annotated[str, Field(max_length=100)] = ""
    events: Annotated[str, Field(max_length=2000)] = ""
    format: Literal["cloudevents", "cdevents"] = "cloudevents"
    allow_private: bool = False


class WebhookCommand(Body):
    """`replay`: send again what was given up."""

    command: Literal["pause", "resume", "rotate", "replay", "delete"]
    reason: Reason


@router.get("/webhooks")
def list_webhooks(request: Request, who: Manager, span: Spanned) -> Page[WebhookView]:
    """By name."""
    must(who, "webhook.manage")
    with reading(request) as connection:
        found = [w for w in view.subscriptions(connection) if w.name > span.after]
    return span.page(sorted(found, key=lambda w: w.name)[: span.reach], lambda w: w.name)


@router.get("/webhooks/{webhook}")
def show_webhook(request: Request, who: Manager, webhook: str) -> WebhookView:
    """One, by name or id."""
    must(who, "webhook.manage")
    with reading(request) as connection:
        return view.subscription(connection, webhook)


@router.get("/webhooks/{webhook}/deliveries")
def list_webhook_deliveries(
    request: Request,
    who: Manager,
    span: Spanned,
    webhook: str,
    state: Literal["", "waiting", "delivered", "dead"] = "",
) -> Page[WebhookDelivery]:
    """What was sent there, newest first."""
    must(who, "webhook.manage")
    with reading(request) as connection:
        known = view.subscription(connection, webhook)
        found = view.deliveries(
            connection, known.id, state=state, limit=span.limit, before=span.after
        )
    items = cast("tuple[WebhookDelivery, ...]", found.items)
    return Page(items, span.seal(found.next) if found.next else None)


@router.post("/webhooks", status_code=201, responses=WRITES)
def add_webhook(request: Request, who: Manager, body: NewWebhook, key: Key) -> WebhookMade:
    """Send events to a URL from now on."""
    must(who, "webhook.manage")
    office = headway(request).office

    def do(tx: Tx) -> WebhookMade:
        wish = Wish(
            body.name,
            body.url,
            office.name,
            who.id,
            body.service,
            body.environment,
            body.events,
            body.format,
            allow_private=body.allow_private,
        )
        made = flow.add(tx, office.home, wish)
        return WebhookMade(made.subscription.name, made.secret)

    return Write(request, who, key, body, 201).once(do, "secret")


@router.post("/webhooks/{webhook}/commands", status_code=202, responses=WRITES)
def command_webhook(  # noqa: PLR0913  headers are parameters
    request: Request,
    who: Manager,
    webhook: str,
    body: WebhookCommand,
    key: Key,
    if_match: IfMatch = "",
) -> WebhookTold:
    """Tell one something."""
    del if_match
    must(who, "webhook.manage")

    def do(tx: Tx) -> WebhookTold:
        known = view.subscription(tx.connection, webhook)
        unchanged(request, known)
        secret, again = _act(tx, request, known.name, who, body)
        return WebhookTold(known.name, body.command, secret, again)

    return Write(request, who, key, body).once(do, "secret")


def _act(
    tx: Tx, request: Request, name: str, who: Principal, body: WebhookCommand
) -> tuple[str, int]:
    """The new secret, and how many are sent again."""
    home = headway(request).office.home
    match body.command:
        case "pause":
            flow.pause(tx, name, who.id, body.reason)
        case "resume":
            flow.resume(tx, name, who.id)
        case "rotate":
            return flow.rotate(tx, home, name, who.id).secret, 0
        case "replay":
            return "", flow.replay_dead(tx, name, who.id)
        case "delete":
            flow.delete(tx, home, name, who.id)
    return "", 0
