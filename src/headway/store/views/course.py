"""A rollout over time, for charts: each signal's track of both versions, the latencies of each
window, the evidence of harm and its boundary.

The windows and findings are the recorded ones; nothing is judged again. Cheaper than the verdict
report (views/verdict.py), because a page asks for it each time something changes.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import sqlalchemy as sa

from headway.analysis.judge import Finding, State
from headway.analysis.tracks import NONE, SignalReport, picked, signals
from headway.histogram.quantile import quantile
from headway.metrics.window import watched
from headway.model.rollout import Rollout
from headway.model.service import Analysis
from headway.model.window import VersionCounts, Window
from headway.store import records, rollouts
from headway.store.records import loads
from headway.store.tables import rollouts as table
from headway.store.views.moments import at

REMEMBERED = 16


@dataclass(frozen=True, slots=True)
class Tick:
    """At the end of one window: requests per second, p95 in milliseconds of each version in that
    window alone, and the log evidence of harm so far. None: no data.
    """

    at: datetime
    share: float
    candidate_rate: float | None
    stable_rate: float | None
    candidate_p95: float | None
    stable_p95: float | None
    log_evidence: float | None


@dataclass(frozen=True, slots=True)
class Course:
    """`began`: when users first reached the version, to which the points' seconds are added;
    `tolerated`: (absolute, relative) difference of errors; `confidence`: of the tracks' bands;
    `boundary`: the log evidence at which it is rolled back, None before the first window.
    """

    began: datetime
    ticks: tuple[Tick, ...]
    signals: tuple[SignalReport, ...]
    tolerated: tuple[float, float]
    confidence: float
    boundary: float | None


def read(connection: sa.Connection, id: str) -> Course:
    """Of the rollout with exactly this id."""
    row = connection.execute(sa.select(table).where(table.c.id == id)).one()
    state = loads(row.state, Rollout)
    told = tuple(rollouts.all_windows(connection, id))
    judged = _judged(told)
    release = records.release(connection, row.release)
    declared = release.config.environment(row.environment).analysis
    began = state.exposed or row.started_at
    return Course(
        began=at(began),
        ticks=tuple(_tick(began, *judged[i]) for i in picked(len(judged))),
        signals=_signals(told, row.judge, declared),
        tolerated=(declared.errors_absolute, declared.errors_relative),
        confidence=declared.confidence,
        boundary=judged[-1][1].boundary if judged else None,
    )


Told = tuple[tuple[str, str], ...]


def _judged(told: Told) -> list[tuple[Window, Finding]]:
    return [(loads(w, Window), loads(f, Finding)) for w, f in told]


@lru_cache(maxsize=REMEMBERED)
def _signals(told: Told, judge: str, declared: Analysis) -> tuple[SignalReport, ...]:
    """Worked out once for the very same windows, findings and settings, as whoever looks at a
    rollout asks for it again and again: the intervals of many windows take long.
    """
    if not told or not judge:
        return ()
    return tuple(signals(_judged(told), loads(judge, State), declared, watched(declared)))


def _tick(began: float, window: Window, finding: Finding) -> Tick:
    seconds = window.end - window.start
    evidence = finding.log_evidence
    return Tick(
        at=at(began + window.end),
        share=window.share,
        candidate_rate=_rate(window.candidate, seconds),
        stable_rate=_rate(window.stable, seconds),
        candidate_p95=_p95(window.candidate, window),
        stable_p95=_p95(window.stable, window),
        log_evidence=round(evidence, 3) if evidence > NONE else None,
    )


def _rate(side: VersionCounts | None, seconds: float) -> float | None:
    return None if side is None or seconds <= 0 else round(side.total.requests / seconds, 2)


def _p95(side: VersionCounts | None, window: Window) -> float | None:
    if side is None or not side.total.buckets:
        return None
    found = quantile(window.bounds_ms, side.total.buckets, 0.95)
    return None if found is None else round(found, 2)
