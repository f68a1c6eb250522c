"""What a run would come to if every job were green: its jobs in waves, and what this machine lacks.

The same schedule that drives a run is asked, with made-up green reports. Outputs are not known, so
matrices and conditions that read them are not either; they are named. Nothing is run or written.
Called by `headway run`, before a run and for `--dry-run`.
"""

from headway.document.node import Mapping, Mark
from headway.flows.pipeline_bench import Bench
from headway.flows.pipeline_results import Results
from headway.model.errors import Refused
from headway.model.job import JobOrder, JobReport
from headway.pipeline.run import state
from headway.pipeline.run.program import load
from headway.pipeline.run.schedule import Schedule, Words
from headway.pipeline.run.state import Created, Ended, RunSpec, RunState, Started, after
from headway.pipeline.run.units import Unit
from headway.record import dataclass

MOST_WAVES = 10_000


@dataclass(frozen=True, slots=True)
class Planned:
    """One instance. `wave` counts from 1: all of a wave may run at once. `reused`: the run whose
    result would be taken.
    """

    order: JobOrder
    wave: int
    reused: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """`later`: instances of which it cannot be said yet whether they run, or how, and why."""

    jobs: tuple[Planned, ...]
    skipped: tuple[tuple[str, str], ...]
    later: tuple[tuple[str, str], ...]
    refused: tuple[tuple[str, Refused], ...]


def preview(bench: Bench, spec: RunSpec) -> Preview:
    """The run as it would be. Raises Invalid for a workflow that cannot be read or planned."""
    now = bench.clock.now()
    walk = _Walk(bench, Schedule(load(spec)), state.created(Created(spec, now)), now)
    wave = 1
    while walk.step(wave) and wave < MOST_WAVES:
        wave += 1
    return walk.told()


class _Walk:
    """One pretended run."""

    def __init__(self, bench: Bench, schedule: Schedule, begun: RunState, now: float) -> None:
        self._bench, self._schedule, self._state, self._now = bench, schedule, begun, now
        self._results = Results(bench, begun.spec)
        self._jobs: list[Planned] = []
        self._later: list[tuple[str, str]] = []

    def step(self, wave: int) -> bool:
        """Settle, begin all that may begin, let it be green; False when nothing more follows."""
        _, self._state = self._schedule.settle(self._state, self._now)
        keys = self._schedule.ready(self._state, MOST_WAVES)
        for key in keys:
            self._begin(key, wave)
        return bool(keys)

    def _begin(self, key: str, wave: int) -> None:
        try:
            if self._schedule.is_call(self._state, key):
                self._state = after(self._state, self._schedule.call(self._state, key, self._now))
                return
            order = self._schedule.order(self._state, key)
        except Words as error:
            self._later.append((key, str(error)))
            self._end(key)
            return
        self._jobs.append(Planned(order, wave, self._reused(order)))
        self._state = after(self._state, Started(order, self._now))
        self._end(key)

    def _end(self, key: str) -> None:
        report = JobReport(key, "success", self._now, self._now)
        job = self._schedule.job_of(self._state, key)
        self._state = after(self._state, Ended(job, report, self._now))

    def _reused(self, order: JobOrder) -> str:
        """Only of jobs without needs: keys of the others depend on what came before them."""
        if order.contexts.get("needs") or self._state.spec.fresh:
            return ""
        sources = self._state.spec.sources.get(order.id, ())
        key = self._results.key(self._state, order, sources, ())
        found = self._results.find(key, order.key)
        return found.reused if found else ""

    def told(self) -> Preview:
        """What was found."""
        ended = self._state.ended.values()
        red = [(r.key, r.because) for r in ended if r.outcome == "failure"]
        return Preview(
            jobs=tuple(self._jobs),
            skipped=tuple((r.key, r.because) for r in ended if r.outcome == "skipped"),
            later=(*self._later, *red),
            refused=tuple(self._refused()),
        )

    def _refused(self) -> list[tuple[str, Refused]]:
        found = []
        for job in self._jobs:
            try:
                self._bench.runner.check(job.order)
            except Refused as error:
                found.append((job.order.key, self._placed(job.order, error)))
        return found

    def _placed(self, order: JobOrder, error: Refused) -> Refused:
        """The same, saying where the service or container that it speaks of is written."""
        unit = self._schedule.units(self._state).get(order.id)
        at = _place(unit, str(error)) if unit else None
        if unit is None or at is None:
            return error
        where = f"{unit.frame.sheet.workflow.file}:{at.line}:{at.column}"
        what = f"{where}: {error.what}"
        return Refused(what, why=error.why, next=error.next, code=error.code)


def _place(unit: Unit, said: str) -> Mark | None:
    job = unit.job
    if isinstance(job.services, Mapping):
        for name, _ in job.services.entries:
            if f"service `{name.text}`" in said:
                return name.at
    return job.container.at if job.container is not None and "container" in said else None
