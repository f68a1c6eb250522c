"""A run: what it is of, what has happened, and where that leaves it. Status is a fold of events.

The events are the run's log (store/run_log.py), appended and never changed; after a crash, for a
re-run and for every page, `fold` of them is all there is to know.
"""

from collections.abc import Iterable
from dataclasses import field, replace
from typing import Any, Literal

from headway.model.job import JobOrder, JobOutcome, JobReport
from headway.model.job_settings import JobSettings
from headway.model.service import ApprovalPolicy
from headway.pipeline.run.substitutes import Substitutes
from headway.record import dataclass

RunPhase = Literal["running", "success", "failure", "cancelled"]


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run is of; fixed when it is created.

    `texts`: the workflow file and the local workflows that it calls, by path, as they were at
    `sha`; remote ones by `owner/name/path@ref`. `payload` is `github.event`. `only`: job ids to run
    with their needs (empty: all). `actions`: `owner/name@ref` to the pinned commit. `folder`: see
    JobOrder. `of`: the run this one repeats. `fresh`: no result of another run is taken instead of
    running a job. `env`: variables given from outside, below the workflow's. `sources`: job id to
    the paths its result depends on (empty: the whole tree). `changed`: files of `folder` that
    differ from `sha`. `gates`: environment, without case, to the approval that its jobs wait for.
    `substitutes`: what stands in for what is not there. `served`: the server drives it, and goes on
    with it by itself. `service`: to whom results of tests belong. `settings`: what headway.yaml
    says of jobs, by id. `environment_vars`: environment, without case, to `vars` that its jobs see
    instead of the others.
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
    fresh: bool = False
    env: dict[str, str] = field(default_factory=dict)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    gates: dict[str, ApprovalPolicy] = field(default_factory=dict)
    substitutes: Substitutes = field(default_factory=Substitutes)
    changed: int = 0
    served: bool = False
    service: str = ""
    settings: dict[str, JobSettings] = field(default_factory=dict)
    environment_vars: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Created:
    """The run exists. `title`: its `run-name`. `kept`: green reports of the run it repeats.
    `warned`: what whoever started it should know.
    """

    spec: RunSpec
    at: float
    title: str = ""
    kept: tuple[JobReport, ...] = ()
    warned: tuple[str, ...] = ()
    kind: Literal["created"] = "created"


@dataclass(frozen=True, slots=True)
class Planned:
    """A job of the file has become these instances (more than one: a matrix; none: an empty one).

    `job` is the id in the file, inside a called workflow `caller / job`. `names` and `matrices`
    have one element a key (a job without a matrix: None). `max_parallel` 0: as many as there are.
    """

    job: str
    keys: tuple[str, ...]
    at: float
    names: tuple[str, ...] = ()
    matrices: tuple[dict[str, Any] | None, ...] = ()
    fail_fast: bool = True
    max_parallel: int = 0
    kind: Literal["planned"] = "planned"


@dataclass(frozen=True, slots=True)
class Called:
    """An instance of a job that calls a workflow begins; `inputs` are the called workflow's."""

    key: str
    workflow: str
    inputs: dict[str, Any]
    at: float
    kind: Literal["called"] = "called"


@dataclass(frozen=True, slots=True)
class Started:
    """The order is given to a runner. Given again after a crash, with the same attempt.

    `fingerprint`: the content key (keys.py), "" for an instance whose result is never reused.
    """

    order: JobOrder
    at: float
    fingerprint: str = ""
    kind: Literal["started"] = "started"


@dataclass(frozen=True, slots=True)
class Ended:
    """The instance is over: run, skipped, cancelled or reused. `job`: the id in the file.

    `tolerated`: red, but `continue-on-error` says that it counts as green. A job that calls a
    workflow ends after its jobs, with a report without steps.
    """

    job: str
    report: JobReport
    at: float
    tolerated: bool = False
    kind: Literal["ended"] = "ended"


@dataclass(frozen=True, slots=True)
class Retried:
    """A try of the instance is over, and another begins when it is `due` (Unix seconds)."""

    job: str
    report: JobReport
    at: float
    due: float
    because: str = ""
    kind: Literal["retried"] = "retried"


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody, or a newer run of the concurrency group, wants the run to stop.

    `key`: only this instance. `forced`: also jobs whose condition lets them survive (`always()`).
    """

    by: str
    because: str
    at: float
    key: str = ""
    forced: bool = False
    kind: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True, slots=True)
class Asked:
    """The instance may not begin before somebody approves its environment."""

    key: str
    environment: str
    at: float
    kind: Literal["asked"] = "asked"


@dataclass(frozen=True, slots=True)
class Decided:
    """A person's decision about an environment, for this run. `at`: when it was said; `teams`: by
    which of those that the environment names they decided.
    """

    environment: str
    by: str
    approved: bool
    because: str
    at: float
    teams: tuple[str, ...] = ()
    kind: Literal["decided"] = "decided"


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing more happens."""

    outcome: Literal["success", "failure", "cancelled"]
    at: float
    kind: Literal["finished"] = "finished"


Event = (
    Created | Planned | Called | Started | Ended | Retried | Cancelled | Asked | Decided | Finished
)


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run stands. `planned`: job id to instance keys; `plans` the same with all that was
    planned; `orders` by key (started); `ended`: reports by key, in the order they ended; `calls` by
    the calling instance's key; `stopped`: instances that alone shall stop, and why; `fingerprints`:
    content keys of started instances. `asked`: key to the environment that it waits for, or did;
    `decided`: what people said, as it came; `asked_at`: since when it waits. `tries`: reports of
    tries that did not end an instance, oldest first; `due`: when its next one may begin. `warned`:
    what was said when it was created.
    """

    spec: RunSpec
    created_at: float
    phase: RunPhase = "running"
    planned: dict[str, tuple[str, ...]] = field(default_factory=dict)
    orders: dict[str, JobOrder] = field(default_factory=dict)
    ended: dict[str, JobReport] = field(default_factory=dict)
    cancelled: str = ""
    finished_at: float = 0.0
    title: str = ""
    kept: dict[str, JobReport] = field(default_factory=dict)
    plans: dict[str, Planned] = field(default_factory=dict)
    calls: dict[str, Called] = field(default_factory=dict)
    tolerated: frozenset[str] = frozenset()
    stopped: dict[str, str] = field(default_factory=dict)
    forced: bool = False
    fingerprints: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    decided: tuple[Decided, ...] = ()
    tries: dict[str, tuple[JobReport, ...]] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)
    asked_at: dict[str, float] = field(default_factory=dict)
    warned: tuple[str, ...] = ()

    @property
    def running(self) -> tuple[str, ...]:
        """Keys of the instances that were started and have not ended."""
        return tuple(key for key in self.orders if key not in self.ended)

    @property
    def held(self) -> dict[str, str]:
        """Instances that wait for a person, and the environment of each."""
        open_ = {k: e for k, e in self.asked.items() if k not in self.orders}
        return {k: e for k, e in open_.items() if k not in self.ended}


def created(event: Created) -> RunState:
    """The state of a run that has just been created."""
    kept = {report.key: report for report in event.kept}
    return RunState(event.spec, event.at, title=event.title, kept=kept, warned=event.warned)


def fold(events: Iterable[Event]) -> RunState:
    """Where the events leave the run. Raises ValueError if the first is not Created."""
    first, *rest = events
    if not isinstance(first, Created):
        raise ValueError("a run begins with its creation")
    state = created(first)
    for event in rest:
        state = after(state, event)
    return state


def after(state: RunState, event: Event) -> RunState:
    """The state once this has happened too."""
    match event:
        case Planned():
            return replace(
                state,
                planned={**state.planned, event.job: event.keys},
                plans={**state.plans, event.job: event},
            )
        case Called():
            return replace(state, calls={**state.calls, event.key: event})
        case Started():
            return _started(state, event)
        case Ended() | Retried():
            return _over(state, event)
        case Cancelled():
            return _cancelled(state, event)
        case Asked() | Decided():
            return _people(state, event)
        case Finished():
            return replace(state, phase=event.outcome, finished_at=event.at)
        case Created():
            return state


def _people(state: RunState, event: Asked | Decided) -> RunState:
    if isinstance(event, Decided):
        return replace(state, decided=(*state.decided, event))
    return replace(
        state,
        asked={**state.asked, event.key: event.environment},
        asked_at={**state.asked_at, event.key: event.at},
    )


def _started(state: RunState, event: Started) -> RunState:
    key = event.order.key
    marks = state.fingerprints
    if event.fingerprint:
        marks = {**marks, key: event.fingerprint}
    return replace(state, orders={**state.orders, key: event.order}, fingerprints=marks)


def _over(state: RunState, event: Ended | Retried) -> RunState:
    return _ended(state, event) if isinstance(event, Ended) else _retried(state, event)


def _ended(state: RunState, event: Ended) -> RunState:
    key = event.report.key
    tolerated = state.tolerated | {key} if event.tolerated else state.tolerated
    return replace(state, ended={**state.ended, key: event.report}, tolerated=tolerated)


def _retried(state: RunState, event: Retried) -> RunState:
    key = event.report.key
    return replace(
        state,
        orders={k: order for k, order in state.orders.items() if k != key},
        tries={**state.tries, key: (*state.tries.get(key, ()), event.report)},
        due={**state.due, key: event.due},
    )


def _cancelled(state: RunState, event: Cancelled) -> RunState:
    because = event.because or f"cancelled by {event.by}"
    if event.key:
        return replace(state, stopped={**state.stopped, event.key: because})
    return replace(state, cancelled=because, forced=state.forced or event.forced)


def effective(state: RunState, key: str) -> JobOutcome:
    """What the ended instance counts as for those that need it: `continue-on-error` makes a red one
    green.
    """
    return "success" if key in state.tolerated else state.ended[key].outcome


def conclusion(outcomes: Iterable[JobOutcome]) -> JobOutcome:
    """What `needs.JOB.result` is for instances that count as these: the worst; skipped only if all
    are.
    """
    found = set(outcomes)
    for worst in _WORST_FIRST:
        if worst in found:
            return worst
    return "skipped"


_WORST_FIRST: tuple[JobOutcome, ...] = ("failure", "cancelled", "success")
