"""A run: what it is of, what has happened, and where that leaves it. Status is a fold of events.

The events are the run's log (store/run_log.py), appended and never changed; after a crash, for a
re-run and for every page, `fold` of them is all there is to know.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from headway.model.job import JobOrder, JobOutcome, JobReport

RunPhase = Literal["running", "success", "failure", "cancelled"]


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run is of; fixed when it is created.

    `texts`: the workflow file and the local workflows that it calls, by path, as they were at
    `sha`; remote ones by `owner/name/path@ref`. `payload` is `github.event`. `only`: job ids to run
    with their needs (empty: all). `actions`: `owner/name@ref` to the pinned commit. `folder`: see
    JobOrder. `of`: the run this one repeats.
    """

    id: str
    workflow: str
    texts: dict[str, str]
    repo: str
    sha: str
    ref: str
    event: str = "push"
    payload: dict[str, Any] = field(default_factory=dict)
    actor: str = ""
    folder: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    vars: dict[str, str] = field(default_factory=dict)
    actions: dict[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    trusted: bool = True
    network: bool = True
    attempt: int = 1
    number: int = 1
    of: str = ""


@dataclass(frozen=True, slots=True)
class Created:
    """The run exists."""

    spec: RunSpec
    at: float
    kind: Literal["created"] = "created"


@dataclass(frozen=True, slots=True)
class Planned:
    """A job of the file has become these instances (more than one: a matrix; none: an empty one).

    `job` is the id in the file, inside a called workflow `caller / job`.
    """

    job: str
    keys: tuple[str, ...]
    at: float
    kind: Literal["planned"] = "planned"


@dataclass(frozen=True, slots=True)
class Started:
    """The order is given to a runner. Given again after a crash, with the same attempt."""

    order: JobOrder
    at: float
    kind: Literal["started"] = "started"


@dataclass(frozen=True, slots=True)
class Ended:
    """The instance is over: run, skipped, cancelled or reused. `job`: the id in the file."""

    job: str
    report: JobReport
    at: float
    kind: Literal["ended"] = "ended"


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody, or a newer run of the concurrency group, wants the run to stop."""

    by: str
    because: str
    at: float
    kind: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing more happens."""

    outcome: Literal["success", "failure", "cancelled"]
    at: float
    kind: Literal["finished"] = "finished"


Event = Created | Planned | Started | Ended | Cancelled | Finished


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run stands. `planned`: job id to instance keys; `running`: orders by key; `ended`:
    reports by key, in the order they ended.
    """

    spec: RunSpec
    created_at: float
    phase: RunPhase = "running"
    planned: dict[str, tuple[str, ...]] = field(default_factory=dict)
    orders: dict[str, JobOrder] = field(default_factory=dict)
    ended: dict[str, JobReport] = field(default_factory=dict)
    cancelled: str = ""
    finished_at: float = 0.0

    @property
    def running(self) -> tuple[str, ...]:
        """Keys of the instances that were started and have not ended."""
        return tuple(key for key in self.orders if key not in self.ended)


def fold(events: Iterable[Event]) -> RunState:
    """Where the events leave the run. Raises ValueError if the first is not Created."""
    first, *rest = events
    if not isinstance(first, Created):
        raise ValueError("a run begins with its creation")
    state = RunState(first.spec, first.at)
    for event in rest:
        state = after(state, event)
    return state


def after(state: RunState, event: Event) -> RunState:
    """The state once this has happened too."""
    match event:
        case Planned():
            return replace(state, planned={**state.planned, event.job: event.keys})
        case Started():
            return replace(state, orders={**state.orders, event.order.key: event.order})
        case Ended():
            return replace(state, ended={**state.ended, event.report.key: event.report})
        case Cancelled():
            return replace(state, cancelled=event.because or f"cancelled by {event.by}")
        case Finished():
            return replace(state, phase=event.outcome, finished_at=event.at)
        case Created():
            return state


def conclusion(reports: Iterable[JobReport]) -> JobOutcome:
    """What `needs.JOB.result` is for these instances: the worst; skipped only if all are."""
    outcomes = [r.outcome for r in reports]
    for worst in ("failure", "cancelled", "success"):
        if worst in outcomes:
            return worst
    return "skipped"
