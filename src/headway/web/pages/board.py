"""The board: what runs where, since when, by whom, and what comes next. And one service of it."""

import time
from dataclasses import dataclass

from starlette.responses import Response

from headway.access.principal import may, services
from headway.api.guard import must, see
from headway.api.problems import Missing
from headway.flows import commands
from headway.flows.commands import Word
from headway.store.views import approvals, lists, paging
from headway.store.views import board as view
from headway.store.views.board import Spot
from headway.store.views.paging import Filter
from headway.store.views.status import Open
from headway.web import words
from headway.web.page import Ask, form, page, to
from headway.web.question import Question
from headway.web.words import Shown

RECENT = 10


@dataclass(frozen=True, slots=True)
class Next:
    """What comes next in a place, in words."""

    state: str
    icon: str
    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A spot as the board shows it."""

    spot: Spot
    status: Shown
    path: str
    note: str
    next: tuple[Next, ...]


@page("/")
def board(ask: Ask) -> Response:
    """Every place that may be seen."""
    seen = services(ask.who)
    with ask.headway.reading() as connection:
        found = view.read(connection, seen)
        waiting = approvals.read(connection, time.time(), seen)
        recent = lists.list_deliveries(connection, Filter(limit=RECENT, seen=seen))
    return ask.show(
        "board.html",
        live="all",
        board=found,
        cells=_cells(found),
        waiting=waiting,
        recent=recent,
        moving=[s.here for r in found.rows for s in r.spots.values() if s.here.candidate],
    )


@page("/services/{name}")
def service(ask: Ask) -> Response:
    """One service: its places and its last deliveries and releases."""
    name = ask.path["name"]
    see(ask.who, name)
    with ask.headway.reading() as connection:
        found = view.read(connection, services(ask.who), name)
        asked = Filter(service=name, limit=RECENT)
        deliveries = paging.page(lists.list_deliveries, connection, asked, lambda d: d.id)
        releases = lists.list_releases(connection, asked)
        waiting = approvals.read(connection, time.time(), frozenset({name}))
        environments = lists.list_environments(connection, Filter(service=name))
    if not (deliveries.items or releases or found.rows):
        raise Missing(f"there is no service `{name}`", code="unknown-name")
    return ask.show(
        "service.html",
        live=f"service={name}",
        name=name,
        cells=_cells(found),
        deliveries=deliveries,
        releases=releases,
        waiting=waiting,
        environments=environments,
        backs={
            where: _way_back(ask, name, spot)
            for row in found.rows
            if row.service == name
            for where, spot in row.spots.items()
        },
    )


def _cells(found: view.Board) -> dict[tuple[str, str], Cell]:
    return {
        (row.service, name): _cell(spot) for row in found.rows for name, spot in row.spots.items()
    }


def _cell(spot: Spot) -> Cell:
    here, following = spot.here, _next(spot)
    path = f"/releases/{here.release}"
    if here.candidate:
        return Cell(spot, _trying(spot), f"/rollouts/{here.rollout}", _others(spot), following)
    if spot.ended:
        known = words.state(spot.ended.outcome)
        said = f"{spot.ended.release} {known.word.lower()}"
        return Cell(spot, Shown(known.state, known.icon, said), path, "", following)
    if not here.release:
        return Cell(spot, Shown("none", "none", "Nothing yet"), "", "", following)
    return Cell(spot, Shown("pass", "pass", "Released"), path, "", following)


def _trying(spot: Spot) -> Shown:
    here = spot.here
    if here.phase in {"held", "paused"}:
        known = words.state(here.phase)
        return Shown(known.state, known.icon, f"{known.word} at {words.percent(here.share)}")
    if spot.verdict == "FAIL":
        return Shown("fail", "rollback", "Going back")
    return Shown("run", "run", f"Rolling out, {words.percent(here.share)}")


def _others(spot: Spot) -> str:
    """Who serves the rest."""
    here = spot.here
    if not here.release:
        return "the first release here"
    return f"{here.release} serves the other {words.percent(1 - here.share)}"


def _next(spot: Spot) -> tuple[Next, ...]:
    """What waits at the door, and why the last one went back."""
    here = spot.here
    if here.candidate:
        path = f"/rollouts/{here.rollout}"
        state = "wait" if here.because else "run"
        text = spot.moving.removeprefix(f"{here.environment}: ") or here.because
        return (Next(state, state, text, path),) if text else ()
    found = [
        Next("wait", "wait", _waits(waiting), f"/deliveries/{waiting.delivery}")
        for waiting in spot.waits
    ]
    if spot.ended:
        known = "was rolled back" if spot.ended.outcome == "rolled_back" else spot.ended.outcome
        why = f"{spot.ended.release} {known}: {words.plainly(spot.ended.because)}"
        found.append(Next("fail", "fail", why, f"/rollouts/{spot.ended.rollout}"))
    return tuple(found)


def _waits(waiting: Open) -> str:
    name = waiting.release or words.short(waiting.commit)
    return f"{name} {waiting.because or 'waits'}"


def _way_back(ask: Ask, name: str, spot: Spot) -> Question:
    """Back to the last known good release, by a person."""
    where, here = spot.here.environment, spot.here
    refused = ""
    if not may(ask.who, "release.rollback", name, where):
        refused = "This needs the role operator there."
    elif here.candidate:
        refused = f"{here.candidate} is on its way: abort its rollout."
    elif not here.release:
        refused = "Nothing runs there yet."
    return Question(
        id=f"b-{where}",
        word="Roll back",
        icon="rollback",
        heading=f"Go back from {here.release} in {where}?",
        says=f"{where} goes back to the newest earlier release that was released there and is not "
        f"refused. {here.release} may come again later.",
        sure="Roll back",
        keep=f"Keep {here.release}",
        action=f"/services/{name}/{where}/rollback",
        back=f"/services/{name}",
        danger=True,
        refused=refused,
    )


@page("/services/{name}/{environment}/rollback", "release.rollback")
def ask_rollback(ask: Ask) -> Response:
    """Whether to go back."""
    return ask.confirm(_way_back(ask, ask.path["name"], _spot(ask)))


@form("/services/{name}/{environment}/rollback", "release.rollback")
def rollback(ask: Ask) -> Response:
    """Back to the last known good release."""
    name, where = ask.path["name"], ask.path["environment"]
    must(ask.who, "release.rollback", name, where)
    _spot(ask)
    word = Word("abort", ask.who.id, ask.reason(), where)
    with ask.headway.tx() as tx:
        id = commands.go_back(tx, ask.headway.outbox, name, word)
    return to(f"/deliveries/{id}")


def _spot(ask: Ask) -> Spot:
    name, where = ask.path["name"], ask.path["environment"]
    see(ask.who, name)
    with ask.headway.reading() as connection:
        found = view.read(connection, services(ask.who), name)
    spots = next((r.spots for r in found.rows if r.service == name), {})
    if where not in spots:
        raise Missing(f"{name} has no environment `{where}`", code="unknown-name")
    return spots[where]
