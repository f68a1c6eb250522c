"""One rollout in full: each step with its numbers, intervals, evidence and reason; every move.

For `headway rollout show` and the analysis report of a page. The numbers come from the recorded
windows, the reasons from the judge's recorded findings: nothing is judged again.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from headway import typed
from headway.analysis.judge import Finding, SignalFinding
from headway.analysis.outlook import Outlook
from headway.model.event import Event
from headway.model.rollout import Rollout, Step
from headway.model.window import Counts, VersionCounts, Window
from headway.store import log, rollouts
from headway.store.records import loads
from headway.store.tables import rollouts as table
from headway.store.views import waiting
from headway.store.views.moments import at, moment
from headway.store.views.window import Side, WindowView, side, view


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of traffic. Totals are of its windows; `signals` are what the judge held last.

    `log_evidence` of harm counts over the whole rollout; at `boundary` it is rolled back.
    """

    step: int
    share: float
    mirror: float
    began_at: datetime | None
    seconds: float | None
    windows: int
    candidate: Side
    stable: Side
    outcome: str
    because: str
    log_evidence: float | None
    boundary: float | None
    baseline: str
    signals: tuple[SignalFinding, ...]


@dataclass(frozen=True, slots=True)
class Happened:
    """A move, a hold or a person's word."""

    at: datetime
    what: str
    step: int | None
    because: str
    proven: bool | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Of so many answers while requests were mirrored, how many differed and in what; `control`:
    how many of stable's own second answers did. `examples` as in ports/shadow_differ, the last 20.
    """

    compared: int
    candidate: int
    control: int
    kinds: dict[str, int]
    examples: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The snapshot that stood for a stable version where none ran beside: whose it was, how old
    when it was first asked for, whether it was used, and the warning or reason in words.
    """

    release: str
    age_seconds: float
    used: bool
    stale: bool
    because: str


@dataclass(frozen=True, slots=True)
class RolloutView:
    """`milliseconds`: from the decision to go back until the proxy confirmed it.

    `recovery`: PASS, FAIL or WAIT for the last known good afterwards. `approvals`: how many the
    step in force asks for; `granted`: who gave one. `waits`: what it waits for now, in one
    sentence; empty once it has ended. `stopped`: by whom the line is stopped, and why.
    """

    id: str
    delivery: str
    service: str
    environment: str
    release: str
    digest: str
    stable: str
    strategy: str
    pace: str
    holdback: float
    phase: str
    step: int
    share: float
    paused: str
    held: str
    outcome: str
    because: str
    started_at: datetime
    finished_at: datetime | None
    milliseconds: float | None
    recovery: str
    steps: tuple[StepView, ...]
    moves: tuple[Happened, ...]
    last_window: WindowView | None
    compared: Compared | None = None
    outlook: Outlook | None = None
    snapshot: Baseline | None = None
    approvals: int = 0
    granted: tuple[str, ...] = ()
    waits: str = ""
    stopped: str = ""


def read(connection: sa.Connection, id: str) -> RolloutView:
    """The rollout with exactly this id; its outlook is read by views/verdict.py."""
    row = connection.execute(sa.select(table).where(table.c.id == id)).one()
    state = loads(row.state, Rollout)
    events = _events(connection, id, row.delivery, row.environment)
    judged = [
        (loads(w, Window), loads(f, Finding)) for w, f in rollouts.all_windows(connection, id)
    ]
    back = _data(events, "rollout.rolled_back")
    return RolloutView(
        id=row.id,
        delivery=row.delivery,
        service=row.service,
        environment=row.environment,
        release=row.release,
        digest=row.digest,
        stable=row.stable,
        strategy=state.plan.strategy,
        pace=state.plan.pace.name,
        holdback=state.plan.holdback,
        phase=state.phase,
        step=state.at,
        share=state.plan.steps[state.at].share if state.at >= 0 and not row.outcome else 0.0,
        paused=state.paused,
        held=state.held,
        outcome=row.outcome,
        because=row.because,
        started_at=at(row.started_at),
        finished_at=moment(row.finished_at) if row.outcome else None,
        milliseconds=back.get("milliseconds"),
        recovery=str(_data(events, "rollout.recovered").get("outcome", "")),
        steps=_steps(state, events, judged),
        moves=tuple(_moves(events)),
        last_window=view(judged[-1][0]) if judged else None,
        snapshot=_snapshot(events),
        compared=_compared(events),
        approvals=state.plan.steps[state.at].approvals if state.at >= 0 else 0,
        granted=state.granted,
        waits=waiting.of_rollout(connection, id),
        stopped=state.stopped,
    )


def story(connection: sa.Connection, known: RolloutView) -> list[Event]:
    """What happened to it, oldest first; of the judge's words only those that differ from the one
    before.
    """
    told: list[Event] = []
    last = ""
    for event in _events(connection, known.id, known.delivery, known.environment):
        if event.kind == "rollout.judged":
            outcome = str(event.data["outcome"])
            if outcome == last:
                continue
            last = outcome
        told.append(event)
    return told


def _snapshot(events: list[Event]) -> Baseline | None:
    data = _data(events, "rollout.baseline")
    if not data:
        return None
    known: dict[str, Any] = {k: v for k, v in data.items() if k in Baseline.__dataclass_fields__}
    return Baseline(**known)


def _events(connection: sa.Connection, id: str, delivery: str, environment: str) -> list[Event]:
    """Of the rollout itself, and what people said to its delivery about this environment."""
    return [
        e
        for e in log.any_of(connection, subject=[id], delivery=[delivery])
        if e.subject == id or e.environment == environment
    ]


def _data(events: list[Event], kind: str) -> dict[str, Any]:
    return next((e.data for e in events if e.kind == kind), {})


def _compared(events: list[Event]) -> Compared | None:
    """The newest word on it."""
    told = [e.data for e in events if e.kind in {"rollout.differed", "rollout.compared"}]
    return typed.convert(told[-1], Compared) if told else None


def _steps(
    state: Rollout, events: list[Event], judged: list[tuple[Window, Finding]]
) -> tuple[StepView, ...]:
    shifts = [e for e in events if e.kind == "rollout.shifted"]
    ends = [*(e.at for e in shifts[1:]), _end(events)]
    begun = {_step(e): (e.at, end) for e, end in zip(shifts, ends, strict=True)} if shifts else {}
    return tuple(
        _one(number, step, begun.get(number), [p for p in judged if p[0].step == number])
        for number, step in enumerate(state.plan.steps)
    )


def _step(event: Event) -> int:
    number: Any = event.data["step"]
    return int(number)


def _end(events: list[Event]) -> float:
    over = {"release.released", "rollout.failed", "rollout.closed", "rollout.shadowed"}
    return next((e.at for e in events if e.kind in over), 0.0)


def _one(
    number: int,
    planned: Step,
    time: tuple[float, float] | None,
    judged: list[tuple[Window, Finding]],
) -> StepView:
    last = judged[-1][1] if judged else None
    began, end = time or (0.0, 0.0)
    return StepView(
        step=number,
        share=planned.share,
        mirror=planned.mirror,
        began_at=moment(began),
        seconds=round(end - began, 3) if end else None,
        windows=len(judged),
        candidate=_total([w.candidate for w, _ in judged]),
        stable=_total([w.stable for w, _ in judged]),
        outcome=str(last.verdict.outcome) if last else "",
        because=last.verdict.because if last else "",
        log_evidence=round(last.log_evidence, 4) if last else None,
        boundary=round(last.boundary, 4) if last else None,
        baseline=last.baseline if last else "",
        signals=last.signals if last else (),
    )


def _total(sides: list[VersionCounts | None]) -> Side:
    counts: list[Counts] = [s.total for s in sides if s is not None]
    return side(sum(c.requests for c in counts), sum(c.errors for c in counts))


TOLD = {
    "rollout.started": "started",
    "rollout.held": "held",
    "rollout.settled": "settled",
    "rollout.halted": "stopped",
    "rollout.continued": "continued",
    "release.released": "released",
    "rollout.failed": "failed",
    "rollout.rolled_back": "rolled back",
    "rollout.closed": "closed",
    "rollout.retired": "retired",
    "rollout.shadowed": "shadowed",
    "command.given": "said",
}


def _moves(events: list[Event]) -> list[Happened]:
    told = []
    for event in events:
        data: dict[str, Any] = event.data
        if event.kind == "rollout.moved":
            what = str(data["type"]).replace("_", " ")
        elif event.kind in TOLD:
            what = TOLD[event.kind]
        else:
            continue
        because = data.get("because", "")
        if event.kind == "command.given":
            what, because = f"{data['verb']} by {data['by']}", data["reason"]
        step, proven = data.get("to", data.get("step")), data.get("proven")
        number = step if isinstance(step, int) else None
        told.append(Happened(at(event.at), what, number, str(because), proven))
    return told


def windows(connection: sa.Connection, id: str) -> list[WindowView]:
    """Every judged window, in order."""
    return [view(typed.loads(w, Window)) for w, _ in rollouts.all_windows(connection, id)]


def with_outlook(known: RolloutView, outlook: Outlook | None) -> RolloutView:
    """The same, with how much longer it may take."""
    return replace(known, outlook=outlook)
