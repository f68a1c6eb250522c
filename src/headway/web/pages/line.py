"""The line: who stopped it, what that holds, and how it starts again. The stop is on every page."""

from starlette.responses import Response

from headway.access.principal import Principal, may, services
from headway.api.guard import must
from headway.flows import line as flow
from headway.flows.line import Said
from headway.model.errors import Invalid
from headway.model.line import Scope
from headway.store.views import line as view
from headway.store.views import lists
from headway.store.views.line import StopView
from headway.web import stopping
from headway.web.page import Ask, form, page, to
from headway.web.question import Question

FOR = {"": 0.0, "30m": 1800.0, "2h": 7200.0, "8h": 28800.0}


@page("/line")
def show(ask: Ask) -> Response:
    """How it is."""
    seen = services(ask.who)
    with ask.headway.reading() as connection:
        known = stopping.seen(view.read(connection), seen)
        names = lists.names(connection, seen)
    starts = {s.id: _start(ask.who, s) for s in known.stops}
    return ask.show("line.html", live="all", line=known, names=names, starts=starts)


@page("/line/stop", "line.stop")
def ask_stop(ask: Ask) -> Response:
    """What shall be stopped, and why."""
    with ask.headway.reading() as connection:
        names = lists.names(connection, services(ask.who, "line.stop"))
    return ask.show("line_stop.html", names=names, everything=may(ask.who, "line.stop"))


@form("/line/stop", "line.stop")
def stop(ask: Ask) -> Response:
    """Nothing that the scope covers moves from now on."""
    scope = _scope(ask)
    must(ask.who, "line.stop", scope.service, scope.environment)
    lasts = str(ask.form.get("for", ""))
    if lasts not in FOR:
        raise Invalid(f"`{lasts}` is no choice", code="unknown-name")
    with ask.headway.tx() as tx:
        flow.stop(tx, ask.headway.outbox, scope, Said(ask.who.id, ask.reason(), FOR[lasts]))
    return to("/line")


@page("/line/start/{id}", "line.start")
def ask_start(ask: Ask) -> Response:
    """Whether it shall go on."""
    with ask.headway.reading() as connection:
        known = stopping.seen(view.read(connection), services(ask.who))
    found = next((s for s in known.stops if s.id == ask.path["id"]), None)
    if found is None:
        return to("/line")
    return ask.confirm(_start(ask.who, found))


@form("/line/start/{id}", "line.start")
def start(ask: Ask) -> Response:
    """What this stop holds goes on."""
    scope = _scope(ask)
    must(ask.who, "line.start", scope.service, scope.environment)
    with ask.headway.tx() as tx:
        flow.start(tx, ask.headway.outbox, scope, Said(ask.who.id, ask.reason()))
    return to("/line")


def _scope(ask: Ask) -> Scope:
    return Scope(*(str(ask.form.get(k, "")) for k in ("service", "environment", "tier")))


def _start(who: Principal, stop: StopView) -> Question:
    allowed = may(who, "line.start", stop.service, stop.environment)
    held = len(stop.held)
    go_on = "delivery goes on where it stood" if held == 1 else "deliveries go on where they stood"
    says = f"{held} held {go_on}."
    return Question(
        id=f"l-{stop.id}",
        word="Start the line",
        icon="play",
        heading=f"Start the line for {stop.scope}?",
        says=says if held else "Nothing is held by it now. New releases may move again.",
        sure="Start the line",
        keep="Leave it stopped",
        action=f"/line/start/{stop.id}",
        back="/line",
        refused="" if allowed else "This needs the role operator.",
        hidden=(
            ("service", stop.service),
            ("environment", stop.environment),
            ("tier", stop.tier),
        ),
    )
