"""Each signal over time: both versions' estimates with their confidence sequences, the difference,
and the evidence the judge recorded. Called by `report`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from headway.analysis import roles, sequence, words
from headway.analysis.bets import chosen_bounds
from headway.analysis.evariable import Floats
from headway.analysis.judge import Finding, SignalFinding, State
from headway.analysis.own import PHI
from headway.analysis.sequence import Band, Certainty, Windows
from headway.histogram.survival import above
from headway.model.service import Analysis, Signal
from headway.model.window import Measured, VersionCounts, Window

MOST_POINTS = 240
NONE = -1e8  # log evidence below this: there was nothing to weigh

Unit = Literal["share", "per_unit", "value"]
Pairs = list[tuple[float, float] | None]  # (bad, of) in each window; None: no data
Judged = Sequence[tuple[Window, Finding]]


@dataclass(frozen=True, slots=True)
class Point:
    """At `seconds` since the rollout began: all that was seen until then."""

    seconds: float
    estimate: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Track:
    """One version's signal. `bad` of `of` in all; the last point is what is known now.

    Of a value `of` is the number of samples and `bad` is 0: it has no interval.
    """

    bad: float
    of: float
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval at the report's confidence."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Weight:
    """Log evidence of harm at `seconds`, on the signal's own scale; None: nothing weighed yet."""

    seconds: float
    log_evidence: float | None


@dataclass(frozen=True, slots=True)
class SignalReport:
    """One signal. `unit`: share of requests, events per unit of what they are counted against, or a
    value. `difference`: candidate minus stable. `worse_windows` (of values only): the share of
    windows in which the candidate's value was worse by more than the margin: up to a half is
    within tolerance.
    `guarantee` says what the intervals rest on. `needed`: whether a step must wait until harm is
    excluded here; saturation is only watched.
    """

    name: str
    unit: Unit
    candidate: Track | None
    stable: Track | None
    difference: Interval | None
    worse_windows: Interval | None
    evidence: tuple[Weight, ...]
    log_evidence: float | None
    harm_excluded: bool
    why: str
    guarantee: str
    needed: bool = True


EXACT = "exact for requests that are independent given their version"
WIDENED = "widened {phi:.2g} times for clustered requests: then heuristic, else exact"
POISSON = "for events that come independently of each other, widened {phi:.2g} times"
SIGNS = "the mean has no interval; the share of windows is exact if windows are independent"


@dataclass(frozen=True, slots=True)
class _Series:
    """A signal before arithmetic."""

    name: str
    unit: Unit
    candidate: Pairs
    stable: Pairs
    phi: float
    signal: Signal | None = None


def signals(
    judged: Judged, state: State, analysis: Analysis, own: tuple[Signal, ...]
) -> list[SignalReport]:
    """Errors first, then latency bounds, the service's own signals, and single instances that look
    worse (those without intervals: they are compared only while they look worse).
    """
    alpha = 1 - analysis.confidence
    series = _standard(judged, state, analysis) + _own(judged, own)
    found = [_report(judged, s, alpha) for s in series]
    known = {s.name for s in found}
    last = judged[-1][1].signals if judged else ()
    return found + [_bare(judged, s) for s in last if s.name not in known]


def _standard(judged: Judged, state: State, analysis: Analysis) -> list[_Series]:
    windows = [w for w, _ in judged]
    if not windows:
        return []
    spread, bounds = state.spread, windows[-1].bounds_ms
    errors = _pairs(windows, lambda v, _: (v.total.errors, v.total.requests))
    found = [_Series("errors", "share", *errors, spread.error_phi)]
    for role, j in chosen_bounds(state.memory, bounds, analysis).items():
        slow = _pairs(windows, _slower(j, bounds))
        found.append(_Series(words.name(role, "", bounds[j]), "share", *slow, spread.slow_phi))
    return sorted(found, key=lambda s: s.name != roles.ERRORS)


_Counted = Callable[[VersionCounts, Window], tuple[float, float] | None]


def _slower(j: int, bounds: tuple[float, ...]) -> _Counted:
    def counted(version: VersionCounts, window: Window) -> tuple[float, float] | None:
        buckets = version.total.buckets
        if not buckets or window.bounds_ms != bounds:
            return None
        return above(buckets, j), sum(buckets)

    return counted


def _pairs(windows: list[Window], counted: _Counted) -> tuple[Pairs, Pairs]:
    ours = [counted(w.candidate, w) if w.candidate else None for w in windows]
    return ours, [counted(w.stable, w) if w.stable else None for w in windows]


def _own(judged: Judged, own: tuple[Signal, ...]) -> list[_Series]:
    kinds = {s.name: s for s in own}
    names = sorted({name for w, _ in judged for name in w.signals})
    found = []
    for name in names:
        signal = kinds.get(name.partition("{")[0])
        if signal is None:
            continue
        seen = [w.signals.get(name, Measured(None, None)) for w, _ in judged]
        unit: Unit = {"ratio": "share", "count": "per_unit", "value": "value"}[signal.kind]  # type: ignore[assignment]
        pairs = ([m.candidate for m in seen], [m.stable for m in seen])
        found.append(_Series(name, unit, *pairs, PHI, signal))
    return found


def _report(judged: Judged, series: _Series, alpha: float) -> SignalReport:
    last = _latest(judged, series.name)
    sure = Certainty(alpha, series.phi)
    ends = np.array([w.end for w, _ in judged])
    return SignalReport(
        name=series.name,
        unit=series.unit,
        candidate=_track(series.unit, series.candidate, ends, sure),
        stable=_track(series.unit, series.stable, ends, sure),
        difference=_difference(series, sure),
        worse_windows=_signs(series, alpha),
        evidence=_weights(judged, series.name),
        log_evidence=_held(last),
        harm_excluded=last.harm_excluded if last else False,
        why=last.why if last else "not compared at this step yet",
        guarantee=_guarantee(series),
        needed=series.signal is None or series.signal.weight > 0,
    )


def _bare(judged: Judged, seen: SignalFinding) -> SignalReport:
    return SignalReport(
        name=seen.name,
        unit="share",
        candidate=None,
        stable=None,
        difference=None,
        worse_windows=None,
        evidence=_weights(judged, seen.name),
        log_evidence=_held(seen),
        harm_excluded=seen.harm_excluded,
        why=seen.why,
        guarantee="no interval",
    )


def _guarantee(series: _Series) -> str:
    if series.unit == "value":
        return SIGNS
    if series.unit == "per_unit":
        return POISSON.format(phi=series.phi)
    return WIDENED.format(phi=series.phi) if series.phi >= 1.01 else EXACT


def _latest(judged: Judged, name: str) -> SignalFinding | None:
    found = judged[-1][1].signals if judged else ()
    return next((s for s in found if s.name == name), None)


def _held(seen: SignalFinding | None) -> float | None:
    return round(seen.log_evidence, 4) if seen and seen.log_evidence > NONE else None


def picked(count: int) -> list[int]:
    """The windows that are shown, at most MOST_POINTS, always with the last one."""
    if count <= MOST_POINTS:
        return list(range(count))
    return sorted({round(i * (count - 1) / (MOST_POINTS - 1)) for i in range(MOST_POINTS)})


def _weights(judged: Judged, name: str) -> tuple[Weight, ...]:
    told = []
    for index in picked(len(judged)):
        window, finding = judged[index]
        seen = next((s for s in finding.signals if s.name == name), None)
        told.append(Weight(round(window.end, 3), _held(seen)))
    return tuple(told)


def _columns(pairs: Pairs) -> tuple[Floats, Floats]:
    bad = np.array([p[0] if p else 0.0 for p in pairs], float)
    return bad, np.array([p[1] if p else 0.0 for p in pairs], float)


def _track(unit: Unit, pairs: Pairs, ends: Floats, sure: Certainty) -> Track | None:
    """None if there never was anything to count."""
    bad, of = _columns(pairs)
    if not of.sum():
        return None
    if unit == "value":
        bad = bad * of  # means to sums
    total, seen = np.cumsum(bad), np.cumsum(of)
    shown = [i for i in picked(len(pairs)) if seen[i] > 0]
    band = _band(unit, total[shown], seen[shown], sure)
    points = [
        Point(
            round(float(ends[i]), 3),
            _kept(float(total[i] / seen[i])),
            None if band is None else _kept(float(band.low[at])),
            None if band is None else _kept(float(band.high[at])),
        )
        for at, i in enumerate(shown)
    ]
    return Track(0.0 if unit == "value" else float(total[-1]), float(seen[-1]), tuple(points))


def _kept(value: float) -> float:
    """Six digits: more would only look precise."""
    return float(f"{value:.6g}")


def _band(unit: Unit, bad: Floats, of: Floats, sure: Certainty) -> Band | None:
    if unit == "value":
        return None
    return (sequence.share if unit == "share" else sequence.frequency)(bad, of, sure)


def _difference(series: _Series, sure: Certainty) -> Interval | None:
    """Of the windows in which both had requests, so that what hits both cancels."""
    both = [
        (a, b) for a, b in zip(series.candidate, series.stable, strict=True)
        if a and b and a[1] > 0 and b[1] > 0
    ]  # fmt: skip
    if series.unit != "share" or not both:
        return None
    counts = np.array([(*a, *b) for a, b in both], float)
    ends = [0, *(i + 1 for i in picked(len(both)))]
    merged = np.array([counts[a:b].sum(axis=0) for a, b in pairwise(ends)])
    k_c, n_c, k_b, n_b = merged.T
    band = sequence.difference(Windows(k_c, n_c, k_b, n_b), sure)
    low, high = float(band.low[-1]), float(band.high[-1])
    return Interval(_kept(min(high, max(low, _paired(merged)))), _kept(low), _kept(high))


def _paired(merged: Floats) -> float:
    """Mean of the windows' differences, each weighted with n_c n_b / (n_c + n_b) (Mantel and
    Haenszel's weights): both versions are compared within a window only.
    """
    k_c, n_c, k_b, n_b = merged.T
    weight = n_c * n_b / (n_c + n_b)
    return float(((k_c / n_c - k_b / n_b) * weight).sum() / weight.sum())


def _signs(series: _Series, alpha: float) -> Interval | None:
    """In how many windows the candidate's value was worse by more than the margin."""
    signal = series.signal
    if series.unit != "value" or signal is None:
        return None
    sign = 1 if signal.better == "lower" else -1
    coins = [
        sign * (a[0] - b[0]) > signal.margin * abs(b[0])
        for a, b in zip(series.candidate, series.stable, strict=True)
        if a and b
    ]
    if not coins:
        return None
    worse = np.array([float(sum(coins))])
    band = sequence.share(worse, np.array([float(len(coins))]), Certainty(alpha))
    low, high = _kept(float(band.low[0])), _kept(float(band.high[0]))
    return Interval(_kept(sum(coins) / len(coins)), low, high)
