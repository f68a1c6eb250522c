"""Drives one run to its end: asks the schedule what follows, writes it down, does it.

One loop in the calling thread decides and writes; jobs run in threads of their own and come back
over a queue, so that nothing is polled between two jobs. What a boundary of a job means (its end,
what follows from it, the starts of the next) is one write and one sync of the log. Called by
flows/pipeline.
"""

import logging
import queue
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from headway.flows import pipeline_gates as gates
from headway.flows import pipeline_park as parking
from headway.flows.pipeline_bench import Bench
from headway.flows.pipeline_groups import Groups
from headway.flows.pipeline_results import Results, secrets_of
from headway.model.errors import HeadwayError, Invalid, Refused
from headway.model.job import JobOrder, JobReport, Line, StepReport
from headway.model.verdict import Outcome
from headway.pipeline.run import retries
from headway.pipeline.run.schedule import Schedule, Words
from headway.pipeline.run.state import (
    Asked,
    Cancelled,
    Ended,
    Event,
    Retried,
    RunState,
    Started,
    after,
)
from headway.ports.job_runner import JobWatch
from headway.ports.run_watch import RunWatch
from headway.record import dataclass
from headway.store import run_ticket
from headway.store.run_log import Request, RunLog
from headway.store.run_ticket import Ticket

_LOG = logging.getLogger(__name__)
TICK_SECONDS = 0.1
LINE_SECONDS = 1.0
"""How often requests of other processes and waiting groups are looked at while jobs run."""


@dataclass(frozen=True, slots=True)
class _Launch:
    order: JobOrder
    secrets: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Back:
    """A job's thread has ended: with a report, or with what it raised."""

    key: str
    report: JobReport | None = None
    error: BaseException | None = None


class Drive:
    """One run, driven by this process."""

    def __init__(self, bench: Bench, log: RunLog, state: RunState, schedule: Schedule) -> None:
        spec = state.spec
        self.bench = bench
        self.state = state
        self._log = log
        self._schedule = schedule
        self._results = Results(bench, spec)
        self._groups = Groups(bench.home, spec.repo, spec.id)
        self._given = dict(secrets_of(bench, spec))
        self._back: queue.SimpleQueue[_Back] = queue.SimpleQueue()
        self._active: dict[str, threading.Event] = {}
        self._passed: set[str] = set()
        self._held: dict[str, tuple[str, str]] = {}
        self._stopped: dict[str, str] = {}
        self._line_asked = 0.0
        self._asks: list[str] = []
        self._batch: list[Event] = []
        self._launches: list[_Launch] = []
        self._began: dict[str, float] = {}
        self._seen: set[str] = set()
        self._looked = 0.0
        self._park = self._away = False

    def go(self, watch: RunWatch, *, park: bool = False) -> RunState:
        """To the end of the run; with `park` also to where only people can make it go on, one of
        the server also to where it waits for its group or the next try, with a ticket. Whatever is
        raised, no job is left running.
        """
        self._watch, self._park = watch, park
        places = max(self.bench.jobs, len(self.state.running))
        with ThreadPoolExecutor(places, "job") as jobs, ThreadPoolExecutor(1, "keep") as keeper:
            self._jobs, self._keeper = jobs, keeper
            try:
                self._go()
            except BaseException:
                for stop in self._active.values():
                    stop.set()
                raise
            finally:
                if not self._away:
                    self._groups.leave_all()
        return self.state

    def _go(self) -> None:
        self._take_ticket()
        if not self._enter_own_group() or not self._resume():
            return
        self._advance()
        while self.state.phase == "running" and not self._comes_back():
            self._wait()
            self._advance()

    # Waiting without a process.

    def _comes_back(self) -> bool:
        """Whether nothing can happen here until somebody else has done something."""
        if not self._park or self._active:
            return False
        if not self.state.spec.served:
            return self._waits_for_people()
        while self.state.phase == "running" and not self._active and not self._near():
            if not self._look():
                return self._leaves()
            self._advance()
        return False

    def _near(self) -> bool:
        """Whether a try is due too soon to leave for it, or nothing is known to wait for."""
        soon = self.bench.clock.now() + parking.SOON_SECONDS
        owed = self._owed()
        known = owed or self._held or self._passed or self._stopped
        return any(due < soon for due in owed.values()) or not known

    def _leaves(self) -> bool:
        """The run waits without a process from here on, if it may; its groups stay its own."""
        if self._park and self.state.spec.served:
            self._flush()
            due = parking.due(self.state, self._owed())
            waiting = self._groups.waiting()
            stopped = tuple(sorted(set(self._stopped.values())))
            ticket = Ticket(len(self._seen), self.state.spec.repo, due, waiting, stopped)
            run_ticket.leave(self.bench.home, self.state.spec.id, ticket)
            self._away = True
        return self._away

    def _take_ticket(self) -> None:
        """What the process before this one waited for is waited for; what came since is heard."""
        ticket = run_ticket.take(self.bench.home, self.state.spec.id)
        if ticket is not None:
            self._groups.wait_on(ticket.groups)
            self._look()

    # What follows.

    def _advance(self) -> None:
        """Everything that follows from the state, until something that runs has to end."""
        moved = True
        while moved:
            events, self.state = self._schedule.settle(self.state, self.bench.clock.now())
            self._batch += events
            moved = self.state.phase == "running" and self._begin()
        self._flush()
        for key in self._schedule.stopping(self.state):
            if key in self._active:
                self._active[key].set()

    def _begin(self) -> bool:
        """Begin what may; True if anything happened."""
        before = len(self._batch)
        for key in (
            *self._waiting(),
            *self._schedule.ready(self.state, self._free(), self._skip()),
        ):
            try:
                self._begin_one(key)
            except Words as error:
                self._end(key, self._red(key, str(error)))
        return len(self._batch) > before

    def _free(self) -> int:
        return self.bench.jobs - len(self._active) - len(self._launches)

    def _skip(self) -> frozenset[str]:
        return frozenset((*self._passed, *self._held, *self._stopped, *self._resting()))

    def _owed(self) -> dict[str, float]:
        """The instances that have another try before them, and when it is due."""
        state = self.state
        return {
            k: t for k, t in state.due.items() if k not in state.orders and k not in state.ended
        }

    def _resting(self) -> dict[str, float]:
        """Those of them whose time has not come."""
        if not self.state.due:
            return {}
        now = self.bench.clock.now()
        return {key: due for key, due in self._owed().items() if due > now}

    def _waiting(self) -> tuple[str, ...]:
        """Those who wait for their group and may ask again."""
        calls = (k for k in self._passed if self._schedule.is_call(self.state, k))
        jobs = (k for k in self._passed if not self._schedule.is_call(self.state, k))
        return (*calls, *islice(jobs, max(self._free(), 0)))

    def _begin_one(self, key: str) -> None:
        """Begin an instance, unless it has to wait: for a person, for its group. Raises Words."""
        if not self._admitted(key) or not self._in_groups(key):
            return
        if self._schedule.is_call(self.state, key):
            self._note(self._schedule.call(self.state, key, self.bench.clock.now()))
            return
        order = self._schedule.order(self.state, key)
        secrets = self._schedule.secrets(self.state, key, self._given)
        mark = self._mark(order)
        report = self._results.find(mark, key)
        if report is not None:
            self._end(key, report)
            self._recall(order, report)
            return
        self._note(Started(order, self.bench.clock.now(), mark))
        self._launches.append(_Launch(order, secrets))

    def _mark(self, order: JobOrder) -> str:
        """The content key, "" where nothing is ever reused."""
        if self.bench.trees is None:
            return ""
        sources = self._schedule.sources(self.state, order.key)
        above = self._schedule.above(self.state, order.key)
        return self._results.key(self.state, order, sources, above)

    def _resume(self) -> bool:
        """What had begun when the process before this one ended goes on, in its groups. False: it
        waits for them without a process.
        """
        events, self.state = self._schedule.settle(self.state, self.bench.clock.now())
        self._batch += events
        open_calls = [key for key in self.state.calls if key not in self.state.ended]
        for key in (*open_calls, *self.state.running):
            while not (self._in_groups(key) or self._shall_end(key)):
                if not self._look() and self._leaves():
                    return False
                time.sleep(TICK_SECONDS)
        for key in self.state.running:
            secrets = self._schedule.secrets(self.state, key, self._given)
            self._launches.append(_Launch(self.state.orders[key], secrets))
        return True

    def _shall_end(self, key: str) -> bool:
        return bool(self.state.cancelled) or key in self.state.stopped

    # Writing down, and telling.

    def _note(self, event: Event) -> None:
        self._batch.append(event)
        self.state = after(self.state, event)

    def _end(self, key: str, report: JobReport) -> None:
        tolerated = report.outcome == "failure" and self._schedule.tolerates(self.state, key)
        job = self._schedule.job_of(self.state, key)
        self._note(Ended(job, report, self.bench.clock.now(), tolerated))

    def _flush(self) -> None:
        """Everything noted is written down; then what was started starts, and what has ended is
        told once it is on the disk. A start that a power loss took away is only given again: the
        runner knows what it has done.
        """
        batch, self._batch = self._batch, []
        self._log.append(batch, sync=False)
        for event in batch:
            if isinstance(event, Ended):
                self._leave(event.report)
        self._rest([event for event in batch if isinstance(event, Retried)])
        self._launch()
        if batch:
            self._log.sync()
        asks, self._asks = self._asks, []
        for key in asks:
            if key in self._held:
                self._watch.job_waits(key, *self._held[key])
        for event in batch:
            if isinstance(event, Ended):
                self._told(event)

    def _rest(self, events: list[Retried]) -> None:
        """Tries that are over are on the disk before anything of the next ones begins: the runner
        forgets the one when it begins the other.
        """
        if events:
            self._log.sync()
        for event in events:
            self._groups.leave(event.report.key)
            self._watch.job_retried(event.job, event.report, event.due)

    def _launch(self) -> None:
        launches, self._launches = self._launches, []
        for launch in launches:
            stop = self._active[launch.order.key] = threading.Event()
            self._began[launch.order.key] = self.bench.clock.now()
            self._jobs.submit(self._work, launch, stop)

    def _leave(self, report: JobReport) -> None:
        """Jobs that start now may find its uploads, and its place in the groups free."""
        self._groups.leave(report.key)
        self._passed.discard(report.key)
        self._held.pop(report.key, None)
        self._stopped.pop(report.key, None)
        if report.reused and report.key not in self.state.calls:
            self._results.adopt(report)

    def _told(self, event: Ended) -> None:
        report = event.report
        if report.key in self.state.calls:
            return
        mark = self.state.fingerprints.get(report.key, "")
        if not report.reused and mark and report.outcome == "success" and not _forgiven(report):
            self._keeper.submit(self._results.keep, mark, report).add_done_callback(_complain)
        self._watch.job_ended(event.job, report)

    # Jobs.

    def _work(self, launch: _Launch, stop: threading.Event) -> None:
        """In a job's thread: run it, and come back whatever happens."""
        order = launch.order
        try:
            self._watch.job_began(order)
            told = _Told(self._watch, stop)
            report = self._judged(order, self.bench.runner.run(order, launch.secrets, told))
            self._back.put(_Back(order.key, report))
        except BaseException as error:  # noqa: BLE001  the driving thread judges it
            self._back.put(_Back(order.key, error=error))

    def _judged(self, order: JobOrder, report: JobReport) -> JobReport:
        """What the reports that the job declared make of it. Raises HeadwayError."""
        if not order.reports:
            return report
        from headway.flows.tests import Trial, judged  # noqa: PLC0415  few jobs declare any

        state = self.state
        before = state.tries.get(order.key, ())
        content = state.fingerprints.get(order.key, "")
        return judged(self.bench, Trial(state.spec, order, report, content, before))

    def _recall(self, order: JobOrder, report: JobReport) -> None:
        """What reports of a result that was taken over say of this commit is remembered, aside."""
        if order.reports:
            from headway.flows.tests import Trial, recalled  # noqa: PLC0415  few jobs declare any

            trial = Trial(self.state.spec, order, report)
            self._keeper.submit(recalled, self.bench, trial).add_done_callback(_complain)

    def _wait(self) -> None:
        """Until a job comes back, a request arrives, or a group may be free."""
        resting = self._resting()
        if not (self._active or self._passed or self._held or self._stopped):
            if not self._owed():
                raise RuntimeError(f"run {self.state.spec.id} stands still")
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
                due = time.monotonic() - self._looked >= TICK_SECONDS / 2
                came = (due and self._look()) or came or bool(self._passed)
                came = came or len(self._resting()) < len(resting) or self._line_runs()

    def _take(self, back: _Back) -> None:
        del self._active[back.key]
        report = back.report
        if back.error is not None:
            report = self._failed(back.key, back.error)
        assert report is not None
        if not self._tries_again(report, back.error):
            self._end(back.key, report)

    def _tries_again(self, report: JobReport, error: BaseException | None) -> bool:
        """Note that the instance rests before its next try, if it has one. What could not run here
        at all will not the next time.
        """
        if isinstance(error, Refused | Invalid) or self._shall_stop(report.key):
            return False
        order, before = self.state.orders[report.key], self.state.tries.get(report.key, ())
        settings = retries.settings_of(self.state.spec, order.id)
        now = self.bench.clock.now()
        following = retries.again(order, report, settings, before, now)
        if following is not None:
            self._note(Retried(order.id, report, now, following.due, following.because))
        return following is not None

    def _shall_stop(self, key: str) -> bool:
        return bool(self.state.cancelled) or key in self._schedule.stopping(self.state)

    def _failed(self, key: str, error: BaseException) -> JobReport:
        if isinstance(error, HeadwayError):
            said = f"{error}. {error.next}" if error.next else str(error)
            return self._red(key, said)
        if not isinstance(error, Exception):
            raise error
        _LOG.error("job %s of run %s", key, self.state.spec.id, exc_info=error)
        return self._red(key, f"a bug in Headway: {type(error).__name__}: {error}")

    def _red(self, key: str, because: str) -> JobReport:
        now = self.bench.clock.now()
        return JobReport(key, "failure", self._began.get(key, now), now, because=because)

    # Requests and groups.

    def _look(self) -> bool:
        """Take in requests of other processes, and of whoever watches; True if there were any."""
        self._looked = time.monotonic()
        before = len(self._batch)
        for asked in self._log.requests(self._seen):
            if asked.environment:
                self._decided(asked)
            else:
                self._cancel(asked.by, asked.because, asked.key, forced=asked.forced)
        if self._watch.cancelled():
            self._cancel("you", "", "", forced=False)
        return len(self._batch) > before

    def _cancel(self, by: str, because: str, key: str, *, forced: bool) -> None:
        """Note a request that changes something."""
        known = key in self.state.stopped or key in self.state.ended
        news = not known if key else not self.state.cancelled or (forced and not self.state.forced)
        if news:
            self._note(Cancelled(by, because, self.bench.clock.now(), key, forced))

    # People.

    def _admitted(self, key: str) -> bool:
        """Whether the instance's environment lets it begin; if not, it is held, or red."""
        if self._schedule.is_call(self.state, key):
            return True
        order = self._schedule.order(self.state, key)
        environment, place = order.environment, order.deploys_to
        if place and (why := self.bench.line(self.state.spec.repo, place)):
            self._stopped[key] = place
            self._watch.job_waits(key, place, why)
            return False
        if not self.state.spec.gates:
            return True
        now = self.bench.clock.now()
        verdict = gates.judged(self.state, environment, now)
        if verdict.outcome is Outcome.WAIT:
            if why := gates.overdue(self.state, key, now):
                self._end(key, self._red(key, f"{environment}: {why}"))
                return False
            if key not in self.state.asked:
                self._note(Asked(key, environment, now))
            self._held[key] = environment, verdict.because
            self._asks.append(key)
        elif verdict.outcome is Outcome.FAIL:
            self._end(key, self._red(key, f"{environment}: {verdict.because}"))
        return verdict.outcome is Outcome.PASS

    def _line_runs(self) -> bool:
        """Whether the line runs again for a job that waits for it."""
        if not self._stopped or time.monotonic() - self._line_asked < LINE_SECONDS:
            return False
        self._line_asked = time.monotonic()
        repo, before = self.state.spec.repo, len(self._stopped)
        self._stopped = {k: e for k, e in self._stopped.items() if self.bench.line(repo, e)}
        return len(self._stopped) < before

    def _decided(self, asked: Request) -> None:
        """A person's word: those who are held ask again."""
        event = gates.heard(self.state, asked)
        if event is not None:
            self._note(event)
            self._held.clear()

    def _waits_for_people(self) -> bool:
        """Whether nothing can happen until somebody decides."""
        while self.state.phase == "running" and self._held:
            if self._active or self._passed:
                return False
            if not self._look():
                return True
            self._advance()
        return False

    def _enter_own_group(self) -> bool:
        """The run's own turn. One that loses its place before it began runs nothing at all. False:
        it waits for it without a process.
        """
        group = self._schedule.own_group()
        while group is not None:
            answer = self._groups.enter((group,))
            if answer == "held":
                return True
            news = self._look()
            if answer != "wait" and not self.state.cancelled:
                because = f"the concurrency group `{group.name}` has no place for it"
                self._cancel("the concurrency group", because, "", forced=True)
            if self.state.cancelled:
                self._cancel("", self.state.cancelled, "", forced=True)
                return True
            if not news and self._leaves():
                return False
            time.sleep(TICK_SECONDS)
        return True

    def _in_groups(self, key: str) -> bool:
        """Whether the instance holds its concurrency groups; if not, it is passed over for now."""
        wanted = self._schedule.groups(self.state, key)
        if not wanted:
            return True
        above = ("", *self._schedule.callers(self.state, key))
        if any(self._groups.held_by(group, above) for group in wanted):
            self._cancel("", "it would wait for its own run's concurrency group", key, forced=True)
            return False
        answer = self._groups.enter(wanted, key)
        if answer == "held":
            self._passed.discard(key)
            return True
        if answer == "wait":
            self._passed.add(key)
        else:
            self._look()
            because = "a newer one took its place in the concurrency group"
            self._cancel("", because, key, forced=True)
        return False


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
