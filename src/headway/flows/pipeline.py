"""A pipeline run from its creation to its end, durable, without the engine's tables.

The run's log is a file in its own folder; a run goes on from there after any crash. Called by
flows/build (a delivery), the command line (`headway run`) and workers. Imports no database, so that
`headway run` starts fast.
"""

from dataclasses import replace
from pathlib import Path

from headway.document import invalid
from headway.expression import ExpressionError
from headway.flows.pipeline_bench import Bench
from headway.flows.pipeline_book import Book
from headway.flows.pipeline_drive import Drive
from headway.flows.pipeline_texts import complete
from headway.model.errors import Drifted, Invalid, Problem, Refused
from headway.model.job import JobReport
from headway.pipeline.run import again, inputs, state
from headway.pipeline.run.program import Program, load
from headway.pipeline.run.schedule import Schedule
from headway.pipeline.run.state import Cancelled, Created, Ended, RunSpec, RunState, after, fold
from headway.pipeline.syntax.ir import Text
from headway.ports.run_watch import RunWatch
from headway.store import run_log, run_ticket
from headway.store.run_log import Request

__all__ = ["Bench", "cancel", "create", "rerun", "resumable", "run", "show", "stands"]

MOST_ATTEMPTS = 50
"""How often a run is repeated at most; GitHub's limit too."""
BEGIN_SECONDS = 10.0
"""Within this time after its creation a run that nobody drives yet is about to begin."""
INTERRUPTED = "interrupted"
GONE = "the process that drove it ended before it did"


def create(bench: Bench, spec: RunSpec, *, sync: bool = True) -> RunState:
    """Write down that the run exists. The same id again gives what is there. `sync`: it is on disk
    when this returns; not needed where `run` follows at once.

    Called workflows of other repositories are fetched and pinned. Raises Invalid for a workflow
    that cannot be read or planned, with every place.
    """
    whole = complete(spec, bench.actions, lambda _path: None)
    program = load(whole)
    warned = inputs.deprecated(whole, program.root.workflow)
    event = Created(whole, bench.clock.now(), _checked(program), warned=warned)
    if run_log.create(bench.home, [event], sync=sync):
        return state.created(event)
    return show(bench.home, event.spec.id)


def run(bench: Bench, id: str, watch: RunWatch, *, park: bool = False) -> RunState:
    """Go on with the run until it has ended, and give its end. With `park` it also comes back,
    still `running`, when nothing can happen before somebody decides (`pipeline_gates.decide`); one
    of the server then waits without a process until it `stirs` (flows/pipeline_park).

    Raises Invalid (`unknown-run`), Drifted (`run-running`: another process runs it), Failed
    (`damaged`, `storage-full`).
    """
    with run_log.drive(bench.home, id) as log:
        found = fold(log.events)
        if found.phase != "running":
            return found
        book = Book(bench, log, Schedule(load(found.spec)), found, watch)
        return Drive(book).go(park=park)


def show(home: Path, id: str) -> RunState:
    """Where the run stands now, from any process. Raises as run_log.read."""
    return fold(run_log.read(home, id))


def stands(home: Path, found: RunState, now: float) -> str:
    """How the run stands: how it ended, `running`, `waiting` (the server will begin it, or go on
    with it when what it waits for comes), or `interrupted`: the process that drove it is gone,
    nothing of it runs.
    """
    if found.phase != "running":
        return found.phase
    if run_log.driven(home, found.spec.id):
        return "running"
    if run_ticket.waits(home, found.spec.id):
        return "waiting"
    if not found.planned and (found.spec.served or now - found.created_at < BEGIN_SECONDS):
        return "waiting" if found.spec.served else "running"
    return INTERRUPTED


def resumable(home: Path, id: str) -> RunState:
    """The run, if a person may go on with it. Raises Invalid (`unknown-run`, `has-ended`), Drifted
    (`run-running`), Refused (`served`: the server goes on with it by itself).
    """
    found = show(home, id)
    if found.phase != "running":
        raise Invalid(
            f"run {id} has ended: {found.phase}",
            why="only a run that was interrupted can go on",
            next=f"headway pipeline rerun {id}",
            code="has-ended",
        )
    if run_log.driven(home, id):
        raise Drifted(
            f"another process runs {id} already",
            next=f"headway pipeline logs {id} --follow",
            code="run-running",
        )
    if found.spec.served:
        raise Refused(
            f"run {id} belongs to the server",
            why="the server goes on with it by itself as soon as it runs",
            next="headway server",
            code="served",
        )
    return found


def cancel(home: Path, id: str, by: str, because: str, *, forced: bool = False) -> None:
    """Stop a run from any process; the one that runs it sees it within 0.2 s.

    Jobs whose condition still holds (`always()`) go on, unless it is `forced`. A run that nobody
    drives ends here: what had begun is cancelled, the rest skipped; but one that waits for the
    server to go on ends there, as it would have with a process, unless it is `forced`. One that has
    ended stays as it is. Raises Invalid (`unknown-run`).
    """
    run_log.ask(home, id, Request(by, because, "", forced))
    if run_ticket.waits(home, id) and not forced:
        return
    try:
        log = run_log.drive(home, id)
    except Drifted:
        return
    with log:
        run_ticket.take(home, id)
        _end_here(log, Cancelled(by, because, _last(log), "", forced=True))


def rerun(
    bench: Bench,
    id: str,
    *,
    failed_only: bool = False,
    jobs: tuple[str, ...] = (),
    served: bool = False,
) -> RunState:
    """A new run of the same, as its next attempt; `run` runs it (`served`: the server does). Its id
    is in `spec.id`.

    With `failed_only`, or with `jobs` (ids), green reports are taken over, except of the chosen
    jobs and of what depends on a job that runs again. Otherwise everything is run, whatever results
    there are. Raises Invalid (`unknown-run`, `unknown-job`, `nothing-failed`,
    `too-many-attempts`), Drifted (`run-running`: it has not ended). One that was interrupted is
    ended first.
    """
    old = _over(bench, id)
    schedule = Schedule(load(old.spec))
    _check_choice(old, schedule, jobs, failed_only=failed_only)
    stale = _stale(old, schedule, bench.clock.now())
    kept = again.standing(schedule, old, (*jobs, *stale)) if failed_only or jobs else ()
    base = old.spec.id.removesuffix(f".{old.spec.attempt}") if old.spec.attempt > 1 else old.spec.id
    for attempt in range(old.spec.attempt + 1, MOST_ATTEMPTS + 1):
        spec = replace(
            old.spec,
            id=f"{base}.{attempt}",
            attempt=attempt,
            of=id,
            fresh=not (failed_only or jobs),
            served=served,
        )
        event = Created(spec, bench.clock.now(), old.title, kept, old.warned)
        if run_log.create(bench.home, [event]):
            return state.created(event)
    raise Invalid(
        f"run {base} was repeated {MOST_ATTEMPTS} times already", code="too-many-attempts"
    )


def _stale(old: RunState, schedule: Schedule, now: float) -> tuple[str, ...]:
    """The ids of jobs that were green by a waiver that has ended since."""
    ended = old.ended.items()
    return tuple(
        schedule.job_of(old, key) for key, r in ended if r.checks and not r.checks.stand(now)
    )


def _over(bench: Bench, id: str) -> RunState:
    """The ended run; one that nobody drives is ended here. Raises Drifted (`run-running`)."""
    found = show(bench.home, id)
    if stands(bench.home, found, bench.clock.now()) == INTERRUPTED and not found.spec.served:
        with run_log.drive(bench.home, id) as log:
            _end_here(log, Cancelled("", GONE, _last(log), "", forced=True))
        found = show(bench.home, id)
    if found.phase == "running":
        raise Drifted(
            f"run {id} has not ended", next=f"headway pipeline cancel {id}", code="run-running"
        )
    return found


def _checked(program: Program) -> str:
    """The run's name, what is evaluated before any job checked. Raises Invalid."""
    schedule = Schedule(program)
    workflow = program.root.workflow
    group = workflow.concurrency.group if workflow.concurrency else None
    try:
        title = schedule.title()
    except ExpressionError as error:
        raise _at(program, workflow.run_name, error) from error
    try:
        schedule.own_group()
    except ExpressionError as error:
        raise _at(program, group, error) from error
    return title


def _at(program: Program, text: Text | None, error: ExpressionError) -> Invalid:
    workflow = program.root.workflow
    mark = text.at if text else workflow.at
    return invalid([Problem(workflow.file, mark.line, mark.column, str(error), "expression")])


def _check_choice(
    old: RunState, schedule: Schedule, jobs: tuple[str, ...], *, failed_only: bool
) -> None:
    known = schedule.units(old)
    for id in jobs:
        if id not in known:
            raise Invalid(
                f"run {old.spec.id} has no job {id!r}",
                why=f"its jobs: {', '.join(known)}",
                code="unknown-job",
            )
    if failed_only and not any(r.outcome in {"failure", "cancelled"} for r in old.ended.values()):
        raise Invalid(
            f"nothing failed in run {old.spec.id}",
            next=f"headway pipeline rerun {old.spec.id}",
            code="nothing-failed",
        )


def _last(log: run_log.RunLog) -> float:
    """When the last event was: nothing has happened in a run that nobody drives since then."""
    return max(event.at for event in log.events)


def _end_here(log: run_log.RunLog, event: Cancelled) -> None:
    """The end of a run whose process is gone. What it had started died with it."""
    found = fold(log.events)
    if found.phase != "running":
        return
    schedule = Schedule(load(found.spec))
    events: list[state.Event] = [event]
    found = after(found, event)
    for key in found.running:
        report = JobReport(key, "cancelled", event.at, event.at, because=found.cancelled)
        events.append(Ended(schedule.job_of(found, key), report, event.at))
        found = after(found, events[-1])
    more, _ = schedule.settle(found, event.at)
    log.append([*events, *more])
