"""The inbox: what waits for a person, with what speaks for and against it, and the decision."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from headway.access.principal import may, services
from headway.adapters.system.bell import RUNS, ring
from headway.api.guard import must
from headway.flows import inbox, pipeline, pipeline_gates
from headway.flows.commands import Word
from headway.flows.run_list import service_of
from headway.model.delivery import Verb
from headway.model.errors import HeadwayError, Invalid
from headway.pipeline.run.state import Decided, RunState
from headway.store import access, log, parked
from headway.store.views import approvals as view
from headway.store.views import gate_times
from headway.store.views.approvals import Pending, concerns
from headway.web.page import Ask, form, page, to
from headway.web.question import Question

PERMISSIONS = {
    "approval": "approval.decide",
    "start": "delivery.start",
    "step": "rollout.command",
    "hold": "rollout.command",
}
_YES = {"approval": "Approve", "start": "Start", "step": "Approve the step", "hold": "Go on"}
_NO = {"approval": "Reject", "step": "Go back", "hold": "Go back"}


@dataclass(frozen=True, slots=True)
class Item:
    """One pending decision with its questions; `mine`: it waits for this very person."""

    pending: Pending
    mine: bool
    yes: Question
    no: Question | None


@dataclass(frozen=True, slots=True)
class Held:
    """A job of a pipeline run that waits for an approval of its environment."""

    run: RunState
    service: str
    environment: str
    jobs: tuple[str, ...]
    yes: Question
    no: Question


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
        known = {row.run: log.service_of(connection, row.run) for row in rows}
    items = [_item(ask, one) for one in waiting]
    held = [h for row in rows for h in _held(ask, row.run, allowed)]
    mine = [run for run, service in known.items() if allowed is None or service in allowed]
    damaged = [d for run in mine if (d := _damaged(ask, run, known[run]))]
    told = {"items": items, "held": held, "damaged": damaged, "settled": done, "times": times}
    return ask.show("approvals.html", live="all", **told)


@page("/approvals/decide")
def ask_decide(ask: Ask) -> Response:
    """The question, without scripts."""
    one = _item(ask, _pending(ask))
    yes = ask.query.get("verdict") == "approve"
    question = one.yes if yes or one.no is None else one.no
    return ask.confirm(question)


@form("/approvals/decide", "service.read")
def decide(ask: Ask) -> Response:
    """The decision on a release or a rollout."""
    one = _pending(ask)
    must(ask.who, PERMISSIONS[one.kind], one.service, one.environment)
    verb: Verb = "approve" if _verdict(ask) else "reject"
    with ask.headway.tx() as tx:
        inbox.decide(tx, ask.headway.outbox, one, Word(verb, ask.who.id, ask.reason()))
    return to("/approvals")


@page("/approvals/run")
def ask_run(ask: Ask) -> Response:
    """The question about a job of a pipeline run, without scripts."""
    run, environment = ask.query.get("run", ""), ask.query.get("environment", "")
    found = next((h for h in _held(ask, run, None) if h.environment == environment), None)
    if found is None:
        raise Invalid("nothing of this run waits there now", code="nothing-waits")
    return ask.confirm(found.yes if ask.query.get("verdict") == "approve" else found.no)


@form("/approvals/run", "approval.decide")
def decide_run(ask: Ask) -> Response:
    """The decision on a job of a pipeline run."""
    run, environment = ask.query.get("run", ""), ask.query.get("environment", "")
    service = service_of(pipeline.show(ask.headway.home, run).spec)
    must(ask.who, "approval.decide", service, environment)
    word = Decided(environment, ask.who.id, _verdict(ask), ask.reason(), time.time())
    with ask.headway.reading() as connection:
        email = access.known(connection, ask.who.id).email
    pipeline_gates.decide(ask.headway.home, run, word, email)
    ring(ask.headway.home, RUNS)
    return to("/approvals")


def _item(ask: Ask, one: Pending) -> Item:
    lacks = _lacks(ask, PERMISSIONS[one.kind], one.service, one.environment)
    yes = Question(
        id=f"yes-{one.id.replace('/', '-')}",
        word=_YES[one.kind],
        icon="pass",
        heading=_heading(_YES[one.kind], one),
        says=_says(one),
        sure=f"{_YES[one.kind]} {one.release}",
        keep="Not now",
        action="/approvals/decide?" + urlencode({"id": one.id, "verdict": "approve"}),
        back="/approvals",
        reason="What did you check? Kept in the audit trail",
        refused=lacks,
    )
    mine = not lacks and concerns(one, ask.who.id, ask.who.teams)
    return Item(one, mine, yes, _no(one, lacks))


def _heading(word: str, one: Pending) -> str:
    if one.kind in {"approval", "start"}:
        return f"{word} {one.release} for {one.environment}?"
    return f"{word}: {one.release} in {one.environment}?"


def _says(one: Pending) -> str:
    if one.kind == "approval":
        left = one.needed - sum(g.approved for g in one.given)
        after = f"After yours, {left - 1} more {'is' if left == 2 else 'are'} needed."
        if left <= 1:
            after = f"With it, {one.release} goes in as soon as its other gates pass."
        return f"Your approval counts for this very digest. {after}"
    if one.kind == "start":
        return "The release enters the environment as soon as its gates pass."
    return f"{one.because}. With your word the rollout goes on; the judge stays armed."


def _no(one: Pending, lacks: str) -> Question | None:
    """Nobody asked for a start, so that there is nothing to reject."""
    if one.kind == "start":
        return None
    rejected = one.kind == "approval"
    return Question(
        id=f"no-{one.id.replace('/', '-')}",
        word=_NO[one.kind],
        icon="fail" if rejected else "rollback",
        heading=_heading(_NO[one.kind], one),
        says="Its delivery ends here as refused. Nothing changes for users."
        if rejected
        else "Users return to the last known good release now.",
        sure=f"{_NO[one.kind]}: {one.release}",
        keep="Not now",
        action="/approvals/decide?" + urlencode({"id": one.id, "verdict": "reject"}),
        back="/approvals",
        danger=True,
        refused=lacks,
    )


def _damaged(ask: Ask, run: str, service: str) -> Damaged | None:
    try:
        pipeline.show(ask.headway.home, run)
    except HeadwayError as error:
        return Damaged(run, service, str(error))
    return None


def _held(ask: Ask, run: str, allowed: frozenset[str] | None) -> Iterator[Held]:
    """What of the run waits for somebody; nothing of one that cannot be read."""
    try:
        state = pipeline.show(ask.headway.home, run)
    except HeadwayError:
        return
    service = service_of(state.spec)
    if allowed is not None and service not in allowed:
        return
    for environment in dict.fromkeys(state.held.values()):
        jobs = tuple(k for k, e in state.held.items() if e == environment)
        yes, no = (_run_question(ask, state, environment, v) for v in ("approve", "reject"))
        yield Held(state, service, environment, jobs, yes, no)


def _run_question(ask: Ask, state: RunState, environment: str, verdict: str) -> Question:
    good, run = verdict == "approve", state.spec.id
    asked = {"run": run, "environment": environment, "verdict": verdict}
    return Question(
        id=f"{verdict}-{run}-{environment}".replace(".", "-"),
        word="Approve" if good else "Reject",
        icon="pass" if good else "fail",
        heading=f"{'Approve' if good else 'Reject'} {environment} for this run?",
        says="Its jobs for this environment begin." if good else "Its jobs there end red.",
        sure="Approve" if good else "Reject",
        keep="Not now",
        action="/approvals/run?" + urlencode(asked),
        back="/approvals",
        danger=not good,
        refused=_lacks(ask, "approval.decide", service_of(state.spec), environment),
    )


def _lacks(ask: Ask, permission: str, service: str, environment: str) -> str:
    if may(ask.who, permission, service, environment):
        return ""
    return f"This needs {permission} in {service}/{environment}"


def _pending(ask: Ask) -> Pending:
    """What the address names. Raises Invalid (`unknown-approval`), Missing."""
    with ask.headway.reading() as connection:
        one = view.one(connection, ask.query.get("id", ""), time.time())
    must(ask.who, "service.read", one.service)
    return one


def _verdict(ask: Ask) -> bool:
    given = ask.query.get("verdict", "")
    if given not in {"approve", "reject"}:
        raise Invalid("a decision is approve or reject", code="query")
    return given == "approve"
