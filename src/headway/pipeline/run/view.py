"""What there is to know of a run, as one document: what `--json` prints and what is told in words.

Made from a run's state alone, so that `headway run`, `headway pipeline show` and the server say the
same. Times are Unix seconds as in the log; texts are as they were, not yet harmless.
"""

from dataclasses import field
from typing import Any

from headway.model.job import Annotation, Checks, JobOrder, JobReport, StepReport, Upload
from headway.model.job_settings import Waiver
from headway.pipeline.run.state import RunState
from headway.pipeline.step import address
from headway.record import dataclass

GREEN = frozenset({"success", "skipped"})


@dataclass(frozen=True, slots=True)
class StepView:
    """One step. `line`: where it is written in the workflow file, 0 if it was not written."""

    id: str
    name: str
    outcome: str
    conclusion: str
    exit_code: int | None
    seconds: float
    outputs: dict[str, str]
    lines: int
    digest: str
    log: int
    line: int
    tail: str
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True, slots=True)
class JobView:
    """One instance. `id` is the job in the file; `reused` the run whose result this is.
    `tolerated`: red, but `continue-on-error` lets the run go on. `calls`: it calls a workflow; the
    jobs of that are there beside it. `tries`: which try of the job it is; `checks`: what its
    reports said; `url`: where what it deployed can be seen.
    """

    key: str
    id: str
    name: str
    outcome: str
    because: str
    attempt: int
    seconds: float | None
    reused: str
    tolerated: bool
    calls: bool
    outputs: dict[str, str]
    uploads: tuple[Upload, ...]
    summary: str
    steps: tuple[StepView, ...]
    tries: int = 1
    checks: Checks | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class RunView:
    """One run. `state`: the outcome, or `running`, `waiting`, `interrupted`; `outcome` is empty
    until it has ended. `folder`: the working tree that it ran on, of which `changed` files differed
    from the commit. `counts`: jobs by outcome, without those that only call a workflow.
    `substitutes`: what stood in for what. `held`: instances that wait for a person, and the
    environment of each. `idle_waivers`: those that match nothing that any scan of the run found.
    `warned`: what whoever started it was told.
    """

    run: str
    state: str
    title: str
    workflow: str
    event: str
    repo: str
    sha: str
    ref: str
    folder: str
    actor: str
    attempt: int
    of: str
    outcome: str
    because: str
    created_at: float
    seconds: float | None
    jobs: tuple[JobView, ...]
    changed: int = 0
    served: bool = False
    only: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    substitutes: tuple[str, ...] = ()
    held: dict[str, str] = field(default_factory=dict)
    idle_waivers: tuple[Waiver, ...] = ()
    warned: tuple[str, ...] = ()


def view(state: RunState, stands: str = "") -> RunView:
    """The whole run. `stands`: how it stands, from flows/pipeline.stands; empty: by the state."""
    spec, stands = state.spec, stands or state.phase
    jobs = tuple(_jobs(state, stands))
    return RunView(
        run=spec.id,
        state=stands,
        title=state.title,
        workflow=spec.workflow,
        event=spec.event,
        repo=spec.repo,
        sha=spec.sha,
        ref=spec.ref,
        folder=spec.folder,
        actor=spec.actor,
        attempt=spec.attempt,
        of=spec.of,
        outcome="" if state.phase == "running" else state.phase,
        because=state.cancelled,
        created_at=state.created_at,
        seconds=state.finished_at - state.created_at if state.finished_at else None,
        jobs=jobs,
        changed=spec.changed,
        served=spec.served,
        only=spec.only,
        counts=_counts(jobs),
        substitutes=spec.substitutes.names(),
        held=state.held,
        idle_waivers=_idle(state, jobs),
        warned=state.warned,
    )


def _idle(state: RunState, jobs: tuple[JobView, ...]) -> tuple[Waiver, ...]:
    """Told only once every job that looks for findings has done so: the others may need them."""
    looked = [job for job in jobs if job.checks and job.checks.findings is not None]
    asked = {id: s.findings for id, s in state.spec.settings.items() if s.findings}
    if {job.id for job in looked} != set(asked):
        return ()
    uses = (use for job in looked if job.checks for use in job.checks.waivers)
    used = {use.waiver for use in uses if use.findings}
    every = (waiver for findings in asked.values() for waiver in findings.waivers)
    return tuple(waiver for waiver in dict.fromkeys(every) if waiver not in used)


def summary(state: RunState, stands: str) -> dict[str, Any]:
    """One run in a list: all but its jobs."""
    seen = view(state, stands)
    names = ("run", "state", "workflow", "event", "sha", "ref", "attempt", "outcome", "created_at")
    more = ("seconds", "counts", "actor", "folder", "changed", "served", "of")
    return {n: getattr(seen, n) for n in (*names, *more)}


def job_of(state: RunState, key: str) -> str:
    """The id in the file of an instance."""
    order = state.orders.get(key)
    if order is not None:
        return order.id
    return next((job for job, keys in state.planned.items() if key in keys), key)


def _name(state: RunState, key: str) -> str:
    """What people call an instance that was never started."""
    for plan in state.plans.values():
        if key in plan.keys and plan.names:
            return plan.names[plan.keys.index(key)]
    return key


def _counts(jobs: tuple[JobView, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for job in jobs:
        if not job.calls:
            counts[job.outcome] = counts.get(job.outcome, 0) + 1
    return counts


def _jobs(state: RunState, stands: str) -> list[JobView]:
    """Those that ended, in that order; then those that run, and those that rest before a try."""
    ended = [_job(state, key, report, report.outcome) for key, report in state.ended.items()]
    going = [_job(state, key, None, stands) for key in state.running]
    owed = (k for k in state.due if k not in state.orders and k not in state.ended)
    return ended + going + [_job(state, key, None, "waiting") for key in owed]


def _job(state: RunState, key: str, report: JobReport | None, outcome: str) -> JobView:
    order = state.orders.get(key)
    return JobView(
        key=key,
        id=job_of(state, key),
        name=order.name if order else _name(state, key),
        outcome=outcome,
        because=report.because if report else "",
        attempt=order.attempt if order else state.spec.attempt,
        seconds=report.finished_at - report.started_at if report else None,
        reused=report.reused if report else "",
        tolerated=key in state.tolerated,
        calls=key in state.calls,
        outputs=report.outputs if report else {},
        uploads=report.uploads if report else (),
        summary=report.summary if report else "",
        steps=tuple(_step(s, order) for s in report.steps) if report else (),
        tries=order.tries if order else 1 + len(state.tries.get(key, ())),
        checks=report.checks if report else None,
        url=report.url if report and not address.fault(report.url) else "",
    )


def _step(report: StepReport, order: JobOrder | None) -> StepView:
    lines = {s.id: s.line for s in order.steps} if order else {}
    return StepView(
        id=report.id,
        name=report.name,
        outcome=report.outcome,
        conclusion=report.conclusion,
        exit_code=report.exit_code,
        seconds=max(0.0, report.finished_at - report.started_at),
        outputs=report.outputs,
        lines=report.lines,
        digest=report.digest,
        log=report.log,
        line=lines.get(report.id, 0),
        tail=report.tail,
        annotations=report.annotations,
    )
