"""The course of one job: part after part, each boundary written down before the next one begins.

Called by runner. Pre parts, the steps as written, post parts in reverse; what comes next and what
it means for the rest is decided in pipeline/step.
"""

import time
from dataclasses import replace

from headway import expression
from headway.adapters.linux import given_back
from headway.adapters.linux import step as steps
from headway.adapters.linux.actions.acting import Composed, Direct, Found
from headway.adapters.linux.aside import Aside
from headway.adapters.linux.boxes import Boxes
from headway.adapters.linux.environment import write_event
from headway.adapters.linux.job import MAX_DEPTH, Draft, Job, Level
from headway.adapters.linux.output import Output
from headway.adapters.linux.patience import Lost, Stopped
from headway.adapters.linux.records import Records
from headway.adapters.linux.step import Done
from headway.adapters.linux.trash import Trash
from headway.expression import ExpressionError
from headway.model.errors import Failed, HeadwayError
from headway.model.job import JobOutcome, JobReport, Line, ReportFile, StepReport, StepSpec
from headway.pipeline.step.contexts import spec, title
from headway.pipeline.step.sequence import Main, Part, Post, Pre, because, key, part
from headway.pipeline.step.state import Pending, Record
from headway.ports.blob_store import BlobStore
from headway.ports.job_runner import JobWatch
from headway.record import dataclass

MOST_REPEATS = 3


@dataclass(frozen=True, slots=True)
class Means:
    """Where a course writes down, what its processes live in, where its files and reports go."""

    records: Records
    boxes: Boxes
    trash: Trash
    blobs: BlobStore


class Course:
    """Runs a job from where it stands to its end."""

    def __init__(self, job: Job, means: Means, watch: JobWatch) -> None:
        self._job, self._watch = job, watch
        self._records, self._boxes, self._trash = means.records, means.boxes, means.trash
        self._blobs = means.blobs
        self._pres = _pres(job)
        self._aside = Aside(job)
        self._began = -1

    def run(self) -> JobReport:
        """To the end. Raises Failed (`storage-full`)."""
        job, progress = self._job, self._job.progress
        write_event(job.place, job.view.contexts["github"])
        job.view.contexts["steps"] = progress.results
        if not progress.started_at:
            progress.started_at = time.time()
            self._records.add(Record(job.order.attempt, progress.started_at, began=0))
        try:
            self._fill_env()
        except ExpressionError as error:
            return self._end("failure", f"the job's variables cannot be filled in: {error}")
        while (found := part(self._pres, job.order.steps, progress)) is not None:
            self._part(found)
        return self._conclude()

    def _fill_env(self) -> None:
        """Each level sees those before it."""
        job = self._job
        for values in job.order.env:
            scope = job.view.now(job.status(), job.status()).scope(job.env)
            job.env |= {name: expression.fill(text, scope) for name, text in values.items()}

    def _part(self, found: Part) -> None:
        number = len(self._job.progress.reports)
        try:
            self._logged_part(found, number)
        except OSError as error:
            raise Failed(
                f"the log of step {number} cannot be written", why=str(error), code="storage-full"
            ) from error

    def _logged_part(self, found: Part, number: int) -> None:
        """Raises OSError when the log cannot be written."""
        job = self._job
        job.draft = Draft()
        out = self._output(number)
        level = Level(job, job.view, out)
        step = _step_of(found)
        name = self._name(level, found, step)
        began = time.time()
        try:
            done = self._once_more(level, found, (number, name))
        except (ExpressionError, HeadwayError, Stopped) as error:
            self._begin(number, name)
            done = steps.broken(level, step, error)
        self._over(out, Begun(key(found), name, began, number), done)

    def _once_more(self, level: Level, found: Part, shown: tuple[int, str]) -> Done:
        """Do the part; again if somebody has killed its processes, as after a crash, but not for
        ever: it may be the step itself that does it.
        """
        job = self._job
        for left in reversed(range(MOST_REPEATS + 1)):
            job.may_repeat = left > 0 and not job.order.container
            try:
                return self._with_services(level, found, shown)
            except Lost as error:
                if not job.may_repeat:
                    raise
                level.out.say(f"[headway: {error}; this step begins again here]")
                job.draft, self._aside = Draft(), Aside(job)
        raise AssertionError("the last one returns or raises")

    def _with_services(self, level: Level, found: Part, shown: tuple[int, str]) -> Done:
        if self._aside.owed:
            self._begin(*shown)
        self._aside.start(level, _step_of(found))
        return self._done(level, found, shown)

    def _begin(self, number: int, name: str) -> None:
        """Tell, once, that the step begins."""
        if self._began != number:
            self._began = number
            self._watch.step_began(self._job.order.key, number, name)

    def _output(self, number: int) -> Output:
        job, watch = self._job, self._watch

        def told(line: Line) -> None:
            watch.line(job.order.key, number, line)

        debug = job.view.contexts["runner"].get("debug") == "1"
        return Output(job.place.folder, number, job.masker, told, debug=debug)

    def _name(self, level: Level, found: Part, step: StepSpec) -> str:
        """For people; masked. A name that cannot be filled in is shown as it is written."""
        match found:
            case Pre():
                name = found.name
            case Post():
                name = found.pending.name
            case Main():
                name = title(step, _filled_name(level, step))
        return self._job.masker.text(name)

    def _done(self, level: Level, found: Part, shown: tuple[int, str]) -> Done:
        """Do the part if its condition holds. Raises ExpressionError of the condition."""
        job = self._job
        if isinstance(found, Main):
            if not steps.wanted(level, found.step):
                return steps.SKIPPED
            self._begin(*shown)
            return steps.run(level, found.step)
        direct = self._direct(found)
        if direct is None or job.patience.spent():
            return steps.SKIPPED
        condition = direct.pre_if if isinstance(found, Pre) else direct.post_if
        act = direct.pre if isinstance(found, Pre) else direct.post
        if act is None or not expression.condition(condition, level.scope({})):
            return steps.SKIPPED
        self._begin(*shown)
        owed = found.pending if isinstance(found, Post) else _given(level, found, direct)
        return steps.run_part(level, act, owed)

    def _direct(self, found: Pre | Post) -> Direct | None:
        uses = _step_of(found).uses or ""
        action = self._job.find(uses)
        return action if isinstance(action, Direct) else None

    def _over(self, out: Output, report: "Begun", done: Done) -> None:
        """The step has ended: seal its log, write the boundary, tell."""
        job, progress = self._job, self._job.progress
        lines, digest, tail = out.close()
        clean = job.masker.text
        ended = StepReport(
            id=report.id,
            name=clean(report.name),
            outcome=done.outcome,
            conclusion=done.conclusion,
            exit_code=done.code,
            started_at=report.began,
            finished_at=time.time(),
            outputs={clean(name): clean(value) for name, value in done.outputs.items()},
            log=-1 if done.outcome == "skipped" else report.number,
            lines=lines,
            digest="" if done.outcome == "skipped" else digest,
            tail=tail,
            annotations=out.annotations,
        )
        left = job.draft.left(done.outputs, out.masks)
        following = report.number + 1
        self._records.add(
            Record(
                *(job.order.attempt, ended.finished_at, ended, left),
                began=following,
                stopped=job.patience.stopped,
            )
        )
        progress.took(ended, left)
        job.draft = Draft()
        self._watch.step_ended(job.order.key, report.number, ended)

    def _conclude(self) -> JobReport:
        job, order = self._job, self._job.order
        if job.patience.stopped == "job-time":
            return self._end("cancelled", f"it took longer than {order.timeout_seconds / 60:g} min")
        if job.patience.stopped:
            return self._end("cancelled", "the run was cancelled")
        if job.progress.red:
            return self._end("failure", because(job.progress.reports))
        return self._end("success", "")

    def _end(self, outcome: JobOutcome, why: str) -> JobReport:
        job = self._job
        outputs: dict[str, str] = {}
        note = ""
        try:
            outputs, note = given_back.outputs(job)
        except ExpressionError as error:
            if outcome == "success":
                outcome, why = "failure", f"the job's outputs cannot be filled in: {error}"
        url, said = given_back.url(job, outcome)
        report = JobReport(
            key=job.order.key,
            outcome=outcome,
            started_at=job.progress.started_at,
            finished_at=time.time(),
            steps=tuple(job.progress.reports),
            outputs=outputs,
            uploads=tuple(job.progress.uploads),
            summary="\n".join([*job.progress.summaries, *filter(None, (note, said))]),
            because=job.masker.text(why),
            url=url,
        )
        self._aside.stop()
        self._boxes.close()
        if job.order.reports and outcome in {"success", "failure"}:
            report = replace(report, reports=self._reports())
        if outcome == "success":
            self._trash.take(job.place.box)
        self._records.add(Record(job.order.attempt, report.finished_at, report=report))
        return report

    def _reports(self) -> tuple[ReportFile, ...]:
        """Raises Failed (`storage-full`)."""
        from headway.adapters.linux.reports import collect  # noqa: PLC0415  few jobs declare any

        job = self._job
        return collect(job.place.checkout, job.order.reports, job.masker, self._blobs)


@dataclass(frozen=True, slots=True)
class Begun:
    """What is known of a step before it is over. `began`: Unix seconds."""

    id: str
    name: str
    began: float
    number: int


def _filled_name(level: Level, step: StepSpec) -> str:
    if "${{" not in step.name:
        return step.name
    try:
        return expression.fill(step.name, level.scope({}))
    except ExpressionError:
        return step.name


def _step_of(found: Part) -> StepSpec:
    return found.pending.step if isinstance(found, Post) else found.step


def _given(level: Level, found: Pre, direct: Direct) -> Pending:
    return steps.given(level, found.key, found.step, direct)


def _pres(job: Job) -> tuple[Pre, ...]:
    """The pre parts of all actions, those inside composite ones too."""
    return tuple(_pres_of(job, list(job.order.steps), "", 0))


def _pres_of(job: Job, written: list[StepSpec], above: str, depth: int) -> list[Pre]:
    found: list[Pre] = []
    for step in written:
        action: Found | None = job.found.get(step.uses or "")
        own = f"{above}{step.id}"
        if isinstance(action, Direct) and action.pre is not None:
            found.append(Pre(own, f"Pre {step.name or f'Run {step.uses}'}", step))
        elif isinstance(action, Composed) and depth < MAX_DEPTH:
            inner = [spec(each, n) for n, each in enumerate(action.action.steps)]
            found += _pres_of(job, inner, f"{own}.", depth + 1)
    return found
