"""Pipeline runs: the list, one run with its graph, jobs and logs, and what may be done with it."""

import time
from dataclasses import dataclass

from starlette.responses import Response

from headway.access.principal import may, services
from headway.adapters.linux.run_logs import find_planned
from headway.adapters.system.bell import RUNS, ring
from headway.api.guard import must, see
from headway.flows import pipeline, run_cancel, run_inbox, run_list
from headway.flows.run_cancel import Wish
from headway.flows.run_list import Listed, service_of
from headway.pipeline.run.graph import Node, graph
from headway.pipeline.run.kept import kept
from headway.pipeline.run.state import RunSpec, RunState
from headway.pipeline.run.view import JobView, RunView, view
from headway.store.views import lists
from headway.web import deciding, run_log
from headway.web.page import Ask, form, page, to
from headway.web.question import Question
from headway.web.run_log import StepLog

WIDE, HIGH, GAP_X, GAP_Y, EDGE = 170, 46, 36, 24, 5
LEAST_WIDE = 980


@dataclass(frozen=True, slots=True)
class Box:
    """A job in the drawing: where it is, in the drawing's own units."""

    node: Node
    x: int
    y: int
    ways: tuple[str, ...]


@page("/runs")
def listing(ask: Ask) -> Response:
    """Newest first, a page at a time."""
    allowed, wanted = services(ask.who), ask.query.get("state", "")
    service = ask.query.get("service", "")

    def shown(one: Listed) -> bool:
        mine = service_of(one.run.spec)
        seen = allowed is None or mine in allowed
        return seen and service in {"", mine} and wanted in {"", one.stands}

    found = run_list.listed(ask.headway.home, shown, ask.query.get("cursor", ""))
    subjects = _subjects(ask, [one.run.spec.id for one in found.runs])
    rows = [_row(one, subjects) for one in found.runs]
    more = {"state": wanted, "service": service}
    return ask.show("runs.html", rows=rows, next=found.next, broken=found.unreadable, asked=more)


def _row(one: Listed, subjects: dict[str, str]) -> tuple[RunView, str, str]:
    """A run, its title, its service."""
    seen = view(one.run, one.stands)
    return seen, _title(seen, one.run.spec, subjects), service_of(one.run.spec)


def _subjects(ask: Ask, runs: list[str]) -> dict[str, str]:
    """Of the commits of those that are the builds of deliveries: a build has its delivery's id."""
    with ask.headway.reading() as connection:
        return lists.subjects(connection, [id.partition(".")[0] for id in runs])


@page("/runs/{run}")
def show(ask: Ask) -> Response:
    """One run; `job` names the instance whose log is open, `find` what to look for in it."""
    state = _state(ask)
    stands = pipeline.stands(ask.headway.home, state, time.time())
    seen = view(state, stands)
    key, find = _chosen(state, seen, ask.query.get("job", "")), ask.query.get("find", "")[:200]
    steps = run_log.of_job(ask.headway.home, state, key, find) if key else ()
    nodes, subjects = graph(state), _subjects(ask, [seen.run])
    known = deciding.person(ask)
    asks = [
        deciding.item(ask, one, known, "run")
        for one in run_inbox.of_run(ask.headway.home, seen.run, time.time())
    ]
    return ask.show(
        "run.html",
        live="" if seen.outcome else f"subject={seen.run}",
        stop=_question(ask, seen, service_of(state.spec)),
        run=seen,
        name=_title(seen, state.spec, subjects),
        delivery=seen.run.partition(".")[0] if subjects else "",
        service=service_of(state.spec),
        boxes=_boxes(nodes),
        size=_size(nodes),
        nodes=nodes,
        chosen=next((j for j in seen.jobs if j.key == key), None),
        steps=steps,
        find=find,
        failed=_failed(seen),
        fault=_fault(steps),
        files=kept(state),
        asks=asks,
        decided=state.decided[::-1],
    )


def _question(ask: Ask, seen: RunView, service: str) -> Question:
    lacks = "" if may(ask.who, "run.cancel", service) else f"This needs run.cancel in {service}"
    return Question(
        id="cancel",
        word="Cancel",
        icon="stop",
        heading="Cancel this run?",
        says="Jobs that run are ended with everything they started. Steps that must always run"
        " still do.",
        sure="Cancel the run",
        keep="Let it run",
        action=f"/runs/{seen.run}/cancel",
        back=f"/runs/{seen.run}",
        danger=True,
        refused="It has ended" if seen.outcome else lacks,
    )


@page("/runs/{run}/cancel", "run.cancel")
def ask_cancel(ask: Ask) -> Response:
    """The question, without scripts."""
    state = _state(ask, "run.cancel")
    return ask.confirm(_question(ask, view(state), service_of(state.spec)))


@form("/runs/{run}/cancel", "run.cancel")
def cancel(ask: Ask) -> Response:
    """Ask the run to end."""
    state = _state(ask, "run.cancel")
    reason = ask.reason()
    run_cancel.cancel(ask.headway.tx, ask.headway.home, state.spec, Wish(ask.who.id, reason))
    ring(ask.headway.home, RUNS)
    return to(f"/runs/{state.spec.id}")


@form("/runs/{run}/again", "run.start")
def again(ask: Ask) -> Response:
    """Do it another time: `what` is `failed` or `all`."""
    state = _state(ask, "run.start")
    made = ask.headway.again(state.spec.id, failed_only=ask.form.get("what") == "failed")
    return to(f"/runs/{made.spec.id}")


def _state(ask: Ask, permission: str = "") -> RunState:
    """The run that the address names. Raises Missing, Denied, Invalid (`unknown-run`)."""
    state = pipeline.show(ask.headway.home, ask.path["run"])
    service = service_of(state.spec)
    see(ask.who, service)
    if permission:
        must(ask.who, permission, service)
    return state


def _chosen(state: RunState, seen: RunView, given: str) -> str:
    """The instance to open: the one asked for, else the first red, the first at work, the first."""
    if given:
        return find_planned(state, given)
    red = _failed(seen)
    going = next((j for j in seen.jobs if j.outcome == "running" and not j.calls), None)
    first = next((j for j in seen.jobs if not j.calls), None)
    best = red or going or first
    return best.key if best else ""


def _fault(steps: tuple[StepLog, ...]) -> str:
    """Where the open log tells of an error first; else where it begins."""
    told = (
        f"S{s.number + 1}L{n.number}" for s in steps for n in s.lines if n.line.level == "error"
    )
    return next(told, "log")


def _failed(seen: RunView) -> JobView | None:
    """The first instance whose failure counts."""
    bad = (j for j in seen.jobs if j.outcome == "failure" and not j.tolerated and not j.calls)
    return next(bad, None)


def _boxes(nodes: tuple[Node, ...]) -> list[Box]:
    spots = {n.id: _spot(n) for n in nodes}
    return [
        Box(n, *spots[n.id], tuple(_way(spots[b], spots[n.id]) for b in n.needs)) for n in nodes
    ]


def _spot(node: Node) -> tuple[int, int]:
    return EDGE + node.column * (WIDE + GAP_X), EDGE + node.row * (HIGH + GAP_Y)


def _way(begin: tuple[int, int], end: tuple[int, int]) -> str:
    """The path of an edge, from the right side of one job to the left side of another."""
    x1, y1, x2, y2 = begin[0] + WIDE, begin[1] + HIGH // 2, end[0], end[1] + HIGH // 2
    bend = x2 - GAP_X // 2
    return f"M{x1} {y1}H{bend - 8}C{bend} {y1} {bend} {y2} {bend + 8} {y2}H{x2}"


def _size(nodes: tuple[Node, ...]) -> tuple[int, int]:
    columns = 1 + max((n.column for n in nodes), default=0)
    rows = 1 + max((n.row for n in nodes), default=0)
    wide = columns * (WIDE + GAP_X) - GAP_X + 2 * EDGE
    return max(LEAST_WIDE, wide), rows * (HIGH + GAP_Y) - GAP_Y + 2 * EDGE


def _title(seen: RunView, spec: RunSpec, subjects: dict[str, str]) -> str:
    """The run's name, else the commit's subject as its delivery or the push tells it, else the
    workflow's file.
    """
    commit = spec.payload.get("head_commit")
    message = commit.get("message") if isinstance(commit, dict) else None
    first = message.strip().splitlines()[:1] if isinstance(message, str) else []
    told = subjects.get(seen.run.partition(".")[0]) or (first[0] if first else "")
    return seen.title or told[:150] or seen.workflow.rpartition("/")[2]
