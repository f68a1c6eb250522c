"""The verdict report: all that the judge's recorded windows and findings can tell a person.

Pure and deterministic; nothing is decided here. Called by the read model (store/views/verdict.py),
shown as text, JSON and plot.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headway.analysis import outlook as forecast
from headway.analysis import roles, words
from headway.analysis.changes import Change, changes
from headway.analysis.judge import BETA, Finding, Setup, State
from headway.analysis.outlook import Ahead, Outlook
from headway.analysis.tracks import NONE, SignalReport, picked, signals
from headway.analysis.versions import Compared, compared
from headway.model.service import Signal
from headway.model.verdict import Outcome
from headway.model.window import Window

NEED = -math.log(BETA)
GREY = "neither harm nor its absence: it lies between what is tolerated and what is harmful"


@dataclass(frozen=True, slots=True)
class Tick:
    """One window. Seconds since users first reached the version; requests None: not counted."""

    index: int
    start_seconds: float
    end_seconds: float
    step: int
    share: float
    candidate_requests: int | None
    stable_requests: int | None
    outcome: str
    log_evidence: float | None
    baseline: str


@dataclass(frozen=True, slots=True)
class Unproven:
    """A signal whose harm is not excluded at the step in force, and why not."""

    signal: str
    because: str


@dataclass(frozen=True, slots=True)
class Report:
    """`boundary`: the log evidence at which a version is rolled back; `confidence`: of every
    interval, at all times together. `windows` in all; `ticks` are at most 240 of them.
    """

    outcome: str
    because: str
    confidence: float
    boundary: float | None
    log_evidence: float | None
    windows: int
    ticks: tuple[Tick, ...]
    signals: tuple[SignalReport, ...]
    versions: tuple[Compared, ...]
    unproven: tuple[Unproven, ...]
    changes: tuple[Change, ...]
    outlook: Outlook | None


@dataclass(frozen=True, slots=True)
class Case:
    """What is reported on. `own`: the service's own signals, and saturation where it is measured;
    `ahead` None: the rollout has ended.
    """

    setup: Setup
    state: State
    own: tuple[Signal, ...]
    ahead: Ahead | None


def report(case: Case, judged: Sequence[tuple[Window, Finding]]) -> Report:
    """The report on these windows, in order, with the findings recorded on them."""
    confidence = case.setup.analysis.confidence
    last = judged[-1][1] if judged else None
    windows = [w for w, _ in judged]
    found = tuple(signals(judged, case.state, case.setup.analysis, case.own))
    return Report(
        outcome=str(last.verdict.outcome) if last else str(Outcome.WAIT),
        because=last.verdict.because if last else "insufficient data: no window is complete yet",
        confidence=confidence,
        boundary=round(last.boundary, 4) if last else None,
        log_evidence=_evidence(last) if last else None,
        windows=len(judged),
        ticks=tuple(_tick(*judged[i]) for i in picked(len(judged))),
        signals=found,
        versions=compared(windows),
        unproven=_unproven(case.state, found, last),
        changes=_changes(case, windows),
        outlook=_outlook(case, windows, last),
    )


def _tick(window: Window, finding: Finding) -> Tick:
    return Tick(
        index=window.index,
        start_seconds=round(window.start, 3),
        end_seconds=round(window.end, 3),
        step=window.step,
        share=window.share,
        candidate_requests=window.candidate.total.requests if window.candidate else None,
        stable_requests=window.stable.total.requests if window.stable else None,
        outcome=str(finding.verdict.outcome),
        log_evidence=_evidence(finding),
        baseline=finding.baseline,
    )


def _evidence(finding: Finding) -> float | None:
    return round(finding.log_evidence, 4) if finding.log_evidence > NONE else None


def _changes(case: Case, windows: list[Window]) -> tuple[Change, ...]:
    """While it runs, what would still change it; afterwards, only what made it fail."""
    if case.ahead is None and not case.state.failed:
        return ()
    return changes(case.setup, case.state, windows)


def _outlook(case: Case, windows: list[Window], last: Finding | None) -> Outlook | None:
    if case.ahead is None or last is None or last.verdict.outcome is not Outcome.WAIT:
        return None
    return forecast.outlook(case.setup, case.state, windows, case.ahead)


def _unproven(
    state: State, found: Sequence[SignalReport], last: Finding | None
) -> tuple[Unproven, ...]:
    """In the order of the signals. Single instances never have to be proven."""
    if state.failed:
        return ()
    at_step = {s.name: s for s in last.signals} if last else {}
    proof = state.proof
    held = {
        words.name(role, "", proof.bounds_ms.get(role)): evidence
        for role, evidence in proof.harmless.items()
        if role == roles.ERRORS or role in proof.bounds_ms or roles.own_kind(role)
    }
    told = []
    for signal in found:
        seen = at_step.get(signal.name)
        if seen is not None and (seen.harm_excluded or signal.candidate is None):
            continue
        if seen is None:
            why = "not compared at this step yet"
        elif not seen.n_candidate:
            why = "the new version had no data of it at this step"
        elif not seen.n_stable and last is not None and last.baseline == "concurrent":
            why = "the stable version had no data of it at this step"
        else:
            why = _short(held.get(signal.name, 0.0), seen.n_candidate)
        told.append(Unproven(signal.name, why))
    if not any(s.name.startswith("slower than ") for s in found):
        told.append(Unproven("latency", "the stable version's latencies are not known yet"))
    return tuple(told)


def _short(held: float, seen: int) -> str:
    """Too few requests, or a difference in the grey zone. `held`: log evidence against harm."""
    if held <= -1.0:
        return GREY
    return f"log evidence against harm {held:.1f}, needs {NEED:.1f}; {seen:,} seen at this step"
