"""The service's own signals as bets: ratios, counts and values from a metric source.

They are judged in the same e-process as errors and latencies (docs/explanation/judge.md): each
signal owns a part of the capital, its parts (routes, regions, tenants) share it. No data is no
bet, and a declared signal that stays silent keeps a step from passing. Called by `judge`.
"""

import math
from collections.abc import Iterable

from headway.analysis import roles
from headway.analysis.bets import Bet
from headway.analysis.margins import GREY, Edges, Moment
from headway.model.service import Analysis, Signal
from headway.model.window import Measured, Window

Known = dict[str, tuple[float, float]]
Pair = tuple[float, float]

MOST_PARTS = 64
PHI = 1.5  # counts of a metric source come without instances to learn their dispersion from
EVEN = 0.5
SLACK = 0.0005  # share of bad that is forgiven at any rate; three times as much is harm
SELDOM = 0.25  # promotion bets that a harmless value is the worse one this often, not every second


def parts(signal: Signal, window: Window) -> list[tuple[str, Measured]]:
    """What was measured of this signal: ("", whole), or (`{label=value}`, part), in order."""
    found = [(key, seen) for key, seen in window.signals.items() if _belongs(key, signal.name)]
    return [(key.removeprefix(signal.name), seen) for key, seen in sorted(found)][:MOST_PARTS]


def heard(signals: Iterable[Signal], window: Window) -> tuple[str, ...]:
    """The signals that have data of the candidate in this window."""
    return tuple(
        s.name for s in signals if any(m.candidate is not None for _, m in parts(s, window))
    )


def offered(analysis: Analysis, moment: Moment, window: Window, known: Known) -> list[Bet]:
    """The bets on own signals; none while instances warm up. `known`: stable's past, by key."""
    if moment.warming(analysis.pace):
        return []
    bets = []
    for signal in analysis.signals:
        for part, seen in parts(signal, window):
            if seen.candidate is None or seen.stable is None:
                continue
            past = known.get(signal.name + part)
            bet = _bet(signal, part, (seen.candidate, seen.stable), past, moment.caution())
            if bet is not None:
                bets.append(bet)
    return bets


def learn(known: Known, signals: Iterable[Signal], window: Window, fade: float) -> Known:
    """What the stable version's ratios were so far, older windows counting less."""
    fresh = dict(known)
    for signal in signals:
        if signal.kind != "ratio":
            continue
        for part, seen in parts(signal, window):
            if seen.stable is not None:
                bad, of = fresh.get(signal.name + part, (0.0, 0.0))
                fresh[signal.name + part] = bad * fade + seen.stable[0], of * fade + seen.stable[1]
    return fresh


def _belongs(key: str, name: str) -> bool:
    return key == name or key.startswith(name + "{")


def _bet(
    signal: Signal, part: str, sides: tuple[Pair, Pair], past: Pair | None, caution: float
) -> Bet | None:
    if not all(math.isfinite(number) for side in sides for number in side):
        return None
    if signal.kind == "ratio":
        return _ratio(signal, part, sides, past, caution)
    if signal.kind == "count":
        return _count(signal, part, sides, caution)
    return _value(signal, part, sides)


def _factors(signal: Signal, caution: float) -> Pair:
    """By what the bad thing may have grown, and from where on it is harm."""
    harm = signal.margin + max(GREY, signal.margin)
    return 1 + signal.margin, 1 + harm * caution


def _ratio(
    signal: Signal, part: str, sides: tuple[Pair, Pair], past: Pair | None, caution: float
) -> Bet | None:
    """Bad of all. Where more is better, p_c >= p_b / (1 + margin) is within tolerance: a relative
    margin on the few that did not convert would be meaningless. In shares of the rest it is a
    straight edge again.
    """
    if not past or not past[1] or not all(_possible(*side) for side in sides):
        return None
    (k_c, n_c), (k_b, n_b) = sides
    rate = (past[0] + 0.5) / (past[1] + 1)
    tolerated, harm = _factors(signal, caution)
    a, d, harm_a, harm_d = tolerated, SLACK, harm, 3 * SLACK * caution
    if signal.better == "higher":
        k_c, k_b, rate = n_c - k_c, n_b - k_b, 1 - rate
        a, harm_a = 1 / tolerated, 1 / harm
        d, harm_d = 1 - a + SLACK, 1 - harm_a + 3 * SLACK * caution
    hope = rate + 0.3 * (harm_a * rate + harm_d - rate)
    edges = Edges(a, d, harm_a, harm_d, hope=min(hope, 1 - 1e-7), settled=a * rate + d)
    shown = (*sides[0], *sides[1])
    return Bet(roles.own_role(signal), part, (k_c, n_c, k_b, n_b), rate, edges, PHI, shown=shown)


def _count(signal: Signal, part: str, sides: tuple[Pair, Pair], caution: float) -> Bet | None:
    """Events of N = x_c + x_b: given N, each is the candidate's with the share of its exposure,
    weighted by the tolerated rates (Poisson). Where more is better, stable's events are counted.
    """
    ours, theirs = sides if signal.better == "lower" else sides[::-1]
    events, exposed = ours[0] + theirs[0], ours[1] + theirs[1]
    if min(ours[1], theirs[1]) <= 0 or min(ours[0], theirs[0]) < 0 or not events:
        return None
    tolerated, harm = (_weighed(f, ours[1], theirs[1]) for f in _factors(signal, caution))
    same = ours[1] / exposed
    edges = Edges(
        1.0,
        0.0,
        harm / tolerated,
        hope=same + 0.3 * (harm - same),
        fixed=True,
        settled=tolerated,
    )
    counts, shown = (ours[0], events, 0.0, 0.0), (*sides[0], *sides[1])
    return Bet(roles.own_role(signal), part, counts, tolerated, edges, PHI, shown=shown)


def _value(signal: Signal, part: str, sides: tuple[Pair, Pair]) -> Bet | None:
    """One coin a window: is the candidate's mean worse by more than the margin? Within tolerance
    that is no likelier than not.
    """
    (mean_c, n_c), (mean_b, n_b) = sides
    if min(n_c, n_b) <= 0:
        return None
    worse = mean_c - mean_b if signal.better == "lower" else mean_b - mean_c
    lost = float(worse > signal.margin * abs(mean_b))
    edges = Edges(1.0, 0.0, 1.0, hope=SELDOM, fixed=True, settled=EVEN)
    shown = (mean_c * n_c, n_c, mean_b * n_b, n_b)
    role = roles.own_role(signal)
    return Bet(role, part, (lost, 1.0, 0.0, 0.0), EVEN, edges, 1.0, shown=shown)


def _weighed(factor: float, ours: float, theirs: float) -> float:
    return factor * ours / (factor * ours + theirs)


def _possible(bad: float, of: float) -> bool:
    return 0 <= bad <= of and of > 0
