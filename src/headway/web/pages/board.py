"""The board: what runs where, since when, by whom, and what comes next. And one service of it."""

import time
from dataclasses import dataclass

from starlette.responses import Response

from headway.access.principal import services
from headway.api.guard import see
from headway.api.problems import Missing
from headway.store.views import approvals, lists, paging
from headway.store.views import board as view
from headway.store.views.board import Spot
from headway.store.views.paging import Filter
from headway.web import words
from headway.web.page import Ask, page
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
    next: Next | None


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
    )


def _cells(found: view.Board) -> dict[tuple[str, str], Cell]:
    return {
        (row.service, name): _cell(spot) for row in found.rows for name, spot in row.spots.items()
    }


def _cell(spot: Spot) -> Cell:
    here = spot.here
    path = f"/releases/{here.release}"
    if here.candidate:
        return Cell(spot, _trying(spot), f"/rollouts/{here.rollout}", _others(spot), _next(spot))
    if spot.ended:
        known = words.state(spot.ended.outcome)
        said = f"{spot.ended.release} {known.word.lower()}"
        return Cell(spot, Shown(known.state, known.icon, said), path, "", _next(spot))
    if not here.release:
        return Cell(spot, Shown("none", "none", "Nothing yet"), "", "", _next(spot))
    return Cell(spot, Shown("pass", "pass", "Released"), path, "", _next(spot))


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


def _next(spot: Spot) -> Next | None:
    here = spot.here
    if here.candidate:
        path = f"/rollouts/{here.rollout}"
        if here.because:
            return Next("wait", "wait", here.because, path)
        said = {"PASS": "passes so far", "WAIT": "not enough data yet", "FAIL": "failed"}
        verdict = said.get(spot.verdict, "no verdict yet")
        return Next("run", "run", f"The judge: {verdict}", path)
    for waiting in spot.waits:
        text = f"{waiting.release or words.short(waiting.commit)} waits: {waiting.because}"
        return Next("wait", "wait", text, f"/deliveries/{waiting.delivery}")
    if spot.ended:
        return Next("fail", "fail", spot.ended.because, f"/rollouts/{spot.ended.rollout}")
    return None
