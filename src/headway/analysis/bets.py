"""A window's bets: one per signal, each a pair of counts with its edges. Called by `judge`.

A bet that cannot be placed (no latencies, no instance counts, too early) is not offered, which is
the same as staking nothing.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headway.analysis import dispersion, margins, roles
from headway.analysis.dispersion import MOST_INSTANCES, Spread
from headway.analysis.evariable import Edge, Floats, Pair, hedged, log_e
from headway.analysis.margins import ABSOLUTE_ERRORS, Edges, Growth, Moment
from headway.analysis.memory import Memory
from headway.histogram.survival import above, scaled
from headway.model.service import Analysis
from headway.model.window import Counts, VersionCounts

Baseline = Literal["concurrent", "absolute", "none"]
ODDS = np.array([1.3, 1.8, 3.0, 8.0, 40.0])  # over the settled edge
ALARM = np.array([3.0])  # over the edge of this moment: disasters are seen in the warm-up too
ALTERNATIVES = len(ODDS) + len(ALARM)
LONE_GROWTH = 0.4
INSIDE = 1e-9


@dataclass(frozen=True, slots=True)
class Bet:
    """`k_c` of `n_c` candidate requests and `k_b` of `n_b` stable ones were bad.

    `rate`: the stable rate expected before looking; `phi`: dispersion; `bound_ms` for latencies;
    `instance` is empty for the whole candidate.
    """

    role: str
    instance: str
    counts: tuple[float, float, float, float]
    rate: float
    edges: Edges
    phi: float
    bound_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What was learnt before this window."""

    memory: Memory
    spread: Spread


@dataclass(frozen=True, slots=True)
class Sides:
    """What was counted in this window. `stable` is empty where limits are absolute."""

    candidate: VersionCounts
    stable: VersionCounts
    bounds_ms: tuple[float, ...]
    absolute: bool

    def forgiven(self, tau: float) -> float:
        """Relative difference of two means over instances that tau alone explains."""
        ours, theirs = max(1, len(self.candidate.instances)), max(1, len(self.stable.instances))
        return margins.SPREAD_ERRORS * tau * math.sqrt(1 / ours + 1 / theirs)


def offered(analysis: Analysis, moment: Moment, sides: Sides, past: Past) -> list[Bet]:
    """Every bet of this window, errors first."""
    bets = [_errors(analysis, moment, sides, past)]
    chosen = chosen_bounds(past.memory, sides.bounds_ms)
    bets += _latency(analysis, moment, sides, past, chosen)
    alone = len(sides.candidate.instances) < 2 or sides.absolute
    if alone or moment.error_slack(analysis.pace):
        return bets
    return bets + _instances(analysis, moment, sides, past, chosen)


def chosen_bounds(memory: Memory, bounds_ms: tuple[float, ...]) -> dict[str, int]:
    """The latency roles and their bounds; none before the stable version is known well enough."""
    if not memory.knows_latency or memory.bounds_ms != bounds_ms:
        return {}
    return roles.choose(memory.shares())


def _errors(analysis: Analysis, moment: Moment, sides: Sides, past: Past) -> Bet:
    memory, phi = past.memory, past.spread.error_phi
    counts = _error_counts(sides.candidate.total, sides.stable.total)
    if not sides.absolute:
        tau = sides.forgiven(dispersion.error_spread(past.spread))
        edges = margins.concurrent_errors(analysis, moment, memory.error_rate, tau)
        return Bet(roles.ERRORS, "", counts, memory.error_rate, edges, phi)
    known = memory.error_rate if memory.knows_errors else None
    edges = margins.absolute_errors(analysis, moment, known)
    return Bet(roles.ERRORS, "", counts, ABSOLUTE_ERRORS if known is None else known, edges, phi)


def _latency(
    analysis: Analysis, moment: Moment, sides: Sides, past: Past, chosen: dict[str, int]
) -> list[Bet]:
    pace = analysis.pace
    early = moment.age <= pace.latency_from
    if early or (moment.stepped and moment.step_age <= pace.latency_step_from) or not chosen:
        return []
    shares, bounds = past.memory.shares(), sides.bounds_ms
    grown = margins.growth(analysis, moment, absolute=sides.absolute)
    bets = []
    for role, j in chosen.items():
        counts = _slow_counts(sides.candidate.total, sides.stable.total, j)
        if not counts[1] or not (counts[3] or sides.absolute):
            continue
        rate = float(shares[j])
        wider = 1 + sides.forgiven(dispersion.slow_spread(past.spread, j))
        ratios = _ratios(past.memory, j, grown, wider)
        edges = margins.slow_edges(ratios, moment, rate, absolute=sides.absolute)
        bets.append(Bet(role, "", counts, rate, edges, past.spread.slow_phi, bounds[j]))
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
        bets.append(Bet(roles.INSTANCE_ERRORS, key, pair, rate, edges, past.spread.error_phi))
    j = roles.slow_bound(chosen)
    return bets if j is None else bets + _slow_instances(analysis, moment, sides, past, j)


def _slow_instances(
    analysis: Analysis, moment: Moment, sides: Sides, past: Past, j: int
) -> list[Bet]:
    if not sum(sides.stable.total.buckets):
        return []
    shares, bounds = past.memory.shares(), sides.bounds_ms
    rate = float(shares[j])
    grown = margins.growth(analysis, moment, absolute=False, lone=LONE_GROWTH)
    ratios = _ratios(past.memory, j, grown, 1.0)
    edges = margins.lone_slow(ratios, rate, dispersion.slow_spread(past.spread, j))
    phi, bets = past.spread.slow_phi, []
    for key in sorted(sides.candidate.instances)[:MOST_INSTANCES]:
        pair = _slow_counts(sides.candidate.instances[key], sides.stable.total, j)
        if sides.candidate.instances[key].buckets:
            bets.append(Bet(roles.INSTANCE_SLOW, key, pair, rate, edges, phi, bounds[j]))
    return bets


def _ratios(memory: Memory, j: int, grown: Growth, wider: float) -> Growth:
    """From factors on latencies to factors on the share above the bound."""
    shares, bounds = memory.shares(), memory.bounds_ms
    each = (grown.tolerated, grown.harmful, grown.settled)
    return Growth(*(scaled(shares, bounds, j, f) / float(shares[j]) * wider for f in each))


def _error_counts(candidate: Counts, stable: Counts) -> tuple[float, float, float, float]:
    return candidate.errors, candidate.requests, stable.errors, stable.requests


def _slow_counts(candidate: Counts, stable: Counts, j: int) -> tuple[float, float, float, float]:
    """On the histograms' own sums: they may differ a little from the counters."""
    slow_c, slow_b = above(candidate.buckets, j), above(stable.buckets, j)
    return slow_c, sum(candidate.buckets), slow_b, sum(stable.buckets)


def score(bets: list[Bet]) -> tuple[Floats, Floats]:
    """Log e-values: of rollback, bets x alternatives; of promotion, one per bet (0 without part).

    An alternative inside the null bets nothing, otherwise its e-value would explode for a good
    candidate.
    """
    rate = np.clip(_column([b.rate for b in bets]), 1e-7, 0.98)
    phi = _column([b.phi for b in bets])
    edge, harm = _edges(bets)
    tolerated = edge.a * rate + edge.d
    settled = _column([b.edges.settled for b in bets])
    worse = np.hstack([_worse(settled, ODDS), _worse(tolerated, ALARM)])
    hope = _column([b.edges.hope or rate[i, 0] for i, b in enumerate(bets)])
    plays = _column([b.edges.hope is not None for b in bets]) > 0
    both = Edge(_widen(edge.a, harm.a), _widen(edge.d, harm.d), edge.fixed)
    log_s = log_e(_pair(bets), np.hstack([worse, hope]), rate, both)
    against = np.where(worse > tolerated + INSIDE, log_s[:, :-1], 0.0)
    harmless = plays & (hope < harm.a * rate + harm.d - INSIDE)
    return hedged(against, phi), hedged(np.where(harmless, log_s[:, -1:], 0.0), phi)[:, 0]


def _worse(rate: Floats, odds: Floats) -> Floats:
    at = np.clip(rate, 1e-7, 0.98)
    better = (1 - at) / at / odds
    return np.asarray(1 / (1 + better))


def _pair(bets: list[Bet]) -> Pair:
    return Pair(*(_column([b.counts[i] for b in bets]) for i in range(4)))


def _edges(bets: list[Bet]) -> tuple[Edge, Edge]:
    fixed = _column([b.edges.fixed for b in bets]) > 0
    edge = Edge(_column([b.edges.a for b in bets]), _column([b.edges.d for b in bets]), fixed)
    takes = [b.edges if b.edges.hope is not None else Edges(0, 0, 1, 0) for b in bets]
    harm = Edge(_column([e.harm_a for e in takes]), _column([e.harm_d for e in takes]), fixed)
    return edge, harm


def _widen(edge: Floats, harm: Floats) -> Floats:
    return np.hstack([np.repeat(edge, ALTERNATIVES, axis=1), harm])


def _column(values: list[float] | list[bool]) -> NDArray[np.float64]:
    return np.array(values, float)[:, None]
