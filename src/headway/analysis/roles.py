"""The roles that signals play, what they may stake, and the latency bound each one watches.

Capital belongs to a family and is shared by the roles (or instances) seated in it, never by
bounds: a role may change its bound, roles may come and go, and all weights still sum to 1.
Called by `bets`, `capital`, `proof` and `words`.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headway.model.service import Signal

ERRORS = "errors"
CHOSEN = ("p50", "p90", "tail", "tail2")
ASKED = ("at1", "at2", "at3", "at4", "at5", "at6")  # points that the service names itself
LATENCY = CHOSEN + ASKED
INSTANCE_ERRORS = "instance errors"
INSTANCE_SLOW = "instance slow"
WEIGHTS = {ERRORS: 0.35, "latency": 0.40, INSTANCE_ERRORS: 0.10, INSTANCE_SLOW: 0.15}
OWN = "own "  # a signal of the service's own plays the role `own KIND:NAME`
OWN_WEIGHT = 0.2
BESIDE_WEIGHT = 0.05  # of all of them, if none was declared: weight 0 is bet on beside the others
BESIDE = 0.25  # what weight 0 counts beside declared ones
Points = tuple[tuple[float, ...], tuple[float, ...]]  # shares above, milliseconds
RARE = 0.02
COMMON = 0.97


def weights(signals: Sequence[Signal]) -> dict[str, float]:
    """The weight of every family; each of the service's own signals is one. Sums to 1."""
    if not signals:
        return WEIGHTS
    part = OWN_WEIGHT if any(s.weight for s in signals) else BESIDE_WEIGHT
    all_own = sum(s.weight or BESIDE for s in signals)
    own = {own_role(s): part * (s.weight or BESIDE) / all_own for s in signals}
    return {family: (1 - part) * weight for family, weight in WEIGHTS.items()} | own


def own_role(signal: Signal) -> str:
    """The role of one of the service's own signals."""
    return f"{OWN}{signal.kind}:{signal.name}"


def own_kind(role: str) -> str:
    """`ratio`, `count` or `value`; empty for the judge's own roles."""
    return role.removeprefix(OWN).partition(":")[0] if role.startswith(OWN) else ""


def seat(role: str, instance: str) -> tuple[str, str]:
    """The family whose capital this signal plays with, and its seat there."""
    return ("latency", role) if role in LATENCY else (role, instance or role)


def signal(family: str, seat: str) -> tuple[str, str]:
    """The role and instance that sit there: the inverse of `seat`."""
    if family == "latency":
        return seat, ""
    return family, "" if seat == family else seat


def choose(shares: NDArray[np.float64]) -> dict[str, int]:
    """For each latency role the index of its bound, from the stable version's past only.

    p50 and p90: the bounds whose remembered share of slower requests is nearest (in log-odds) to
    50 % and 10 %. tail and tail2: the first two bounds with at most 2 %, chosen by rank and not by
    nearness, because on coarse buckets the nearest one would leave the tail unwatched.
    """
    chosen: dict[str, int] = {}
    middle = [j for j, share in enumerate(shares.tolist()) if RARE < share < COMMON]
    for role, target in (("p50", 0.5), ("p90", 0.1)):
        if middle:
            nearest = min(
                middle, key=lambda j: abs(_log_odds(float(shares[j])) - _log_odds(target))
            )
            if nearest not in chosen.values():
                chosen[role] = nearest
    tail = [j for j, share in enumerate(shares) if share <= RARE]
    return chosen | dict(zip(("tail", "tail2"), tail, strict=False))


def asked(
    chosen: dict[str, int], shares: NDArray[np.float64], bounds_ms: Sequence[float], points: Points
) -> dict[str, int]:
    """The roles of points the service names: the bound whose remembered share is nearest to the
    asked one, or the first bound that is no less. A bound that is watched already is not named
    twice.
    """
    above, least_ms = points
    inner = [j for j, share in enumerate(shares.tolist()) if 0 < share < 1]
    found = [
        min(inner, key=lambda j: abs(_log_odds(float(shares[j])) - _log_odds(share)))
        for share in (above if inner else ())
    ]
    found += [_at_least(bounds_ms, ms) for ms in least_ms]
    new = [j for j in dict.fromkeys(found) if j not in chosen.values()]
    return dict(zip(ASKED, new, strict=False))


def _at_least(bounds_ms: Sequence[float], ms: float) -> int:
    return next((j for j, bound in enumerate(bounds_ms) if bound >= ms), len(bounds_ms) - 1)


def slow_bound(chosen: dict[str, int]) -> int | None:
    """The bound that single instances are held to: p90's, else whichever there is."""
    return chosen.get("p90", next(iter(chosen.values()), None))


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))
