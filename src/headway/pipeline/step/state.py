"""Where a job stands: what its steps have left so far, folded from the records of its boundaries.

A record is one line of a job's steps.jsonl: the end of a step and the beginning of the next one.
After a crash the same fold gives the same state. Pure; called by job runners.
"""

from collections.abc import Iterable
from dataclasses import field
from typing import Literal

from headway.model.job import JobOutcome, JobReport, StepReport, StepSpec, Upload
from headway.record import dataclass

Status = Literal["success", "failure", "cancelled"]
Stop = Literal["", "cancelled", "job-time", "step-time"]
"""Why a job, or a step, ends before its time."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A post part that is owed. `key` says of which use of an action, `env` is the step's own."""

    key: str
    name: str
    step: StepSpec
    inputs: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Left:
    """What one step leaves to those after it. `path`: folders put before PATH, first ones first.

    `states`: what an action's part keeps for its next one, by key. `summary` is masked; all else
    may hold secrets and is sealed then, before it is written.
    """

    env: dict[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    posts: tuple[Pending, ...] = ()
    uploads: tuple[Upload, ...] = ()
    masks: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One boundary. `ended`: the report of a step, with what it left in `left` or, encrypted, in
    `sealed`. `began`: number of the step that begins now (-1: none). `stopped`: why the job shall
    come to its end early, if it shall. `report`: the job has ended.
    """

    attempt: int
    at: float
    ended: StepReport | None = None
    left: Left | None = None
    sealed: str = ""
    began: int = -1
    stopped: Stop = ""
    report: JobReport | None = None


@dataclass(slots=True)
class Progress:
    """What has been done. `posts` in the order in which their main parts ran."""

    started_at: float = 0.0
    reports: list[StepReport] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    results: dict[str, dict[str, object]] = field(default_factory=dict)
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    posts: list[Pending] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)
    began: int = -1
    last_at: float = 0.0
    stopped: Stop = ""
    stopped_at: float = 0.0
    report: JobReport | None = None
    red: bool = False
    """Whether a step has failed that was not allowed to."""

    def worked(self) -> float:
        """Seconds from the start to the last boundary."""
        return max(0.0, self.last_at - self.started_at)

    def tidied(self) -> float:
        """Seconds from the boundary at which it was known to be stopped to the last one."""
        return max(0.0, self.last_at - self.stopped_at) if self.stopped else 0.0

    def took(self, report: StepReport, left: Left) -> None:
        """A step is over."""
        self.reports.append(report)
        self.red = self.red or report.conclusion == "failure"
        self.env |= left.env
        self.path[:0] = left.path
        self.states |= left.states
        self.posts += left.posts
        self.uploads += left.uploads
        self.masks += left.masks
        if left.summary:
            self.summaries.append(left.summary)
        self.results[report.id] = result(report.outcome, report.conclusion, left.outputs)


def result(
    outcome: JobOutcome, conclusion: JobOutcome, outputs: dict[str, str]
) -> dict[str, object]:
    """What `steps.ID` is in expressions."""
    return {"outputs": dict(outputs), "outcome": outcome, "conclusion": conclusion}


def fold(records: Iterable[tuple[Record, Left]]) -> Progress:
    """Where records, each with what it left (unsealed), leave the job."""
    progress = Progress()
    for record, left in records:
        progress.started_at = progress.started_at or record.at
        if record.ended is not None:
            progress.took(record.ended, left)
        progress.began, progress.last_at = record.began, record.at
        if record.stopped and not progress.stopped:
            progress.stopped, progress.stopped_at = record.stopped, record.at
        progress.report = record.report or progress.report
    return progress
