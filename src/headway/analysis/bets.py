"""A window's bets: one per signal, each a pair of counts with its edges. Called by `judge`.

A bet that cannot be placed (no latencies, no instance counts, too early) is not offered, which is
the same as staking nothing.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headway.analysis import dispersion, margins, roles
from headway.analysis import warm as warming
from headway.analysis.dispersion import MOST_INSTANCES, Spread
from headway.analysis.margins import ABSOLUTE_ERRORS, Edges, Growth, Moment
from headway.analysis.memory import Memory
from headway.analysis.warm import Warm
from headway.histogram.survival import above, scaled
from headway.model.service import Analysis
from headway.model.window import Counts, VersionCounts

Baseline = Literal["concurrent", "absolute", "snapshot", "none"]
LONE_GROWTH = 0.4
MOST_SHARE = 0.98
BUSIER = 4.0  # times the requests of an instance
TELLING = 0.1  # a bound that more than this may pass by what is tolerated tells little


@dataclass(frozen=True, slots=True)
class Bet:
    """`k_c` of `n_c` candidate requests and `k_b` of `n_b` stable ones were bad.

    `rate`: the stable rate expected before looking; `phi`: dispersion; `bound_ms` for latencies;
    `instance` is empty for the whole candidate. `believed`: how many of `k_c` rollback may hold
    against it, if not all. `shown`: what people are told instead of `counts`. `burdened`: the rate
    that the stable version may have had under such a load, where it has much less of it now.
    """

    role: str
    instance: str
    counts: tuple[float, float, float, float]
    rate: float
    edges: Edges
    phi: float
    bound_ms: float | None = None
    believed: float | None = None
    shown: tuple[float, float, float, float] | None = None
    burdened: float | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Above which bound (its index) each version is counted."""

    candidate: int
    stable: int


@dataclass(frozen=True, slots=True)
class Past:
    """What was learnt before this window. `loaded`: of stable when it had as much to do."""

    memory: Memory
    spread: Spread
    warm: Warm = field(default_factory=Warm)
    loaded: Memory = field(default_factory=Memory)


@dataclass(frozen=True, slots=True)
class Sides:
    """What was counted in this window. `stable` is empty where limits are absolute. `believed`:
    the candidate's errors that do not all come from one instance.
    """

    candidate: VersionCounts
    stable: VersionCounts
    bounds_ms: tuple[float, ...]
    absolute: bool
    believed: int

    @property
    def busier(self) -> bool:
        """Whether load alone may make the candidate slower, or fail."""
        return not self.absolute and busier(self.candidate, self.stable)

    def forgiven(self, tau: float) -> float:
        """Relative difference of two means over instances that tau alone explains."""
        ours, theirs = max(1, len(self.candidate.instances)), max(1, len(self.stable.instances))
        return margins.SPREAD_ERRORS * tau * math.sqrt(1 / ours + 1 / theirs)


def busier(candidate: VersionCounts, stable: VersionCounts) -> bool:
    """Whether an instance of the candidate has much more to do than one of stable."""
    ours, theirs = (v.total.requests / max(1, len(v.instances)) for v in (candidate, stable))
    return ours > BUSIER * theirs


def offered(analysis: Analysis, moment: Moment, sides: Sides, past: Past) -> list[Bet]:
    """Every bet of this window, errors first."""
    bets = [_errors(analysis, moment, sides, past)]
    chosen = chosen_bounds(past.memory, sides.bounds_ms, analysis)
    bets += _latency(analysis, moment, sides, past, chosen)
    alone = len(sides.candidate.instances) < 2 or sides.absolute
    if alone or moment.warming(analysis.pace):
        return bets
    return bets + _instances(analysis, moment, sides, past, chosen)


def chosen_bounds(
    memory: Memory, bounds_ms: tuple[float, ...], analysis: Analysis
) -> dict[str, int]:
    """The latency roles and their bounds; none before the stable version is known well enough."""
    if not memory.knows_latency or memory.bounds_ms != bounds_ms:
        return {}
    shares = memory.shares()
    chosen = roles.choose(shares)
    points = (analysis.latency_above, analysis.latency_ms)
    named = chosen | roles.asked(chosen, shares, bounds_ms, points)
    if "tail2" in chosen:
        far = _telling(shares, bounds_ms, chosen["tail2"], analysis)
        if far not in named.values():
            named["tail2"] = far
    return named


def _telling(
    shares: NDArray[np.float64], bounds_ms: tuple[float, ...], least: int, analysis: Analysis
) -> int:
    """The first bound from `least` on that hardly any request may pass even where each takes as
    much longer as is tolerated. Where much is, the bounds around stable's own latencies tell
    nothing, however slow the candidate. Without such a bound it is `least`.
    """
    grown = margins.growth(analysis, absolute=False).tolerated
    rest = range(least, len(bounds_ms))
    return next((j for j in rest if scaled(shares, bounds_ms, j, grown) <= TELLING), least)


def _errors(analysis: Analysis, moment: Moment, sides: Sides, past: Past) -> Bet:
    memory, phi = past.memory, past.spread.error_phi
    counts = _error_counts(sides.candidate.total, sides.stable.total)
    slack = warming.errors(past.warm, memory, moment, analysis.pace)
    if not sides.absolute:
        tau = sides.forgiven(dispersion.error_spread(past.spread))
        edges = margins.concurrent_errors(analysis, moment, memory.error_rate, tau, slack)
        return Bet(
            roles.ERRORS,
            "",
            counts,
            memory.error_rate,
            edges,
            phi,
            believed=sides.believed,
            burdened=past.loaded.error_likely if sides.busier else None,
        )
    known = memory.error_ceiling
    edges = margins.absolute_errors(analysis, moment, known, slack)
    rate = ABSOLUTE_ERRORS if known is None else known
    return Bet(roles.ERRORS, "", counts, rate, edges, phi, believed=sides.believed)


def _latency(
    analysis: Analysis, moment: Moment, sides: Sides, past: Past, chosen: dict[str, int]
) -> list[Bet]:
    pace = analysis.pace
    early = moment.age <= pace.latency_from
    if early or (moment.stepped and moment.step_age <= pace.latency_step_from) or not chosen:
        return []
    shares, bounds = past.memory.shares(), sides.bounds_ms
    far = {chosen.get("tail2")} - set(roles.choose(shares).values())
    bets = []
    for role, j in chosen.items():
        grown = margins.growth(analysis, absolute=sides.absolute)
        pair = Pair(j, _beside(bounds, j, grown.tolerated))
        counts = _slow_counts(sides.candidate.total, sides.stable.total, pair)
        if not counts[1] or not (counts[3] or sides.absolute):
            continue
        rate = float(shares[pair.stable])
        wider = 1 + sides.forgiven(dispersion.slow_spread(past.spread, j))
        if sides.absolute:
            wider *= past.memory.slow_ceiling(rate)
        cold = warming.latency(past.warm, past.memory, j, moment, pace)
        ratios = _ratios(past.memory, pair, grown, cold, wider)
        edges = margins.slow_edges(ratios, moment, rate, absolute=sides.absolute)
        if j in far:
            edges = replace(edges, hope=None)  # stable is hardly ever there: nothing to prove
        bet = Bet(role, "", counts, rate, edges, past.spread.slow_phi, bounds[j])
        bets.append(
            replace(
                bet,
                shown=_slow_counts(sides.candidate.total, sides.stable.total, Pair(j, j)),
                burdened=_burdened(sides, past.loaded, pair.stable),
            )
        )
    return bets


def _instances(
    analysis: Analysis, moment: Moment, sides: Sides, past: Past, chosen: dict[str, int]
) -> list[Bet]:
    """Each candidate instance against the whole stable version: one sick instance is diluted in
    the total.
    """
    rate, stable = past.memory.error_rate, sides.stable.total
    edges = margins.lone_errors(analysis, rate, dispersion.error_spread(past.spread))
    bets = []
    for key in sorted(sides.candidate.instances)[:MOST_INSTANCES]:
        pair = _error_counts(sides.candidate.instances[key], stable)
        bet = Bet(roles.INSTANCE_ERRORS, key, pair, rate, edges, past.spread.lone_phi)
        bets.append(replace(bet, burdened=past.loaded.error_likely if sides.busier else None))
    j = roles.slow_bound(chosen)
    return bets if j is None else bets + _slow_instances(analysis, moment, sides, past, j)


def _slow_instances(
    analysis: Analysis, moment: Moment, sides: Sides, past: Past, j: int
) -> list[Bet]:
    if not sum(sides.stable.total.buckets):
        return []
    shares, bounds = past.memory.shares(), sides.bounds_ms
    cold = warming.latency(past.warm, past.memory, j, moment, analysis.pace)
    grown = margins.growth(analysis, absolute=False, lone=LONE_GROWTH)
    pair = Pair(j, _beside(bounds, j, grown.tolerated))
    rate = float(shares[pair.stable])
    ratios = _ratios(past.memory, pair, grown, cold, 1.0)
    edges = margins.lone_slow(ratios, rate, dispersion.slow_spread(past.spread, j))
    phi, bets = past.spread.slow_phi, []
    for key in sorted(sides.candidate.instances)[:MOST_INSTANCES]:
        one = sides.candidate.instances[key]
        if one.buckets:
            counts = _slow_counts(one, sides.stable.total, pair)
            bet = Bet(roles.INSTANCE_SLOW, key, counts, rate, edges, phi, bounds[j])
            bets.append(
                replace(
                    bet,
                    shown=_slow_counts(one, sides.stable.total, Pair(j, j)),
                    burdened=_burdened(sides, past.loaded, pair.stable),
                )
            )
    return bets


def _burdened(sides: Sides, loaded: Memory, j: int) -> float | None:
    """The share above bound `j` that stable may have had when it had as much to do."""
    if not sides.busier or not loaded.knows_latency or loaded.bounds_ms != sides.bounds_ms:
        return None
    share = float(loaded.shares()[j])
    return min(MOST_SHARE, share * loaded.slow_ceiling(share))


def _beside(bounds_ms: tuple[float, ...], j: int, tolerated: float) -> int:
    """Above which bound stable is counted when the candidate is counted above bound `j`: the first
    that a request may pass whose latency, `tolerated` times as long, passes that of `j`. It is `j`
    itself unless margins are wide; stable would hardly ever be there then, and tell nothing.
    """
    return next(i for i in range(j + 1) if bounds_ms[i] * tolerated >= bounds_ms[j])


def _ratios(memory: Memory, pair: Pair, grown: Growth, cold: float, wider: float) -> Growth:
    """From factors on latencies to factors on the share of stable's requests above its bound.
    `cold`: by what part a cold start may multiply the tolerated latency.
    """
    shares, bounds, j = memory.shares(), memory.bounds_ms, pair.candidate
    tolerated, harmful = (scaled(shares, bounds, j, f) for f in (grown.tolerated, grown.harmful))
    more = scaled(shares, bounds, j, grown.tolerated * (1 + cold)) - tolerated if cold else 0.0
    rate = float(shares[pair.stable])
    equal = float(shares[j]) / rate
    return Growth(tolerated / rate * wider, harmful / rate * wider, more * wider, equal)


def _error_counts(candidate: Counts, stable: Counts) -> tuple[float, float, float, float]:
    return candidate.errors, candidate.requests, stable.errors, stable.requests


def _slow_counts(
    candidate: Counts, stable: Counts, pair: Pair
) -> tuple[float, float, float, float]:
    """On the histograms' own sums: they may differ a little from the counters."""
    slow_c = above(candidate.buckets, pair.candidate)
    slow_b = above(stable.buckets, pair.stable)
    return slow_c, sum(candidate.buckets), slow_b, sum(stable.buckets)
