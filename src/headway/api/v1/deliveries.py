"""Deliveries: one commit's journey along the path. Asked for, followed, cancelled."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import sqlalchemy as sa
from pydantic import Field
from starlette.requests import Request

from headway.access.principal import Principal
from headway.api.guard import Reader, must, needs, see
from headway.api.v1.common import REPOSITORY, WRITES, filtered, headway, noun, private, reading
from headway.api.v1.paging import Page, Spanned
from headway.api.v1.route import unchanged
from headway.api.v1.writing import Body, IfMatch, Key, Reason, Write
from headway.flows import commands, configuration
from headway.flows.commands import Request as Wish
from headway.flows.commands import Word
from headway.model.errors import Invalid
from headway.store.database import Tx
from headway.store.views import delivery as story
from headway.store.views import ids, lists
from headway.store.views.delivery import DeliveryView
from headway.store.views.lists import DeliveryRow
from headway.wiring import Headway

router = noun("deliveries")


@dataclass(frozen=True, slots=True)
class Started:
    """It exists; `GET /deliveries/{delivery}` tells how it goes."""

    delivery: str
    service: str
    commit: str


@dataclass(frozen=True, slots=True)
class DeliveryTold:
    """What was said to whom."""

    delivery: str
    command: str
    by: str
    reason: str


class DeliveryWish(Body):
    """Which commit of which service. `repository`: one that this server hosts; the service's own by
    default. `to` ends it after that environment.
    """

    service: Annotated[str, Field(min_length=1, max_length=100)]
    revision: Annotated[str, Field(min_length=1, max_length=250)] = "main"
    repository: Annotated[str, Field(pattern=f"{REPOSITORY}|^$")] = ""
    to: Annotated[str, Field(max_length=100)] = ""


class DeliveryCommand(Body):
    """`cancel`: before an environment it just ends; in a rollout it goes back."""

    command: Literal["cancel"]
    reason: Reason


@router.get("/deliveries")
def list_deliveries(  # noqa: PLR0913  one parameter for each field
    request: Request,
    who: Reader,
    span: Spanned,
    service: str = "",
    environment: str = "",
    state: str = "",
    release: str = "",
    commit: str = "",
    by: str = "",
) -> Page[DeliveryRow]:
    """Newest first. `state`: a state or an outcome."""
    fields = {"service": service, "environment": environment, "state": state, "release": release}
    asked = filtered(who, span, commit=commit, by=by, **fields)
    with reading(request) as connection:
        found = lists.list_deliveries(connection, asked)
    return span.page(found, lambda d: d.id)


@router.get("/deliveries/{delivery}")
def show_delivery(request: Request, who: Reader, delivery: str) -> DeliveryView:
    """The whole story: an id, the beginning of one, or a release."""
    with reading(request) as connection:
        return _seen(connection, who, delivery)


@router.post("/deliveries", status_code=202, responses=WRITES)
def start_delivery(
    request: Request,
    who: Annotated[Principal, needs("delivery.start")],
    body: DeliveryWish,
    key: Key,
) -> Started:
    """Deliver a commit of a repository that this server hosts."""
    must(who, "delivery.start", body.service)
    wish = _wish(headway(request), who, body)

    def do(tx: Tx) -> Started:
        id = commands.request(tx, headway(request).outbox, wish)
        return Started(id, wish.service, wish.commit.sha)

    return Write(request, who, key, body).once(do)


@router.post("/deliveries/{delivery}/commands", status_code=202, responses=WRITES)
def command_delivery(  # noqa: PLR0913  headers are parameters
    request: Request,
    who: Annotated[Principal, needs("delivery.cancel")],
    delivery: str,
    body: DeliveryCommand,
    key: Key,
    if_match: IfMatch = "",
) -> DeliveryTold:
    """End a delivery at its next safe point."""
    del if_match

    def do(tx: Tx) -> DeliveryTold:
        known = _seen(tx.connection, who, delivery)
        must(who, "delivery.cancel", known.service)
        unchanged(request, known)
        # abort, because a rollout hears that word and a door takes it as cancel
        word = Word("abort", who.id, body.reason)
        commands.say(tx, headway(request).outbox, known.id, word)
        return DeliveryTold(known.id, body.command, who.id, body.reason)

    return Write(request, who, key, body).once(do)


def _seen(connection: sa.Connection, who: Principal, text: str) -> DeliveryView:
    with private(who):
        found = story.read(connection, ids.delivery_id(connection, text))
        see(who, found.service)
        return found


def _wish(known: Headway, who: Principal, body: DeliveryWish) -> Wish:
    """Raises Invalid (`unknown-repository`, `unknown-revision`, every fault of headway.yaml)."""
    folder = known.hosting.path(body.repository or body.service)
    if not folder.is_dir():
        raise Invalid("no such repository is hosted here", code="unknown-repository")
    source = known.world.source
    commit = replace(source.commit(str(folder), body.revision), repo=str(folder))
    service = configuration.service_at(source, commit.repo, commit.sha, body.service)
    names = [e.name for e in service.environments]
    if body.to and body.to not in names:
        why = f"its path is {', '.join(names)}"
        raise Invalid(f"{service.name} has no such environment", why=why, code="unknown-name")
    return Wish(service.name, commit, who.id, body.to)
