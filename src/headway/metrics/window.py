"""From cumulative readings of a signal to what happened in one window. Called by flows/decide.py.

A reading is always taken from the same beginning, so that a sample that comes late is counted in
the next window, and a window without data is made up for by the next one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from headway.model.service import Analysis, Signal
from headway.model.window import Measured

CPU, MEMORY = "cpu", "memory"
Pair = tuple[float, float]
Kind = Literal["ratio", "count", "value"]

# Saturation of the instances, measured by Headway itself.
SATURATION = (
    Signal(CPU, "value", "headway", "headway_cpu_seconds_per_request", margin=1.0, weight=0),
    Signal(MEMORY, "value", "headway", "headway_instance_memory_bytes", margin=1.0, weight=0),
    Signal("restarts", "count", "headway", "headway_instance_restarts_total", margin=1.0, weight=0),
)
# The sides do not get the same share of traffic: CPU per request blames the side with fewer of them
# (it idles at a cost), CPU per instance the side with more. Only what both blame counts.
BUSY = Signal("cpu of an instance", "value", "headway", "headway_instance_cpu_usage", margin=1.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """One signal since the rollout reached users. None for a side: no data, and `because` says why.

    Ratio: (bad, total). Count: (events, requests). Value: (sum of the samples, their number).
    `heard`: where a window begins, whether one of this step before had data of both sides.
    """

    kind: Kind
    candidate: Pair | None
    stable: Pair | None
    because: str = ""
    heard: bool = False


def watched(analysis: Analysis) -> tuple[Signal, ...]:
    """The signals of a service: its own, and saturation unless one of its own has that name."""
    own = {s.name for s in analysis.signals}
    return (*analysis.signals, *(s for s in SATURATION if s.name not in own))


def measured(analysis: Analysis) -> tuple[Signal, ...]:
    """What must be read for the signals that are watched."""
    own = any(s.name == CPU for s in analysis.signals)
    return watched(analysis) if own else (*watched(analysis), BUSY)


def judged(analysis: Analysis) -> Analysis:
    """The analysis with saturation. It is bet on from the beginning (the judge's weights must not
    change in mid-rollout), and with a weight of 0 it need neither be heard nor proven harmless:
    nobody declared it, and restarts that nobody saw would never be proven.
    """
    return replace(analysis, signals=watched(analysis))


def between(
    before: Mapping[str, Reading], after: Mapping[str, Reading]
) -> tuple[dict[str, Measured], dict[str, Reading]]:
    """What happened between two readings, and the readings at which the next window begins.

    A side without data keeps the beginning it had. A saturation signal is there from the first
    window of the step on in which both sides have data.
    """
    optional = {s.name for s in (*SATURATION, BUSY)}
    found: dict[str, Measured] = {}
    onward = dict(before)
    for name, now in after.items():
        was = before.get(name, Reading(now.kind, None, None))
        candidate, from_candidate = _side(now.kind, was.candidate, now.candidate)
        stable, from_stable = _side(now.kind, was.stable, now.stable)
        heard = was.heard or bool(candidate and stable)
        onward[name] = Reading(now.kind, from_candidate, from_stable, heard=heard)
        if heard or name.partition("{")[0] not in optional:
            found[name] = Measured(candidate, stable)
    return _fair(found, own_cpu=BUSY.name not in after), onward


def _fair(found: dict[str, Measured], *, own_cpu: bool) -> dict[str, Measured]:
    """CPU by the measure that is kinder to the candidate; none where one of the two is unknown."""
    busy = found.pop(BUSY.name, Measured(None, None))
    if own_cpu or CPU not in found:
        return found
    ratios = [_ratio(found[CPU]), _ratio(busy)]
    if None in ratios:
        return found | {CPU: Measured(None, None)}
    return found | {CPU: min((found[CPU], busy), key=lambda m: _ratio(m) or 0.0)}


def _ratio(measured: Measured) -> float | None:
    if measured.candidate is None or measured.stable is None:
        return None
    return measured.candidate[0] / max(measured.stable[0], 1e-9)


def _side(kind: Kind, was: Pair | None, now: Pair | None) -> tuple[Pair | None, Pair | None]:
    """One side's numbers in the window, and where its next window begins."""
    if now is None or was is None:
        return None, now or was
    first, second = now[0] - was[0], now[1] - was[1]
    if second < 0 or (first < 0 and kind != "value"):
        return None, now  # the source takes back what it said
    if kind == "value":
        return ((first / second, second), now) if second else (None, was)
    if kind == "ratio" and first > second:
        return None, was  # its two counters are not of one moment; the next window has both
    return (first, second), now


def missing(
    declared: Iterable[Signal], readings: Mapping[str, Reading], *, both: bool
) -> dict[str, str]:
    """Declared signals without data, and why. `both`: there is a stable side to compare with."""
    silent = {}
    for signal in declared:
        found = readings.get(signal.name)
        if found is None:
            silent[signal.name] = "not measured yet"
        elif found.candidate is None or (both and found.stable is None):
            silent[signal.name] = found.because
    return silent
