"""Runs of workflows: started, followed, cancelled, run again."""

import hashlib
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request

from headway.access.principal import Principal, services
from headway.api.guard import Reader, must, needs, see
from headway.api.problems import Missing
from headway.api.v1.common import REPOSITORY, WRITES, headway, noun
from headway.api.v1.paging import Page, Spanned
from headway.api.v1.route import unchanged
from headway.api.v1.writing import Body, IfMatch, Key, Reason, Write
from headway.flows import pipeline, run_cancel, run_list
from headway.flows.run_cancel import Wish
from headway.flows.run_list import Listed, service_of
from headway.flows.trigger_dispatch import Dispatch, dispatched
from headway.model.errors import HeadwayError, Invalid, Refused
from headway.pipeline.run.state import RunState
from headway.pipeline.run.view import JobView, RunView, view
from headway.store.views.moments import at
from headway.wiring import Headway

router = noun("runs")
_again = threading.Lock()


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. `state`: the outcome, or `running`, `waiting`, `interrupted`; `outcome` is empty
    until it has ended. `jobs`: how many by outcome.
    """

    run: str
    service: str
    workflow: str
    title: str
    event: str
    repository: str
    commit: str
    ref: str
    actor: str
    number: int
    attempt: int
    of: str
    state: str
    outcome: str
    because: str
    created_at: datetime
    seconds: float | None
    jobs: dict[str, int]


@dataclass(frozen=True, slots=True)
class RunShown:
    """A run with its jobs. `held`: instances that wait for a person, and each one's environment.
    `warned`: what whoever started it was told.
    """

    run: RunRow
    jobs: tuple[JobView, ...]
    held: dict[str, str]
    substitutes: tuple[str, ...]
    warned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunTold:
    """`run`: the one that was told, or for `rerun` the new one."""

    run: str
    command: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """It exists and waits for its place."""

    run: str
    number: int


class RunWish(Body):
    """Start a workflow that listens for `workflow_dispatch`, at a branch, tag or commit."""

    repository: Annotated[str, Field(pattern=REPOSITORY)]
    workflow: Annotated[str, Field(min_length=1, max_length=200)]
    revision: Annotated[str, Field(min_length=1, max_length=250)] = "main"
    inputs: Annotated[dict[str, str], Field(max_length=25, default_factory=dict)]


class RunCommand(Body):
    """`cancel` (cleanup steps still run), or `rerun`: its next attempt; `failed_only`: what was
    red, and what depends on it.
    """

    command: Literal["cancel", "rerun"]
    reason: Reason
    failed_only: bool = False


@router.get("/runs")
def list_runs(  # noqa: PLR0913  one parameter for each field
    request: Request,
    who: Reader,
    span: Spanned,
    service: str = "",
    workflow: str = "",
    state: str = "",
    commit: str = "",
) -> Page[RunRow]:
    """Newest first."""
    allowed = services(who)

    def wanted(one: Listed) -> bool:
        spec, mine = one.run.spec, service_of(one.run.spec)
        made = one.run.created_at
        return (
            (allowed is None or mine in allowed)
            and service in {"", mine}
            and workflow in spec.workflow
            and state in {"", one.stands}
            and commit in {"", spec.sha}
            and (span.since is None or made >= span.since)
            and (span.until is None or made < span.until)
        )

    home = headway(request).home
    found = run_list.listed(home, wanted, span.after, span.limit)
    rows = tuple(_row(view(one.run, one.stands), one.run) for one in found.runs)
    return Page(rows, span.seal(found.next) if found.next else None)


@router.get("/runs/{run}")
def show_run(request: Request, who: Reader, run: str) -> RunShown:
    """Jobs, steps, why not, outputs, uploads."""
    return _shown(headway(request), seen(headway(request), who, run))


@router.get("/runs/{run}/jobs")
def list_run_jobs(request: Request, who: Reader, span: Spanned, run: str) -> Page[JobView]:
    """Its jobs in the order in which they became known."""
    found = view(seen(headway(request), who, run)).jobs
    names = [j.key for j in found]
    start = names.index(span.after) + 1 if span.after in names else 0
    return span.page(found[start : start + span.reach], lambda j: j.key)


@router.post("/runs", status_code=202, responses=WRITES)
def start_run(
    request: Request, who: Annotated[Principal, needs("run.start")], body: RunWish, key: Key
) -> RunStarted:
    """Start a workflow of a repository that this server hosts."""
    must(who, "run.start", body.repository)
    known = headway(request)
    folder = known.hosting.path(body.repository)
    if not folder.is_dir():
        raise Invalid("no such repository is hosted here", code="unknown-repository")
    named = hashlib.sha256(f"{who.id}\n{key}".encode()).hexdigest()[:32]

    def do(reserved: str) -> RunStarted:
        wish = Dispatch(
            repo=str(folder),
            revision=body.revision,
            workflow=body.workflow,
            by=who.id,
            id=f"api {named}",
            at=float(reserved),
            inputs=body.inputs,
        )
        spec = known.start(dispatched(known.world, wish)).spec
        return RunStarted(spec.id, spec.number)

    return Write(request, who, key, body).reserved(repr, do)


@router.post("/runs/{run}/commands", status_code=202, responses=WRITES)
def command_run(  # noqa: PLR0913  headers are parameters
    request: Request,
    who: Annotated[Principal, needs("run.cancel")],
    run: str,
    body: RunCommand,
    key: Key,
    if_match: IfMatch = "",
) -> RunTold:
    """Cancel it, or run it again."""
    known = headway(request)
    found = seen(known, who, run)
    permission = "run.cancel" if body.command == "cancel" else "run.start"
    must(who, permission, service_of(found.spec))

    def do(next_attempt: str) -> RunTold:
        told = found.spec.id
        if if_match:
            unchanged(request, _shown(known, found))
        if body.command == "rerun":
            told = _rerun(known, found, next_attempt, failed_only=body.failed_only)
        elif found.phase != "running":
            raise Refused(f"run {told} has ended: {found.phase}", code="has-ended")
        else:
            run_cancel.cancel(known.tx, known.home, found.spec, Wish(who.id, body.reason))
        return RunTold(told, body.command, who.id, body.reason)

    return Write(request, who, key, body).reserved(lambda _now: _next(known, found), do)


def _rerun(known: Headway, found: RunState, expected: str, *, failed_only: bool) -> str:
    """The next attempt; made already, it is that."""
    with _again:
        try:
            return pipeline.show(known.home, expected).spec.id
        except HeadwayError:
            return known.again(found.spec.id, failed_only=failed_only).spec.id


def _next(known: Headway, found: RunState) -> str:
    """The first attempt that there is not."""
    spec = found.spec
    base = spec.id.removesuffix(f".{spec.attempt}") if spec.attempt > 1 else spec.id
    attempt = spec.attempt + 1
    while attempt <= pipeline.MOST_ATTEMPTS:
        try:
            pipeline.show(known.home, f"{base}.{attempt}")
        except HeadwayError:
            break
        attempt += 1
    return f"{base}.{attempt}"


def seen(known: Headway, who: Principal, run: str) -> RunState:
    """The run. Raises Missing for one that is not there or may not be seen."""
    try:
        found = pipeline.show(known.home, run)
    except Invalid as error:
        raise Missing("there is none by that name", code="unknown-name") from error
    see(who, service_of(found.spec))
    return found


def _shown(known: Headway, found: RunState) -> RunShown:
    told = view(found, pipeline.stands(known.home, found, time.time()))
    return RunShown(_row(told, found), told.jobs, told.held, told.substitutes, told.warned)


def _row(told: RunView, found: RunState) -> RunRow:
    return RunRow(
        run=told.run,
        service=service_of(found.spec),
        workflow=told.workflow,
        title=told.title,
        event=told.event,
        repository=told.repo.rstrip("/").rpartition("/")[2].removesuffix(".git"),
        commit=told.sha,
        ref=told.ref,
        actor=told.actor,
        number=found.spec.number,
        attempt=told.attempt,
        of=told.of,
        state=told.state,
        outcome=told.outcome,
        because=told.because,
        created_at=at(told.created_at),
        seconds=told.seconds,
        jobs=told.counts,
    )
