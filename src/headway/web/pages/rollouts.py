"""Rollouts: the list, one with its charts, and what a person can tell it."""

import time
from datetime import UTC, datetime

from starlette.responses import Response

from headway.access.principal import may
from headway.api.guard import must, see
from headway.flows import commands
from headway.flows.commands import Word
from headway.model.errors import Refused
from headway.store.views import course, ids, lists, paging, verdict
from headway.store.views import rollout as view
from headway.store.views.rollout import RolloutView
from headway.web import curves, progress, told, words
from headway.web.page import Ask, form, page, to
from headway.web.pages.deliveries import asked_for
from headway.web.steering import VERBS, question, questions

TOLD = 100
PERMISSION = "rollout.command"
STATES = ("running", "released", "rolled_back", "failed", "superseded", "shadowed")


@page("/rollouts")
def listing(ask: Ask) -> Response:
    """Newest first, by service, environment and outcome."""
    asked = asked_for(ask)
    with ask.headway.reading() as connection:
        found = paging.page(lists.list_rollouts, connection, asked, lambda r: r.id)
        names = lists.names(connection, asked.seen)
    return ask.show(
        "rollouts.html",
        live="" if asked.cursor else "all",
        page=found,
        asked=asked,
        names=names,
        states=[(s, words.state(s).word) for s in STATES],
    )


@page("/rollouts/{id}")
def show(ask: Ask) -> Response:
    """One rollout."""
    known = _known(ask)
    with ask.headway.reading() as connection:
        seen = course.read(connection, known.id)
        events = view.story(connection, known)
    return ask.show(
        "rollout.html",
        live=f"subject={known.id}",
        view=known,
        headline=progress.headline(known),
        exposed=progress.exposure(known),
        stages=progress.stages(known, datetime.now(UTC)),
        charts=curves.charts(known, seen),
        marks=curves.marks(known),
        compared=curves.compared(seen),
        course=seen,
        told=told.items(events, places=False)[:TOLD],
        questions=questions(known, _refusal(ask, known)),
    )


@page("/rollouts/{id}/{verb}", PERMISSION)
def ask_first(ask: Ask) -> Response:
    """Whether it shall be so."""
    known = _known(ask)
    return ask.confirm(question(known, ask.path["verb"], _refusal(ask, known)))


@form("/rollouts/{id}/{verb}", PERMISSION)
def tell(ask: Ask) -> Response:
    """Tell it to pause, resume, go on, or go back."""
    known = _known(ask)
    asked = question(known, ask.path["verb"])
    must(ask.who, PERMISSION, known.service, known.environment)
    if asked.refused:
        raise Refused(f"{known.release} cannot be told so now", why=asked.refused, code="done")
    word = Word(VERBS[asked.id], ask.who.id, ask.reason(), known.environment)
    with ask.headway.tx() as tx:
        commands.say(tx, ask.headway.outbox, known.delivery, word)
    return to(f"/rollouts/{known.id}")


def _known(ask: Ask) -> RolloutView:
    with ask.headway.reading() as connection:
        id = ids.rollout_id(connection, ask.path["id"])
        known = view.read(connection, id)
        see(ask.who, known.service)
        if known.outcome or not (known.held or progress.verdict(known) == "WAIT"):
            return known
        return view.with_outlook(known, verdict.outlook(connection, id, time.time()))


def _refusal(ask: Ask, known: RolloutView) -> str:
    if may(ask.who, PERMISSION, known.service, known.environment):
        return ""
    return f"This needs the role operator in {known.environment}."
