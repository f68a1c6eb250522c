"""The jobs of a run while they run: started when their start is written down, each in a thread of
its own; judged when they come back, told when their end is on the disk. Called by pipeline_drive.
"""

import logging
import queue
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from headway.flows.pipeline_book import TICK_SECONDS, Book, Launch
from headway.flows.pipeline_door import Door
from headway.model.errors import HeadwayError, Invalid, Refused
from headway.model.job import JobOrder, JobReport, Line, StepReport
from headway.pipeline.run import retries
from headway.pipeline.run.state import Ended, Retried
from headway.ports.job_runner import JobWatch
from headway.ports.run_watch import RunWatch
from headway.record import dataclass

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Back:
    """A job's thread has ended: with a report, or with what it raised."""

    key: str
    report: JobReport | None = None
    error: BaseException | None = None


class Jobs:
    """Of one run. `pool`: where jobs run; `keeper`: where results are kept, aside."""

    def __init__(
        self, book: Book, door: Door, pool: ThreadPoolExecutor, keeper: ThreadPoolExecutor
    ) -> None:
        self.book, self._door = book, door
        self._pool, self._keeper = pool, keeper
        self._back: queue.SimpleQueue[_Back] = queue.SimpleQueue()

    # Writing down, and telling.

    def flush(self) -> None:
        """Everything noted is written down; then what was started starts, and what has ended is
        told once it is on the disk. A start that a power loss took away is only given again: the
        runner knows what it has done.
        """
        book = self.book
        batch, book.batch = book.batch, []
        book.log.append(batch, sync=False)
        for event in batch:
            if isinstance(event, Ended):
                self._leave(event.report)
        self._rest([event for event in batch if isinstance(event, Retried)])
        self._launch()
        if batch:
            book.log.sync()
        asks, book.asks = book.asks, []
        for key in asks:
            if key in book.held:
                book.watch.job_waits(key, *book.held[key])
        for event in batch:
            if isinstance(event, Ended):
                self._told(event)

    def _rest(self, events: list[Retried]) -> None:
        """Tries that are over are on the disk before anything of the next ones begins: the runner
        forgets the one when it begins the other.
        """
        book = self.book
        if events:
            book.log.sync()
        for event in events:
            book.groups.leave(event.report.key)
            book.watch.job_retried(event.job, event.report, event.due)

    def _launch(self) -> None:
        book = self.book
        launches, book.launches = book.launches, []
        for launch in launches:
            stop = book.active[launch.order.key] = threading.Event()
            book.began[launch.order.key] = book.bench.clock.now()
            self._pool.submit(self._work, launch, stop)

    def _leave(self, report: JobReport) -> None:
        """Jobs that start now may find its uploads, and its place in the groups free."""
        book = self.book
        book.groups.leave(report.key)
        book.passed.discard(report.key)
        book.held.pop(report.key, None)
        book.stopped.pop(report.key, None)
        if report.reused and report.key not in book.state.calls:
            book.results.adopt(report)

    def _told(self, event: Ended) -> None:
        book = self.book
        report = event.report
        if report.key in book.state.calls:
            return
        mark = book.state.fingerprints.get(report.key, "")
        if not report.reused and mark and report.outcome == "success" and not _forgiven(report):
            self._keeper.submit(book.results.keep, mark, report).add_done_callback(_complain)
        book.watch.job_ended(event.job, report)

    # Running, and coming back.

    def _work(self, launch: Launch, stop: threading.Event) -> None:
        """In a job's thread: run it, and come back whatever happens."""
        book = self.book
        order = launch.order
        try:
            book.watch.job_began(order)
            told = _Told(book.watch, stop)
            report = self._judged(order, book.bench.runner.run(order, launch.secrets, told))
            self._back.put(_Back(order.key, report))
        except BaseException as error:  # noqa: BLE001  the driving thread judges it
            self._back.put(_Back(order.key, error=error))

    def _judged(self, order: JobOrder, report: JobReport) -> JobReport:
        """What the reports that the job declared make of it. Raises HeadwayError."""
        if not order.reports:
            return report
        from headway.flows.tests import Trial, judged  # noqa: PLC0415  few jobs declare any

        state = self.book.state
        before = state.tries.get(order.key, ())
        content = state.fingerprints.get(order.key, "")
        return judged(self.book.bench, Trial(state.spec, order, report, content, before))

    def recall(self, order: JobOrder, report: JobReport) -> None:
        """What reports of a result that was taken over say of this commit is remembered, aside."""
        if order.reports:
            from headway.flows.tests import Trial, recalled  # noqa: PLC0415  few jobs declare any

            trial = Trial(self.book.state.spec, order, report)
            self._keeper.submit(recalled, self.book.bench, trial).add_done_callback(_complain)

    def wait(self) -> None:
        """Until a job comes back, a request arrives, or a group may be free."""
        book = self.book
        resting = book.resting()
        if not (book.active or book.passed or book.held or book.stopped):
            if not book.owed():
                raise RuntimeError(f"run {book.state.spec.id} stands still")
            if not resting:
                return
        came = False
        while not came:
            try:
                self._take(self._back.get(timeout=TICK_SECONDS))
                came = True
                while True:
                    self._take(self._back.get_nowait())
            except queue.Empty:
                due = time.monotonic() - book.looked >= TICK_SECONDS / 2
                came = (due and book.look()) or came or bool(book.passed)
                came = came or len(book.resting()) < len(resting) or self._door.line_runs()

    def _take(self, back: _Back) -> None:
        del self.book.active[back.key]
        report = back.report
        if back.error is not None:
            report = self._failed(back.key, back.error)
        assert report is not None
        if not self._tries_again(report, back.error):
            self.book.end(back.key, report)

    def _tries_again(self, report: JobReport, error: BaseException | None) -> bool:
        """Note that the instance rests before its next try, if it has one. What could not run here
        at all will not the next time.
        """
        book = self.book
        if isinstance(error, Refused | Invalid) or self._shall_stop(report.key):
            return False
        order, before = (
            book.state.orders[report.key],
            book.state.tries.get(report.key, ()),
        )
        settings = retries.settings_of(book.state.spec, order.id)
        now = book.bench.clock.now()
        following = retries.again(order, report, settings, before, now)
        if following is not None:
            book.note(Retried(order.id, report, now, following.due, following.because))
        return following is not None

    def _shall_stop(self, key: str) -> bool:
        book = self.book
        return bool(book.state.cancelled) or key in book.schedule.stopping(book.state)

    def _failed(self, key: str, error: BaseException) -> JobReport:
        book = self.book
        if isinstance(error, HeadwayError):
            said = f"{error}. {error.next}" if error.next else str(error)
            return book.red(key, said)
        if not isinstance(error, Exception):
            raise error
        _LOG.error("job %s of run %s", key, book.state.spec.id, exc_info=error)
        return book.red(key, f"a bug in Headway: {type(error).__name__}: {error}")


def _forgiven(report: JobReport) -> bool:
    """Green only because of what is known of tests today: no result for tomorrow."""
    return bool(report.checks and report.checks.forgiven)


def _complain(kept: "Future[None]") -> None:
    if (error := kept.exception()) is not None:
        _LOG.error("a result could not be kept", exc_info=error)


class _Told(JobWatch):
    """What one job's runner tells, and is told."""

    def __init__(self, watch: RunWatch, stop: threading.Event) -> None:
        self._watch = watch
        self._stop = stop

    def step_began(self, job: str, number: int, name: str) -> None:
        """See JobWatch."""
        self._watch.step_began(job, number, name)

    def line(self, job: str, number: int, line: Line) -> None:
        """See JobWatch."""
        self._watch.line(job, number, line)

    def step_ended(self, job: str, number: int, report: StepReport) -> None:
        """See JobWatch."""
        self._watch.step_ended(job, number, report)

    def cancelled(self) -> bool:
        """Whether this job shall stop."""
        return self._stop.is_set()
