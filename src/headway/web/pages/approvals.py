"""The inbox: what waits for a person, with what speaks for and against it, and the decision."""

import time
from dataclasses import dataclass

from starlette.responses import Response

from headway.access.principal import services
from headway.adapters.system.bell import RUNS, ring
from headway.api.guard import must, see
from headway.flows import inbox, pipeline, pipeline_gates, run_inbox
from headway.flows.commands import Word
from headway.flows.run_list import service_of
from headway.model.delivery import Verb
from headway.model.errors import HeadwayError, Invalid
from headway.pipeline.run.state import Decided, RunState
from headway.store import log, parked
from headway.store.views import approvals as view
from headway.store.views import gate_times
from headway.store.views.approvals import Pending
from headway.web import deciding
from headway.web.page import Ask, form, page, to


@dataclass(frozen=True, slots=True)
class Damaged:
    """A run that waits and cannot be read; `why` says what is wrong with its log."""

    run: str
    service: str
    why: str


@page("/approvals")
def approvals(ask: Ask) -> Response:
    """Everything that waits, and what was decided lately."""
    allowed = services(ask.who)
    with ask.headway.reading() as connection:
        waiting = view.read(connection, time.time(), allowed)
        done = view.settled(connection, allowed)
        rows = parked.every(connection)
        times = gate_times.read(connection, allowed)
        services_of = {row.run: log.service_of(connection, row.run) for row in rows}
        jobs = run_inbox.waiting(connection, ask.headway.home, time.time(), allowed)
    known = deciding.person(ask)
    items, held = ([deciding.item(ask, one, known) for one in w] for w in (waiting, jobs))
    mine = [run for run, service in services_of.items() if allowed is None or service in allowed]
    damaged = [d for run in mine if (d := _damaged(ask, run, services_of[run]))]
    told = {"items": items, "held": held, "damaged": damaged, "settled": done, "times": times}
    return ask.show("approvals.html", live="all", **told)


@page("/approvals/decide")
def ask_decide(ask: Ask) -> Response:
    """The question, without scripts."""
    one = deciding.item(ask, _pending(ask), deciding.person(ask))
    yes = ask.query.get("verdict") == "approve"
    return ask.confirm(one.yes if yes or one.no is None else one.no)


@form("/approvals/decide", "service.read")
def decide(ask: Ask) -> Response:
    """The decision on a release or a rollout."""
    one = _pending(ask)
    must(ask.who, deciding.PERMISSIONS[one.kind], one.service, one.environment)
    verb: Verb = "approve" if _verdict(ask) else "reject"
    with ask.headway.tx() as tx:
        inbox.decide(tx, ask.headway.outbox, one, Word(verb, ask.who.id, ask.reason()))
    return to("/approvals")


@page("/approvals/run")
def ask_run(ask: Ask) -> Response:
    """The question about a job of a pipeline run, without scripts."""
    run, environment = _run(ask)
    one = next((p for p in run_inbox.of_run(ask.headway.home, run.spec.id, time.time())
                if p.environment.casefold() == environment.casefold()), None)  # fmt: skip
    if one is None:
        raise pipeline_gates.gone(run, environment)
    found = deciding.item(ask, one, deciding.person(ask), ask.query.get("from", ""))
    asked = found.yes if found.no is None or ask.query.get("verdict") == "approve" else found.no
    return ask.confirm(asked)


@form("/approvals/run", "approval.decide")
def decide_run(ask: Ask) -> Response:
    """The decision on a job of a pipeline run; back to the page that asked."""
    run, environment = _run(ask)
    must(ask.who, "approval.decide", service_of(run.spec), environment)
    word = Decided(environment, ask.who.id, _verdict(ask), ask.reason(), time.time())
    run_inbox.told(ask.headway.tx, ask.headway.home, run.spec.id, word, deciding.person(ask))
    ring(ask.headway.home, RUNS)
    return to(f"/runs/{run.spec.id}" if ask.query.get("from") == "run" else "/approvals")


def _run(ask: Ask) -> tuple[RunState, str]:
    """The run and the environment that the address names. Raises Missing, Invalid."""
    found = pipeline.show(ask.headway.home, ask.query.get("run", ""))
    see(ask.who, service_of(found.spec))
    return found, ask.query.get("environment", "")


def _damaged(ask: Ask, run: str, service: str) -> Damaged | None:
    try:
        pipeline.show(ask.headway.home, run)
    except HeadwayError as error:
        return Damaged(run, service, str(error))
    return None


def _pending(ask: Ask) -> Pending:
    """What the address names. Raises Invalid (`unknown-approval`), Missing, Refused (`decided`,
    `done`).
    """
    id = ask.query.get("id", "")
    with ask.headway.reading() as connection:
        try:
            one = view.one(connection, id, time.time())
        except Invalid as error:
            over = view.over(connection, id, services(ask.who))
            raise over or error from error
    must(ask.who, "service.read", one.service)
    return one


def _verdict(ask: Ask) -> bool:
    given = ask.query.get("verdict", "")
    if given not in {"approve", "reject"}:
        raise Invalid("a decision is approve or reject", code="query")
    return given == "approve"
