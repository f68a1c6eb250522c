"""All bets of a window scored at once: bets are rows, alternatives columns. Called by `judge`."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from headway.analysis import roles
from headway.analysis.bets import Bet
from headway.analysis.evariable import Edge, Floats, Pair, hedged, log_e
from headway.analysis.margins import Edges

ODDS = np.array([1.3, 1.8, 3.0, 8.0, 40.0])  # over the settled edge
ALARM = np.array([3.0])  # over the edge of this moment: disasters are seen in the warm-up too
ALTERNATIVES = len(ODDS) + len(ALARM)
INSIDE = 1e-9
MOST = math.inf  # log of what a bet may win in one window
MOST_LONE = 1.0  # and one on the errors of a single instance, which may be one client's
LEAST = 1e-7  # no rate is taken for smaller than this, nor for larger than 1 minus it


def score(bets: list[Bet]) -> tuple[Floats, Floats]:
    """Log e-values: of rollback, bets x alternatives; of promotion, one per bet (0 without part).

    An alternative inside the null bets nothing, otherwise its e-value would explode for a good
    candidate. Where load may be to blame the null is a union, and the smaller e-value counts.
    """
    phi = _column([b.phi for b in bets])
    against, harmless = _scored(bets)
    loaded = [i for i, b in enumerate(bets) if b.burdened is not None]
    if loaded:
        under_load, _ = _scored([_under_load(bets[i]) for i in loaded])
        against[loaded] = np.minimum(against[loaded], under_load)
    most = _column([MOST_LONE if b.role == roles.INSTANCE_ERRORS else MOST for b in bets])
    return hedged(against, phi, most), hedged(harmless, phi)[:, 0]


def _under_load(bet: Bet) -> Bet:
    """The same bet against the stable version as it was when it had such a load."""
    assert bet.burdened is not None
    settled = bet.edges.settled * bet.burdened / max(bet.rate, LEAST)
    return replace(
        bet, rate=bet.burdened, edges=replace(bet.edges, fixed=True, settled=min(settled, 0.98))
    )


def _scored(bets: list[Bet]) -> tuple[Floats, Floats]:
    """Log e-values as they are, neither discounted nor hedged."""
    rate = np.clip(_column([b.rate for b in bets]), LEAST, 1 - LEAST)
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
    return against, np.where(harmless, log_s[:, -1:], 0.0)


def _worse(rate: Floats, odds: Floats) -> Floats:
    at = np.clip(rate, LEAST, 1 - LEAST)
    better = (1 - at) / at / odds
    return np.asarray(1 / (1 + better))


def _pair(bets: list[Bet]) -> Pair:
    """The candidate's bad ones: as rollback believes them, and for promotion all of them."""
    believed = _column([b.counts[0] if b.believed is None else b.believed for b in bets])
    k_c, n_c, k_b, n_b = (_column([b.counts[i] for b in bets]) for i in range(4))
    return Pair(_widen(believed, k_c), n_c, k_b, n_b)


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
