"""Deliveries: the list, one as a straight line with its evidence, and its end by a person."""

from datetime import UTC, datetime

from starlette.responses import Response

from headway.access.principal import may, services
from headway.api.guard import must, see
from headway.flows import commands
from headway.flows.commands import Word
from headway.store import log
from headway.store.views import delivery as story
from headway.store.views import ids, lists, paging
from headway.store.views.delivery import DeliveryView
from headway.store.views.paging import Filter
from headway.web import journey, told, words
from headway.web.page import Ask, form, page, to
from headway.web.question import Question

TOLD = 200
STATES = ("building", "delivering", "waiting", "held", "delivered", "rolled_back", "failed")
STATES_ENDED = ("refused", "cancelled", "superseded")


@page("/deliveries")
def listing(ask: Ask) -> Response:
    """Newest first, by service, environment and state."""
    asked = asked_for(ask)
    with ask.headway.reading() as connection:
        found = paging.page(lists.list_deliveries, connection, asked, lambda d: d.id)
        names = lists.names(connection, asked.seen)
    choices = [(s, words.state(s).word) for s in (*STATES, *STATES_ENDED)]
    return ask.show(
        "deliveries.html",
        live="" if asked.cursor else "all",
        page=found,
        asked=asked,
        names=names,
        states=choices,
    )


def asked_for(ask: Ask) -> Filter:
    """The filter in the address."""
    service, environment, state, commit, cursor = (
        ask.query.get(k, "") for k in ("service", "environment", "state", "commit", "cursor")
    )
    seen = services(ask.who)
    return Filter(service, environment, state, commit=commit, cursor=cursor, seen=seen)


@page("/deliveries/{id}")
def show(ask: Ask) -> Response:
    """One delivery."""
    view = _known(ask)
    with ask.headway.reading() as connection:
        events = log.after(connection, 0, limit=5000, delivery=view.id)
    return ask.show(
        "delivery.html",
        live=f"delivery={view.id}",
        view=view,
        stops=journey.line(view),
        headline=journey.headline(view),
        spans=journey.spans(view, datetime.now(UTC)),
        told=told.items(told.news(events))[:TOLD],
        cancel=_cancel(ask, view),
    )


@page("/deliveries/{id}/cancel", "delivery.cancel")
def ask_cancel(ask: Ask) -> Response:
    """Whether it shall end."""
    return ask.confirm(_cancel(ask, _known(ask)))


@form("/deliveries/{id}/cancel", "delivery.cancel")
def cancel(ask: Ask) -> Response:
    """It ends: at a door it is over, in a rollout it goes back."""
    view = _known(ask)
    where = view.visits[-1].environment if view.visits else ""
    must(ask.who, "delivery.cancel", view.service, where)
    word = Word("abort", ask.who.id, ask.reason(), where)
    with ask.headway.tx() as tx:
        commands.say(tx, ask.headway.outbox, view.id, word)
    return to(f"/deliveries/{view.id}")


def _known(ask: Ask) -> DeliveryView:
    with ask.headway.reading() as connection:
        view = story.read(connection, ids.delivery_id(connection, ask.path["id"]))
    see(ask.who, view.service)
    return view


def _cancel(ask: Ask, view: DeliveryView) -> Question:
    last = view.visits[-1] if view.visits else None
    where = last.environment if last else ""
    moving = bool(last and last.rollout and not last.ended_at)
    name = view.release or f"commit {words.short(view.sha)}"
    refused = ""
    if view.state == "done":
        refused = "It has ended."
    elif not may(ask.who, "delivery.cancel", view.service, where):
        refused = "This needs the role operator there."
    back = last.stable if last and last.stable else "nothing"
    says = (
        f"{where} goes back to {back} at once, and {name} goes no further."
        if moving
        else f"{name} goes no further. Nothing that serves users changes."
    )
    return Question(
        id="d-cancel",
        word="Cancel",
        icon="fail",
        heading=f"Cancel the delivery of {name}?",
        says=says,
        sure="Cancel the delivery",
        keep="Let it go on",
        action=f"/deliveries/{view.id}/cancel",
        back=f"/deliveries/{view.id}",
        danger=True,
        refused=refused,
    )
