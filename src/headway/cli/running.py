"""What a run has shown so far: told by the flow from the threads of its jobs, read by a screen.

`Picture` is the RunWatch of `headway run` on a terminal (cli/running_tree.py draws it), `Teller`
the one where there is no terminal: one plain line for each thing that happens.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import field

from headway.cli.pipeline_checks import named
from headway.model.job import JobOrder, JobReport, Line, StepReport
from headway.ports.run_watch import RunWatch
from headway.record import dataclass
from headway.wording.text import marked, plain, plain_line, span, without_escapes

LAST_LINES = 4


@dataclass(frozen=True, slots=True)
class Known:
    """A job of the file, before anything is known of its instances."""

    id: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """What is known when the screen begins: the jobs of the file, and of a run that goes on the
    orders and reports by key that there are.
    """

    known: tuple[Known, ...] = ()
    orders: Mapping[str, JobOrder] = field(default_factory=dict)
    ended: Mapping[str, JobReport] = field(default_factory=dict)


@dataclass(slots=True)
class Fold:
    """A group of lines, of which only the title and the number are shown."""

    title: str
    lines: int = 0


@dataclass(slots=True)
class StepSeen:
    """One step; `shown`: its newest lines, groups folded. `began` in seconds of the clock given."""

    name: str
    began: float
    report: StepReport | None = None
    shown: deque[str | Fold] = field(default_factory=lambda: deque(maxlen=LAST_LINES))

    def take(self, line: Line) -> None:
        """One line more. A title opens a fold, whatever is inside only counts."""
        newest = self.shown[-1] if self.shown else None
        if line.level == "group" and line.group <= 1:
            self.shown.append(Fold(line.text))
        elif line.group and isinstance(newest, Fold):
            newest.lines += 1
        elif line.level != "debug":
            self.shown.append(line.text)


@dataclass(slots=True)
class JobSeen:
    """One instance. `report` is None while it runs; `steps` by number, in the order they began.
    `rests`: a try of it was red, the next one has not begun.
    """

    key: str
    id: str
    name: str
    began: float
    total: int = 0
    steps: dict[int, StepSeen] = field(default_factory=dict)
    report: JobReport | None = None
    rests: bool = False

    @property
    def outcome(self) -> str:
        """`running`, `reused`, or what came of it."""
        if self.report is None:
            return "running"
        return "reused" if self.report.reused else self.report.outcome

    @property
    def current(self) -> StepSeen | None:
        """The step that runs now."""
        return next((s for s in reversed(self.steps.values()) if s.report is None), None)


class Stop:
    """Whether the person wants the run to stop. Asked by every job, set by a signal."""

    def __init__(self) -> None:
        self.wanted = False

    def cancelled(self) -> bool:
        """Whether the run shall stop."""
        return self.wanted


class Picture(RunWatch):
    """Everything a live tree needs; `lock` is held while it changes and while it is drawn."""

    def __init__(
        self, begun: Begun, stop: Stop, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.known = begun.known
        self.stop = stop
        self.clock = clock
        self.began = clock()
        self.lock = threading.Lock()
        self.jobs: dict[str, JobSeen] = {}
        self.held: dict[str, str] = {}
        for key, report in begun.ended.items():
            order = begun.orders.get(key)
            if order is not None:
                self.job_began(order)
            self.job_ended(order.id if order else key, report)

    def job_began(self, order: JobOrder) -> None:
        """An instance begins."""
        with self.lock:
            name = named(order.name, order.tries)
            seen = JobSeen(order.key, order.id, name, self.clock(), len(order.steps))
            self.jobs[order.key] = seen

    def step_began(self, job: str, number: int, name: str) -> None:
        """A step begins."""
        with self.lock:
            self._step(job, number).name = name

    def line(self, job: str, number: int, line: Line) -> None:
        """A step printed a line; of one that was interrupted the first comes before it begins."""
        with self.lock:
            self._step(job, number).take(line)

    def _step(self, job: str, number: int) -> StepSeen:
        steps = self.jobs[job].steps
        if number not in steps:
            steps[number] = StepSeen("", self.clock())
        return steps[number]

    def step_ended(self, job: str, number: int, report: StepReport) -> None:
        """A step is over; also told of one that was skipped and never began."""
        with self.lock:
            steps = self.jobs[job].steps
            if number not in steps:
                steps[number] = StepSeen(report.name, self.clock())
            steps[number].report = report

    def job_waits(self, key: str, environment: str, because: str) -> None:
        """An instance waits for a person."""
        with self.lock:
            self.held[key] = environment

    def job_retried(self, job: str, report: JobReport, due: float) -> None:
        """An instance rests before its next try."""
        with self.lock:
            self.jobs[report.key].rests = True

    def job_ended(self, job: str, report: JobReport) -> None:
        """An instance is over, or was never run."""
        with self.lock:
            if report.key not in self.jobs:
                self.jobs[report.key] = JobSeen(report.key, job, report.key, self.clock())
            self.jobs[report.key].report = report

    def cancelled(self) -> bool:
        """Whether the person wants it to stop."""
        return self.stop.wanted


class Teller(RunWatch):
    """One plain line for each thing that happens, with the job in front."""

    def __init__(self, say: Callable[[str], None], stop: Stop) -> None:
        self._say = say
        self._stop = stop
        self._names: dict[str, str] = {}

    def job_began(self, order: JobOrder) -> None:
        """`test (3.12) | ● began`."""
        self._names[order.key] = named(plain(order.name, 60), order.tries)
        self._tell(order.key, marked("running").replace("running", "began"))

    def step_began(self, job: str, number: int, name: str) -> None:
        """`test | ▸ Run tests`."""
        self._tell(job, f"▸ {plain(name, 120)}")

    def line(self, job: str, number: int, line: Line) -> None:
        """`test |   text`, indented by its groups."""
        if line.level != "debug":
            self._tell(job, f"  {'  ' * line.group}{harmless(line.text)}")

    def step_ended(self, job: str, number: int, report: StepReport) -> None:
        """`test | ✗ Run tests failure, exit 1, 3.2 s`."""
        self._tell(job, step_words(report))

    def job_waits(self, key: str, environment: str, because: str) -> None:
        """`deploy | ⧖ waiting for approval of production: 0 of 1`."""
        said = f"for approval of {plain(environment, 80)}: {plain(because, 200)}"
        self._tell(key, f"{marked('waiting')} {said}")

    def job_retried(self, job: str, report: JobReport, due: float) -> None:
        """`test | ✗ failure, 3.2 s: 1 of 9 tests failed; runs again`."""
        self._tell(report.key, f"{job_words(report)}; runs again")

    def job_ended(self, job: str, report: JobReport) -> None:
        """`test | ✓ success in 3.2 s`."""
        self._tell(report.key, job_words(report))

    def cancelled(self) -> bool:
        """Whether the person wants it to stop."""
        return self._stop.wanted

    def _tell(self, key: str, words: str) -> None:
        self._say(f"{self._names.get(key, key)} | {words}")


def harmless(text: str) -> str:
    """A line of output as it would stand on a terminal at last: what a carriage return overwrote is
    gone, its indent is kept.
    """
    return plain_line(next((t for t in reversed(text.split("\r")) if t), ""))


def last_lines(text: str, most: int) -> list[str]:
    """The last lines of an output that say something, harmless."""
    lines = (harmless(line) for line in without_escapes(text).split("\n"))
    return [line for line in lines if line.strip()][-most:]


def step_words(report: StepReport) -> str:
    """`✗ Run tests: failure, exit 1, 3.2 s`."""
    told = f"{marked(report.conclusion).split()[0]} {plain(report.name, 120)}: {report.outcome}"
    if report.exit_code:
        told += f", exit {report.exit_code}"
    if report.outcome != report.conclusion:
        told += ", and goes on"
    return told if report.outcome == "skipped" else f"{told}, {took(report)}"


def job_words(report: JobReport) -> str:
    """`✓ success, 3.2 s` or `□ skipped: why`."""
    if report.reused:
        return f"{marked('success')}, reused from {plain(report.reused, 60)}"
    told = marked(report.outcome)
    if report.outcome != "skipped":
        told += f", {took(report)}"
    return f"{told}: {plain(report.because, 300)}" if report.because else told


def took(report: JobReport | StepReport) -> str:
    """How long it was."""
    return span(max(0.0, report.finished_at - report.started_at))
