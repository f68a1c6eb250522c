"""The verdict report of one rollout, and how much longer it may take: the judge's recorded windows
and findings read again. For `headway rollout report`, `rollout show` and pages.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from headway import typed
from headway.analysis import outlook as forecast
from headway.analysis import report as analysis
from headway.analysis import shadow
from headway.analysis.judge import Finding, Setup, State, begin
from headway.analysis.memory import Memory
from headway.analysis.outlook import Outlook
from headway.analysis.report import Case, Report
from headway.metrics.window import judged as with_measured
from headway.metrics.window import watched
from headway.model.event import Event
from headway.model.rollout import Rollout
from headway.model.window import Window
from headway.store import log, records, rollouts
from headway.store.records import loads
from headway.store.tables import rollouts as table
from headway.store.views.moments import at, moment

SETTLED = 30  # windows that an outlook is drawn from


@dataclass(frozen=True, slots=True)
class StepMark:
    """A step, and when it took effect: seconds since users first reached the version, or None."""

    step: int
    share: float
    began_seconds: float | None


@dataclass(frozen=True, slots=True)
class Promoted:
    """A step that was left without proof. `to`: the step that followed."""

    step: int
    to: int
    because: str
    at: datetime


@dataclass(frozen=True, slots=True)
class VerdictView:
    """A rollout and its report. `state`: one word; `ended_seconds`: since users first reached it.

    `unproven_promotions`: what a person or the clock decided, not the judge.
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
    insufficient_data: str
    state: str
    step: int
    share: float
    because: str
    started_at: datetime
    finished_at: datetime | None
    ended_seconds: float | None
    steps: tuple[StepMark, ...]
    unproven_promotions: tuple[Promoted, ...]
    report: Report


def read(connection: sa.Connection, id: str, now: float) -> VerdictView:
    """The report at Unix time `now` on the rollout with exactly this id."""
    row = connection.execute(sa.select(table).where(table.c.id == id)).one()
    state = loads(row.state, Rollout)
    events = log.any_of(connection, subject=[id])
    judged = [
        (loads(w, Window), loads(f, Finding)) for w, f in rollouts.all_windows(connection, id)
    ]
    last = judged[-1][0] if judged else None
    ended = next((e.at for e in events if e.kind in ENDS), 0.0)
    return VerdictView(
        id=row.id,
        delivery=row.delivery,
        service=row.service,
        environment=row.environment,
        release=row.release,
        digest=row.digest,
        stable=row.stable,
        strategy=state.plan.strategy,
        pace=state.plan.pace.name,
        insufficient_data=state.plan.insufficient_data,
        state=_word(state, row.outcome),
        step=state.at,
        share=state.plan.steps[state.at].share if state.at >= 0 and not row.outcome else 0.0,
        because=row.because or state.held or state.paused,
        started_at=at(row.started_at),
        finished_at=moment(row.finished_at) if row.outcome else None,
        ended_seconds=round(ended - state.exposed, 3) if ended and state.exposed else None,
        steps=_steps(state, events),
        unproven_promotions=tuple(_unproven(events)),
        report=analysis.report(_case(connection, row, state, last, now), judged),
    )


CONCURRENT = frozenset({"canary", "shadow"})  # both versions stay, as in flows/shadow.py
ENDS = frozenset({"release.released", "rollout.failed", "rollout.closed"})


def _word(state: Rollout, outcome: str) -> str:
    return outcome or ("held" if state.held else "paused" if state.paused else state.phase)


def _case(
    connection: sa.Connection, row: Any, state: Rollout, last: Window | None, now: float
) -> Case:
    """What the judge was set up with: the release's own configuration."""
    release = records.release(connection, row.release)
    environment = release.config.environment(row.environment)
    declared, plan = environment.analysis, state.plan
    beside = row.stable and plan.strategy in CONCURRENT
    journeys = tuple(j.file for j in environment.tests.journeys) if beside else ()
    asked = shadow.watched(
        with_measured(declared),
        mirrored=last is not None and plan.steps[last.step].mirror > 0,
        journeys=journeys,
    )
    setup = Setup(asked, plan.holdback, _snapshot(connection, row.id))
    return Case(
        setup=setup,
        state=loads(row.judge, State) if row.judge else begin(setup),
        own=(*watched(declared), shadow.DIFFERENCES, *(shadow.journey(j) for j in journeys)),
        ahead=None if row.outcome else forecast.ahead(state, now),
    )


def _snapshot(connection: sa.Connection, id: str) -> Memory | None:
    """What stood in for a stable version, as the rollout's own event tells."""
    for event in log.any_of(connection, id=[f"{id}/0/rollout.baseline"]):
        data: dict[str, Any] = event.data
        if data["used"]:
            return typed.convert(data["memory"], Memory)
    return None


def outlook(connection: sa.Connection, id: str, now: float) -> Outlook | None:
    """How much longer "insufficient data" lasts at this rate. None if that is not the verdict."""
    row = connection.execute(sa.select(table).where(table.c.id == id)).one()
    if row.outcome or not row.judge:
        return None
    state = loads(row.state, Rollout)
    recent = rollouts.last_windows(connection, id, SETTLED)
    finding = loads(row.verdict, Finding) if row.verdict else None
    if not recent or finding is None or finding.verdict.outcome != "WAIT":
        return None
    case = _case(connection, row, state, recent[-1], now)
    todo = forecast.ahead(state, now)
    return forecast.outlook(case.setup, case.state, recent, todo)


def _steps(state: Rollout, events: list[Event]) -> tuple[StepMark, ...]:
    begun: dict[Any, float] = {e.data["step"]: e.at for e in events if e.kind == "rollout.shifted"}
    return tuple(
        StepMark(
            number,
            step.share,
            round(begun[number] - state.exposed, 3) if number in begun else None,
        )
        for number, step in enumerate(state.plan.steps)
    )


def _unproven(events: list[Event]) -> list[Promoted]:
    found = []
    for event in events:
        data: dict[str, Any] = event.data
        if event.kind == "rollout.moved" and data.get("proven") is False:
            found.append(Promoted(data["step"], data["to"], str(data["because"]), at(event.at)))
    return found
