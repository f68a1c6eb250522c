"""What a drive of one run knows and holds: its state, what is noted and not yet written down, who
waits for what. Used by pipeline_drive and what it is made of: pipeline_door, pipeline_jobs.
"""

import threading
import time

from headway.flows import pipeline_gates as gates
from headway.flows.pipeline_bench import Bench
from headway.flows.pipeline_groups import Groups
from headway.flows.pipeline_results import Results, secrets_of
from headway.model.job import JobOrder, JobReport
from headway.pipeline.run.schedule import Schedule
from headway.pipeline.run.state import Cancelled, Ended, Event, RunState, after
from headway.ports.run_watch import RunWatch
from headway.record import dataclass
from headway.store.run_log import Request, RunLog

TICK_SECONDS = 0.1
LINE_SECONDS = 1.0
"""How often requests of other processes and waiting groups are looked at while jobs run."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A job that is to begin once its start is noted."""

    order: JobOrder
    secrets: dict[str, str]


class Book:
    """Of one run. `passed`: instances that wait for their group; `held`: for a person, with the
    environment and why; `stopped`: for the line, with the environment. `active`: those that run,
    each with what stops it. `park`: the drive may leave where nothing can happen here; `away`: it
    has left.
    """

    def __init__(
        self, bench: Bench, log: RunLog, schedule: Schedule, state: RunState, watch: RunWatch
    ) -> None:
        spec = state.spec
        self.bench, self.log, self.schedule = bench, log, schedule
        self.state, self.watch = state, watch
        self.results = Results(bench, spec)
        self.groups = Groups(bench.home, spec.repo, spec.id)
        self.given = dict(secrets_of(bench, spec))
        self.active: dict[str, threading.Event] = {}
        self.passed: set[str] = set()
        self.held: dict[str, tuple[str, str]] = {}
        self.stopped: dict[str, str] = {}
        self.asks: list[str] = []
        self.batch: list[Event] = []
        self.launches: list[Launch] = []
        self.began: dict[str, float] = {}
        self.seen: set[str] = set()
        self.looked = 0.0
        self.park = self.away = False

    def settle(self) -> None:
        """Note all that follows from the state without anything being run."""
        events, self.state = self.schedule.settle(self.state, self.bench.clock.now())
        self.batch += events

    def note(self, event: Event) -> None:
        """It has happened; it is written down with the next flush."""
        self.batch.append(event)
        self.state = after(self.state, event)

    def end(self, key: str, report: JobReport) -> None:
        """The instance has ended."""
        tolerated = report.outcome == "failure" and self.schedule.tolerates(self.state, key)
        job = self.schedule.job_of(self.state, key)
        self.note(Ended(job, report, self.bench.clock.now(), tolerated))

    def red(self, key: str, because: str) -> JobReport:
        """The report of an instance that is red without having said so itself."""
        now = self.bench.clock.now()
        return JobReport(key, "failure", self.began.get(key, now), now, because=because)

    def owed(self) -> dict[str, float]:
        """The instances that have another try before them, and when it is due."""
        state = self.state
        return {
            k: t for k, t in state.due.items() if k not in state.orders and k not in state.ended
        }

    def resting(self) -> dict[str, float]:
        """Those of them whose time has not come."""
        if not self.state.due:
            return {}
        now = self.bench.clock.now()
        return {key: due for key, due in self.owed().items() if due > now}

    def look(self) -> bool:
        """Take in requests of other processes, and of whoever watches; True if there were any."""
        self.looked = time.monotonic()
        before = len(self.batch)
        for asked in self.log.requests(self.seen):
            if asked.environment:
                self._decided(asked)
            else:
                self.cancel(asked.by, asked.because, asked.key, forced=asked.forced)
        if self.watch.cancelled():
            self.cancel("you", "", "", forced=False)
        return len(self.batch) > before

    def cancel(self, by: str, because: str, key: str, *, forced: bool) -> None:
        """Note a request that changes something."""
        known = key in self.state.stopped or key in self.state.ended
        news = not known if key else not self.state.cancelled or (forced and not self.state.forced)
        if news:
            self.note(Cancelled(by, because, self.bench.clock.now(), key, forced))

    def _decided(self, asked: Request) -> None:
        """A person's word: those who are held ask again."""
        event = gates.heard(self.state, asked)
        if event is not None:
            self.note(event)
            self.held.clear()
