"""Webhooks: who is told of events over HTTP, what was sent, what was given up."""

from dataclasses import dataclass
from typing import get_args

from starlette.responses import Response

from headway.flows import webhooks as flow
from headway.flows.webhooks import Added, Wish
from headway.model.errors import Invalid
from headway.model.webhook import Format
from headway.store.views import webhooks as view
from headway.store.views.webhooks import DeliveryView, WebhookView
from headway.web.page import Ask, form, page, to
from headway.web.sent import optional, text, words

PATH = "/settings/webhooks"
LATEST = 5


@dataclass(frozen=True, slots=True)
class Told:
    """A subscription, its newest deliveries and those that were given up."""

    hook: WebhookView
    latest: tuple[DeliveryView, ...]
    dead: tuple[DeliveryView, ...]


@page(PATH, "webhook.manage")
def webhooks(ask: Ask) -> Response:
    """All of them."""
    return _shown(ask)


@form(PATH, "webhook.manage")
def add(ask: Ask) -> Response:
    """A new one; its secret is on this page and nowhere else."""
    sent = ask.form
    wish = Wish(
        name=text(sent, "name", 100),
        url=text(sent, "url"),
        home=ask.headway.name,
        by=ask.who.id,
        service=optional(sent, "service"),
        environment=optional(sent, "environment"),
        events=",".join(words(sent, "events")),
        format=text(sent, "format", 40),
        allow_private=sent.get("private") == "on",
    )
    with ask.headway.tx() as tx:
        made = flow.add(tx, ask.headway.home, wish)
    return _shown(ask, made)


@form(PATH + "/{name}", "webhook.manage")
def change(ask: Ask) -> Response:
    """Pause, resume, replay what was given up, rotate the secret, or delete (`do`)."""
    name, do, by = ask.path["name"], text(ask.form, "do", 20), ask.who.id
    made: Added | None = None
    with ask.headway.tx() as tx:
        if do == "pause":
            flow.pause(tx, name, by, optional(ask.form, "reason") or "paused by a person")
        elif do == "resume":
            flow.resume(tx, name, by)
        elif do == "replay":
            flow.replay_dead(tx, name, by)
        elif do == "rotate":
            made = flow.rotate(tx, ask.headway.home, name, by)
        elif do == "delete" and text(ask.form, "delete", 100) == name:
            flow.delete(tx, ask.headway.home, name, by)
        else:
            raise Invalid("nothing was changed", why="the name typed is another", code="confirm")
    return _shown(ask, made) if made else to(PATH)


def _shown(ask: Ask, made: Added | None = None) -> Response:
    with ask.headway.reading() as connection:
        found = [
            Told(
                hook,
                view.deliveries(connection, hook.id, limit=LATEST).items,
                view.deliveries(connection, hook.id, state="dead", limit=LATEST).items,
            )
            for hook in view.subscriptions(connection)
        ]
    return ask.show("webhooks.html", hooks=found, made=made, formats=get_args(Format))
