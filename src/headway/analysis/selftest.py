"""The A/A test: the stable version against itself, as if half of it were new.

No harm exists in such a split, so every rollback is a false alarm. What the judge promises (at most
alpha of them) rests on assumptions about the traffic; here the traffic itself is asked. Each split
deals whole units (clients of an access log, instances of a recorded rollout) to the two sides, so
that what clusters by unit is seen to cluster. Pure: the seed is an argument. Called by
`headway judge selftest`.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headway.analysis.interval import clopper_pearson
from headway.analysis.judge import Finding, Setup, State, begin, judge
from headway.model.verdict import Outcome
from headway.model.window import Counts, VersionCounts, Window

Unit = Literal["client", "instance"]
Whole = NDArray[np.int64]
CONFIDENCES = (0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 0.999999)
MOST_WINDOWS = 180
CLUSTERED = 2.0  # a dispersion from here on is worth a sentence
SLOW = 0.1  # the slowest tenth is what the dispersion of latency is told of
Ends = Callable[[int, float, float, Finding], bool]
"""(step from 0, seconds since the rollout began, since the step began, finding): may it end?"""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """One stretch of the stable version's traffic. One row per window, unit and instance that had
    requests: `window`, `unit`, `instance` count from 0; `buckets` is rows x (bounds + 1), or has no
    columns where latency is not known.
    """

    window: Whole
    unit: Whole
    instance: Whole
    requests: Whole
    errors: Whole
    buckets: Whole
    bounds_ms: tuple[float, ...]

    @property
    def windows(self) -> int:
        """How many windows the stretch has."""
        return int(self.window.max()) + 1 if len(self.window) else 0

    @property
    def units(self) -> int:
        """How many units there are to deal."""
        return int(self.unit.max()) + 1 if len(self.unit) else 0


@dataclass(frozen=True, slots=True)
class Course:
    """How splits are made and replayed. `shares`: the candidate's at each step; `seconds`: one
    window; `unit`: what is dealt; `most`: windows of one trial, which begins anywhere in a longer
    stretch.
    """

    shares: tuple[float, ...]
    seconds: float
    ends: Ends
    unit: Unit
    most: int = MOST_WINDOWS


@dataclass(frozen=True, slots=True)
class Trial:
    """One split replayed. `evidence`: the most that was held, in nats; `believed`: the dispersion
    of errors that the judge counted on in the end; `judged`: windows with a comparison.
    """

    alarm: bool
    signal: str
    evidence: float
    believed: float
    judged: int


@dataclass(frozen=True, slots=True)
class Report:
    """`low`, `high`: the 95 % interval of the rate of false alarms, as if splits were independent.

    `dispersion_*`: how many times more the units differ than independent requests would (1: not at
    all); `heaviest`: the part of all errors that one unit had. `confidence`: the least that would
    have kept these splits within alpha, None if none would, or none is needed.
    """

    unit: Unit
    units: int
    requests: int
    errors: int
    splits: int
    silent: int
    alarms: int
    rate: float
    low: float
    high: float
    alpha: float
    proven: bool
    dispersion_errors: float | None
    dispersion_slow: float | None
    believed: float
    heaviest: float
    signals: dict[str, int]
    confidence: float | None
    advice: str = ""


def from_windows(windows: list[Window]) -> Cells | None:
    """The stable side of a recorded rollout by instance, or None if fewer than two served.
    Instances are counted without latencies, so only errors can be split.
    """
    rows, names = [], dict[str, int]()
    for at, window in enumerate(windows):
        for name, counts in window.stable.instances.items() if window.stable else ():
            unit = names.setdefault(name, len(names))
            if counts.requests:
                rows.append((at, unit, unit, counts.requests, counts.errors))
    if len({row[1] for row in rows}) < 2:
        return None
    window, unit, instance, requests, errors = np.array(rows, np.int64).T
    nothing = np.zeros((len(rows), 0), np.int64)
    return Cells(window, unit, instance, requests, errors, nothing, windows[0].bounds_ms)


def run(setup: Setup, stretches: list[Cells], course: Course, *, splits: int, seed: int) -> Report:
    """Replay `splits` splits, the stretches taken in turn.

    Raises ValueError without stretches or splits.
    """
    if not stretches or splits < 1:
        raise ValueError("nothing to split")
    trials = [
        replayed(setup, stretches[i % len(stretches)], course, [seed, i]) for i in range(splits)
    ]
    report = _counted(setup, stretches, trials, course.unit)
    return replace(report, advice=advice(report))


def replayed(setup: Setup, cells: Cells, course: Course, seed: list[int]) -> Trial:
    """One split through the real judge. It goes on after an alarm: how much evidence there would
    have been tells which confidence would have borne it.
    """
    rng = np.random.default_rng(seed)
    rank = (rng.permutation(max(1, cells.units)) + 0.5) / max(1, cells.units)
    length = min(cells.windows, course.most)
    first = int(rng.integers(0, cells.windows - length + 1))
    dealt = _Dealt(cells, rank, first, length)
    state, step, since, held, signal, judged = begin(setup), 0, 0.0, 0.0, "", 0
    for index in range(length):
        window = dealt.window(index, step, course)
        state, finding = judge(setup, state, window)
        judged += finding.baseline == "concurrent"
        held = max(held, finding.log_evidence)
        if finding.verdict.outcome is Outcome.FAIL:
            signal = signal or _suspect(finding)
        elif step < len(course.shares) - 1 and course.ends(
            step, window.end, window.end - since, finding
        ):
            step, since = step + 1, window.end
    return Trial(bool(state.failed), signal, held, _believed(state), judged)


def _believed(state: State) -> float:
    return state.spread.error_phi


def _suspect(finding: Finding) -> str:
    """The signal that held most; single instances are told as one kind."""
    strongest = max(finding.signals, key=lambda s: s.log_evidence, default=None)
    if strongest is None:
        return "unknown"
    name, of, instance = strongest.name.partition(" of ")
    return f"{name} of one instance" if of and instance else name


class _Dealt:
    """Both sides' counts in every window for any share, of one dealing of the units."""

    def __init__(self, cells: Cells, rank: NDArray[np.float64], first: int, length: int) -> None:
        inside = (cells.window >= first) & (cells.window < first + length)
        self._cells, self._inside = cells, inside
        self._rank = rank[cells.unit[inside]]
        self._at = cells.window[inside] - first
        self._instance = cells.instance[inside]
        self._length = length
        self._instances = int(cells.instance.max(initial=0)) + 1
        self._sums: dict[float, tuple[Whole, Whole, Whole]] = {}

    def window(self, index: int, step: int, course: Course) -> Window:
        """The window as a rollout at this step would have seen it."""
        share = course.shares[step]
        if share not in self._sums:
            self._sums[share] = self._summed(share)
        return Window(
            index=index,
            start=index * course.seconds,
            end=(index + 1) * course.seconds,
            step=step,
            share=share,
            bounds_ms=self._cells.bounds_ms,
            candidate=self._side(self._sums[share], index, 0, "c"),
            stable=self._side(self._sums[share], index, 1, "b"),
        )

    def _summed(self, share: float) -> tuple[Whole, Whole, Whole]:
        """requests and errors by window, side and instance; buckets by window and side."""
        cells, many = self._cells, self._instances
        side = self._at * 2 + (self._rank >= share)
        of_all, of_each = self._length * 2, self._length * 2 * many
        place = side * many + self._instance
        shape = (self._length, 2, many)
        requests = np.bincount(place, cells.requests[self._inside], of_each)
        errors = np.bincount(place, cells.errors[self._inside], of_each)
        columns = [np.bincount(side, column, of_all) for column in cells.buckets[self._inside].T]
        buckets = np.array(columns).T.reshape(self._length, 2, -1) if columns else _none(of_all)
        whole = (requests.reshape(shape), errors.reshape(shape), buckets)
        requests, errors, buckets = (np.rint(a).astype(np.int64) for a in whole)
        return requests, errors, buckets

    def _side(
        self, sums: tuple[Whole, Whole, Whole], index: int, side: int, letter: str
    ) -> VersionCounts:
        requests, errors, buckets = (part[index, side].tolist() for part in sums)
        # in some window: an instance that is idle now still runs
        runs: list[bool] = (sums[0][:, side].sum(axis=0) > 0).tolist()
        each = {
            f"{letter}{i:03}": Counts(requests[i], errors[i])
            for i, known in enumerate(runs)
            if known or not any(runs)
        }
        return VersionCounts(Counts(sum(requests), sum(errors), tuple(buckets)), each)


def _none(rows: int) -> NDArray[np.float64]:
    return np.zeros((rows // 2, 2, 0))


def _counted(setup: Setup, stretches: list[Cells], trials: list[Trial], unit: Unit) -> Report:
    alpha, alarms = 1 - setup.analysis.confidence, sum(t.alarm for t in trials)
    low, high = clopper_pearson(alarms, len(trials))
    errors, slow = [_errors(c) for c in stretches], [_slow(c) for c in stretches]
    return Report(
        unit=unit,
        units=max(c.units for c in stretches),
        requests=sum(int(c.requests.sum()) for c in stretches),
        errors=sum(int(c.errors.sum()) for c in stretches),
        splits=len(trials),
        silent=sum(not t.judged for t in trials),
        alarms=alarms,
        rate=alarms / len(trials),
        low=low,
        high=high,
        alpha=alpha,
        proven=low > alpha,
        dispersion_errors=_mean([dispersion(*pair) for pair in errors]),
        dispersion_slow=_mean([dispersion(*pair) for pair in slow]),
        believed=float(np.mean([t.believed for t in trials])),
        heaviest=max(_heaviest(bad) for bad, _ in errors),
        signals=dict(Counter(t.signal for t in trials if t.alarm).most_common()),
        confidence=_enough(trials, alpha) if alarms / len(trials) > alpha else None,
    )


def _errors(cells: Cells) -> tuple[Whole, Whole]:
    """(bad, all) of each unit."""
    return _by_unit(cells, cells.errors), _by_unit(cells, cells.requests)


def _slow(cells: Cells) -> tuple[Whole, Whole]:
    """(among the slowest tenth, all with a latency) of each unit."""
    if not cells.buckets.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    above = cells.buckets.sum(axis=0)[::-1].cumsum()[::-1]
    bound = int(np.argmin(np.abs(above[1:] - SLOW * above[0]))) + 1
    slow = cells.buckets[:, bound:].sum(axis=1)
    return _by_unit(cells, slow), _by_unit(cells, cells.buckets.sum(axis=1))


def _by_unit(cells: Cells, values: Whole) -> Whole:
    return np.rint(np.bincount(cells.unit, values, cells.units)).astype(np.int64)


def dispersion(bad: Whole, of: Whole) -> float | None:
    """The design effect of dealing whole units: the variance of a side's rate over what it would be
    if requests were dealt one by one (ratio estimate of a cluster sample: Cochran, Sampling
    Techniques, 3rd ed., 1977, section 9A). None without errors, or with one unit.
    """
    requests, total = float(of.sum()), float(bad.sum())
    if not 0 < total < requests or (of > 0).sum() < 2:
        return None
    rate = total / requests
    between = float(((bad - of * rate) ** 2).sum())
    return between / (
        rate * (1 - rate) * (requests - float((of.astype(float) ** 2).sum()) / requests)
    )


def _heaviest(bad: Whole) -> float:
    return float(bad.max() / bad.sum()) if bad.size and bad.sum() else 0.0


def _mean(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _enough(trials: list[Trial], alpha: float) -> float | None:
    """The least confidence on the list whose boundary at most alpha of the trials ever reached."""
    for confidence in CONFIDENCES:
        reached = sum(t.evidence >= -math.log(1 - confidence) for t in trials)
        if 1 - confidence < alpha - 1e-12 and reached <= alpha * len(trials):
            return confidence
    return None


def advice(report: Report) -> str:
    """What to do, in plain words."""
    if report.silent == report.splits:
        return (
            "nothing could be compared in any split: too few requests, or one "
            f"{report.unit} only. Use a longer record"
        )
    if report.proven:
        return f"{_cause(report)}. {_remedy(report)}"
    if report.rate > report.alpha:
        said = "more false alarms than promised, which may be chance: run more splits to know"
        return f"{said}. {_cause(report)}" if _clusters(report) else said
    if report.high > report.alpha:
        return (
            f"no sign that the level is broken; {report.splits} splits cannot show less than "
            f"{report.high:.1%}. More splits tell more"
        )
    return "the level holds on this traffic"


def _cause(report: Report) -> str:
    if _clusters(report):
        return (
            f"errors cluster by {report.unit}: they differ {report.dispersion_errors:.1f} times as "
            f"much as independent requests would, and the judge counted on {report.believed:.1f}"
        )
    if report.dispersion_slow is not None and report.dispersion_slow >= CLUSTERED:
        return (
            f"slow requests cluster by {report.unit}: {report.dispersion_slow:.1f} times as much "
            "as independent requests would"
        )
    return "this traffic gives more false alarms than promised"


def _clusters(report: Report) -> bool:
    return (report.dispersion_errors or 0.0) >= CLUSTERED


def _remedy(report: Report) -> str:
    ways = []
    if report.confidence is not None:
        ways.append(
            f"set `analysis: {{confidence: {report.confidence * 100:.7g}%}}`, which would have "
            "borne these splits (and takes longer to prove harm)"
        )
    else:
        ways.append("no confidence up to 99.9999% would have borne these splits: widen the margins")
    if report.heaviest >= 0.2:
        ways.append(f"one {report.unit} had {report.heaviest:.0%} of all errors: find out why")
    return "; ".join(ways)
