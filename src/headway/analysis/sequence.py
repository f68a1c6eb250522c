"""Confidence sequences: intervals that may be looked at after every window. Called by `report`.

Derivation and what is exact: docs/how-to/read-a-verdict.md. Rates and counts are mixtures of
exponential martingales (Howard, Ramdas, McAuliffe, Sekhon: Time-uniform, nonparametric,
nonasymptotic confidence sequences, Annals of Statistics 49, 2021; arXiv 1810.08240); differences
invert the judge's own e-variable. Pure arithmetic on running totals, one value per window.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headway.analysis.evariable import Edge, Floats, Pair, log_e

TILTS = 8.0 * 0.5 ** np.arange(19)
HALVINGS = 45
GRID = 33
FARTHEST = 0.9
ODDS = np.array([1.03, 1.1, 1.3, 2.0, 4.0, 11.0])

_Process = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Band:
    """Lowest and highest values not excluded, one pair per point in time."""

    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Certainty:
    """`alpha`: chance that the truth is ever outside. `phi` >= 1: dispersion of the counts.

    With phi = 1 a band is exact for requests whose outcomes, given the past, are 1 with any chance.
    With a larger phi it is still exact for those (and wider), and heuristic for clustered ones.
    """

    alpha: float = 0.01
    phi: float = 1.0

    @property
    def limit(self) -> float:
        """log of what either side's mixture has to reach.

        The + 1 pays for a phi that was learnt on the way: x^(1/phi) <= 1 + x for every phi >= 1,
        so a mixture of such powers never exceeds the martingale by more than 1.
        """
        return math.log(2 / self.alpha + (1 if self.phi > 1 else 0))


def share(bad: Floats, of: Floats, sure: Certainty) -> Band:
    """For the mean chance of a bad request so far; `bad` of `of` are running totals.

    Howard et al. eq. (3) with the Bernoulli's cumulant: for a fixed tilt L the process
    exp(L S_t - t log(1 + m (e^L - 1))) is, at m = the mean of the chances so far, at most a
    martingale that begins at 1 (the logarithm is concave), whatever the chances do over time.
    """
    bad, of = np.asarray(bad, float), np.asarray(of, float)
    return Band(_lowest_share(bad, of, sure), 1 - _lowest_share(of - bad, of, sure))


def frequency(events: Floats, exposure: Floats, sure: Certainty) -> Band:
    """The same for events that are counted against requests or seconds (Poisson, or tamer)."""
    events, exposure = np.asarray(events, float), np.asarray(exposure, float)
    low = _solved(np.zeros_like(events), _mean(events, exposure), _rare(events, exposure, 1), sure)
    top = _mean(events + 4 * (sure.limit + 3) * sure.phi + 4 * np.sqrt(events), exposure)
    start = _mean(events, exposure)
    high = _solved(top, start, _rare(events, exposure, -1), sure)
    return Band(low, np.where(exposure > 0, high, math.inf))


def _mean(bad: Floats, of: Floats) -> Floats:
    return np.asarray(np.where(of > 0, bad / np.maximum(of, 1e-12), 0.0))


def _lowest_share(bad: Floats, of: Floats, sure: Certainty) -> Floats:
    def log_process(m: Floats) -> Floats:
        grown = np.log1p(m[..., None] * np.expm1(TILTS))
        return np.asarray(TILTS * bad[..., None] - of[..., None] * grown)

    return _solved(np.zeros_like(bad), _mean(bad, of), log_process, sure)


def _rare(events: Floats, exposure: Floats, sign: int) -> _Process:
    def log_process(m: Floats) -> Floats:
        tilts = sign * TILTS
        return np.asarray(tilts * events[..., None] - (exposure * m)[..., None] * np.expm1(tilts))

    return log_process


def _solved(outside: Floats, inside: Floats, log_process: _Process, sure: Certainty) -> Floats:
    """The edge between `outside` and `inside` where the mixture reaches the limit; `outside` itself
    if it is not excluded. Bisection; each process is monotone between the two.
    """
    edge = outside
    excluded = _mixed(log_process(outside), sure.phi) >= sure.limit
    for _ in range(HALVINGS):
        middle = 0.5 * (outside + inside)
        out = _mixed(log_process(middle), sure.phi) >= sure.limit
        outside, inside = np.where(out, middle, outside), np.where(out, inside, middle)
    return np.asarray(np.where(excluded, outside, edge))


def _mixed(log_process: Floats, phi: float) -> Floats:
    """log of the even mixture over the last axis, each power 1/phi."""
    softer = log_process / phi
    most = softer.max(axis=-1, keepdims=True)
    mean = np.exp(softer - most).mean(axis=-1)
    return np.asarray(most[..., 0] + np.log(mean))


@dataclass(frozen=True, slots=True)
class Windows:
    """Counts of each window (not running totals): both versions at the same time."""

    k_c: Floats
    n_c: Floats
    k_b: Floats
    n_b: Floats


def difference(seen: Windows, sure: Certainty) -> Band:
    """For the candidate's share of bad requests minus the stable one's, after each window.

    The differences d that the judge's e-variable for the edge p_c = p_b + d has not excluded. The
    stable rate is free in every window, so what hits both versions cancels, also while the split
    grows. Exact for a lasting difference; if it moves, the low end is not above its largest and the
    high end not below its smallest value so far.
    """
    rate = _before(seen.k_b, seen.n_b)
    ours = share(np.cumsum(seen.k_c), np.cumsum(seen.n_c), sure)
    theirs = share(np.cumsum(seen.k_b), np.cumsum(seen.n_b), sure)
    lowest, highest = float((ours.low - theirs.high)[-1]), float((ours.high - theirs.low)[-1])
    grid = np.linspace(max(-FARTHEST, lowest), min(FARTHEST, highest), GRID)
    swapped = Windows(seen.k_b, seen.n_b, seen.k_c, seen.n_c)
    above = _evidence(seen, rate, grid, sure) >= sure.limit
    below = _evidence(swapped, _before(seen.k_c, seen.n_c), -grid, sure) >= sure.limit
    low = np.where(above[:, 0], grid[np.maximum(np.argmin(above, axis=1) - 1, 0)], -1.0)
    last = np.argmin(below[:, ::-1], axis=1)
    high = np.where(below[:, -1], grid[::-1][np.maximum(last - 1, 0)], 1.0)
    return Band(np.maximum(low, ours.low - theirs.high), np.minimum(high, ours.high - theirs.low))


def _before(bad: Floats, of: Floats) -> Floats:
    """The rate as it was known before each window."""
    known_bad, known = np.cumsum(bad) - bad, np.cumsum(of) - of
    return np.asarray(np.clip((known_bad + 0.05) / (known + 5.0), 1e-5, 0.9))


def _evidence(seen: Windows, rate: Floats, grid: Floats, sure: Certainty) -> Floats:
    """windows x grid: log of the mixture against "first <= second + d", after each window."""
    shape = (len(rate), len(grid), len(ODDS))
    pair = Pair(*(np.broadcast_to(x[:, None, None], shape) for x in _columns(seen)))
    d = np.broadcast_to(grid[None, :, None], shape)
    second = np.clip(rate[:, None, None], np.maximum(1e-6, 1e-6 - d), np.minimum(0.95, 0.95 - d))
    edge = np.clip(second + d, 1e-6, 0.95)
    first = edge * ODDS / (1 - edge + edge * ODDS)
    line = Edge(np.ones(shape), d, np.zeros(shape, bool))
    gained = np.where(first > second + d, log_e(pair, first, np.asarray(second), line), 0.0)
    return _mixed(np.cumsum(gained, axis=0), sure.phi)


def _columns(seen: Windows) -> tuple[Floats, Floats, Floats, Floats]:
    return seen.k_c, seen.n_c, seen.k_b, seen.n_b
