"""The whole story of one delivery, told from its events: `headway delivery show`, `trace`, pages.

Who, what, when and where of each environment it came to (the release registry's answer).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from headway.model.event import Event
from headway.store import log, records
from headway.store.views import waiting
from headway.store.views.moments import at, moment


@dataclass(frozen=True, slots=True)
class StepSeen:
    """One step of a job; `headway pipeline logs` has its output."""

    name: str
    outcome: str
    exit: int | None


@dataclass(frozen=True, slots=True)
class JobSeen:
    """One job of the pipeline that has ended."""

    name: str
    outcome: str
    seconds: float
    at: datetime
    steps: tuple[StepSeen, ...]
    id: str
    reused: str


@dataclass(frozen=True, slots=True)
class GateSeen:
    """What one gate said last."""

    judge: str
    outcome: str
    because: str


@dataclass(frozen=True, slots=True)
class TestSeen:
    """One test of an environment; `problem` is empty if it passed."""

    test: str
    outcome: str
    problem: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """What a person said, when, and why."""

    verb: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Visit:
    """What happened in one environment. `state` is one word; `share` is the candidate's now.

    `milliseconds`: from the decision to go back until the proxy confirmed it.
    """

    environment: str
    state: str = "waiting"
    because: str = ""
    entered_at: datetime | None = None
    ended_at: datetime | None = None
    gates: tuple[GateSeen, ...] = ()
    admission: GateSeen | None = None
    tests: tuple[TestSeen, ...] = ()
    said: tuple[Said, ...] = ()
    rollout: str = ""
    strategy: str = ""
    pace: str = ""
    stable: str = ""
    shares: tuple[float, ...] = ()
    step: int = -1
    share: float = 0.0
    windows: int = 0
    verdict: GateSeen | None = None
    address: str = ""
    milliseconds: float | None = None
    recovery: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One commit's journey. `planned`: the jobs of its pipeline; `path`: its environments.
    `code`: of the error it ended by, or empty. `built_by`: who built it if not Headway, or empty.
    `waits`: what it waits for now, in one sentence; empty once it has ended.
    """

    id: str
    service: str
    sha: str
    ref: str
    repo: str
    author: str
    subject: str
    by: str
    state: str
    outcome: str
    because: str
    code: str
    release: str
    digest: str
    size_bytes: int | None
    statement: str
    requested_at: datetime | None
    finished_at: datetime | None
    seconds: float | None
    planned: tuple[str, ...]
    jobs: tuple[JobSeen, ...]
    path: tuple[str, ...]
    visits: tuple[Visit, ...]
    last_seq: int
    built_by: str = ""
    waits: str = ""


@dataclass(slots=True)
class _Told:
    """What the events read so far have told."""

    planned: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    jobs: list[JobSeen] = field(default_factory=list)
    size_bytes: int | None = None
    statement: str = ""
    code: str = ""
    built_by: str = ""
    visits: dict[str, Visit] = field(default_factory=dict)
    last_seq: int = 0


def read(connection: sa.Connection, id: str) -> DeliveryView:
    """The story so far of exactly this delivery. Raises Invalid (`unknown-delivery`)."""
    known = records.delivery(connection, id)
    told = _Told()
    for event in _events(connection, id):
        _hear(told, event)
    ended = known.finished_at
    return DeliveryView(
        id=known.id,
        service=known.service,
        sha=known.sha,
        ref=known.ref,
        repo=known.repo,
        author=known.author,
        subject=known.subject,
        by=known.by,
        state=known.state,
        outcome=known.outcome,
        because=known.because,
        code=told.code,
        release=known.release,
        digest=known.digest,
        size_bytes=told.size_bytes,
        statement=told.statement,
        requested_at=moment(known.requested_at),
        finished_at=moment(ended),
        seconds=round(ended - known.requested_at, 3) if ended else None,
        planned=told.planned,
        jobs=tuple(told.jobs),
        path=told.path,
        visits=tuple(told.visits.values()),
        last_seq=told.last_seq,
        built_by=told.built_by,
        waits=waiting.of_delivery(connection, id),
    )


def _events(connection: sa.Connection, id: str) -> list[Event]:
    found: list[Event] = []
    while more := log.after(connection, found[-1].seq if found else 0, delivery=id):
        found += more
    return found


def _hear(told: _Told, event: Event) -> None:
    data: dict[str, Any] = event.data
    told.last_seq = event.seq
    match event.kind.partition(":")[0]:
        case "pipeline.started":
            told.planned, told.path = tuple(data["jobs"]), tuple(data["path"])
        case "artifact.handed_over":
            told.path, told.built_by = tuple(data["path"]), data["builder"]
        case "job.finished":
            told.jobs.append(_job(event))
        case "artifact.packed":
            told.size_bytes, told.statement = data["size_bytes"], data["statement"]
        case "delivery.finished":
            told.code = data["code"]
    if event.environment:
        here = told.visits.get(event.environment) or Visit(event.environment)
        change = CHANGES.get(event.kind)
        changes = change(here, event, data) if change else {}
        told.visits[event.environment] = replace(here, **changes)


def _job(event: Event) -> JobSeen:
    data: dict[str, Any] = event.data
    steps = tuple(StepSeen(s["name"], s["outcome"], s["exit"]) for s in data["steps"])
    words = data["outcome"], data["seconds"], at(event.at), steps
    return JobSeen(data["job"], *words, data.get("id", data["job"]), data.get("reused", ""))


Data = dict[str, Any]


def _gates(_here: Visit, _event: Event, data: Data) -> Data:
    state = {"PASS": "entering", "WAIT": "waiting"}.get(data["outcome"], "refused")
    gates = tuple(GateSeen(**g) for g in data["gates"])
    return {"gates": gates, "state": state, "because": data["because"]}


def _verified(_here: Visit, event: Event, data: Data) -> Data:
    said = {"admission": GateSeen(data["judge"], data["outcome"], data["because"])}
    if data["outcome"] == "PASS":
        return {**said}
    return {**said, "state": "refused", "because": data["because"], "ended_at": at(event.at)}


def _tests(here: Visit, event: Event, data: Data) -> Data:
    when = at(event.at)
    if "tests" not in data:
        name = f"{data['workflow']} {data['job']}"
        return {"tests": (*here.tests, TestSeen(name, data["outcome"], "", when))}
    seen = (
        TestSeen(t["test"], "FAIL" if t["problem"] else "PASS", t["problem"], when)
        for t in data["tests"]
    )
    return {"tests": (*here.tests, *seen)}


def _started(_here: Visit, event: Event, data: Data) -> Data:
    known = {k: data[k] for k in ("rollout", "strategy", "pace", "stable")}
    fresh = {"step": -1, "share": 0.0, "windows": 0, "verdict": None}
    begun = {"state": "starting", "because": "", "entered_at": at(event.at)}
    return {**known, **fresh, **begun, "shares": tuple(data["steps"])}


def _shifted(_here: Visit, _event: Event, data: Data) -> Data:
    now = {k: data[k] for k in ("step", "share", "address")}
    return {**now, "state": "baking", "verdict": None, "because": ""}


def _judged(here: Visit, _event: Event, data: Data) -> Data:
    verdict = GateSeen("analysis", data["outcome"], data["because"])
    return {"verdict": verdict, "windows": here.windows + 1}


def _released(_here: Visit, event: Event, data: Data) -> Data:
    over = {"state": "released", "share": 1.0, "ended_at": at(event.at)}
    return {**over, "because": data["because"], "address": data["address"]}


def _shadowed(_here: Visit, event: Event, data: Data) -> Data:
    over = {"state": "shadowed", "share": 0.0, "ended_at": at(event.at)}
    return {**over, "because": data["because"]}


def _rolled_back(_here: Visit, event: Event, data: Data) -> Data:
    over = {"state": "rolled back", "share": 0.0, "ended_at": at(event.at)}
    return {**over, "because": data["because"], "milliseconds": data["milliseconds"]}


def _closed(_here: Visit, event: Event, data: Data) -> Data:
    return {"state": "failed", "because": data["because"], "ended_at": at(event.at), "share": 0.0}


def _said(here: Visit, event: Event, data: Data) -> Data:
    verb = data.get("verb") or ("approve" if data["approved"] else "reject")
    return {"said": (*here.said, Said(verb, data["by"], data["reason"], at(event.at)))}


def _goes_on(here: Visit, _event: Event, _data: Data) -> Data:
    return {"state": "baking"} if here.state in {"held", "paused"} else {}


def _continued(here: Visit, _event: Event, _data: Data) -> Data:
    last = here.step == len(here.shares) - 1
    return {"state": "starting" if here.step < 0 else "stability" if last else "baking"}


CHANGES: dict[str, Callable[[Visit, Event, Data], Data]] = {
    "gates.judged": _gates,
    "artifact.verified": _verified,
    "tests.finished": _tests,
    "rollout.started": _started,
    "rollout.shifted": _shifted,
    "rollout.judged": _judged,
    "rollout.held": lambda _v, _e, data: {"state": "held", "because": data["because"]},
    "rollout.moved": lambda _v, _e, data: {"because": data["because"]},
    "rollout.pause": lambda _v, _e, data: {
        "state": "paused",
        "because": f"paused by {data['by']}: {data['reason']}",
    },
    "rollout.halted": lambda _v, _e, data: {"state": "stopped", "because": data["because"]},
    "rollout.continued": _continued,
    "rollout.resume": _goes_on,
    "rollout.promote": _goes_on,
    "rollout.settled": lambda _v, _e, _d: {"state": "stability"},
    "rollout.failed": lambda _v, _e, data: {"state": "going back", "because": data["because"]},
    "rollout.rolled_back": _rolled_back,
    "rollout.closed": _closed,
    "rollout.recovered": lambda _v, _e, data: {"recovery": data["outcome"]},
    "release.released": _released,
    "rollout.shadowed": _shadowed,
    "approval.decided": _said,
    "command.given": _said,
}
