"""How far equal instances differ: the reason to believe counts less than their size says.

Two heuristics, learnt from the stable version's own instances. Dispersion (phi): chi-square per
degree of freedom in a window, for errors that come in bursts. Spread (tau): lasting relative
difference between instances. Called by `judge` (learning) and `bets` (reading).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from headway.histogram.survival import above
from headway.model.window import Counts, VersionCounts

PRIOR_DF = 30.0
PRIOR_PHI = 1.5
LENGTHS = (6, 30)  # windows in a block: errors of one client come in runs
BLOCK_DF = 10.0
LONE_DF = 20.0
LONE_PHI = 5.0
MOST_INSTANCES = 64
UNKNOWN_SPREAD = 0.05
LARGEST_SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class Block:
    """Chi-square of errors over whole blocks of windows. `seen`: windows in the open one,
    `instances`: its (errors, requests) by instance.
    """

    df: float = BLOCK_DF
    chi: float = BLOCK_DF * PRIOR_PHI
    seen: int = 0
    instances: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spread:
    """Sums since the beginning. `instances`: what each present stable instance has served."""

    error_df: float = PRIOR_DF
    error_chi: float = PRIOR_DF * PRIOR_PHI
    slow_df: float = PRIOR_DF
    slow_chi: float = PRIOR_DF * PRIOR_PHI
    instances: dict[str, Counts] | None = None
    blocks: tuple[Block, ...] = (Block(),) * len(LENGTHS)

    @property
    def error_phi(self) -> float:
        """Dispersion of errors at the length of time where it is largest, >= 1. Long blocks are
        few: of what they say a standard deviation of chance is taken off.
        """
        longer = (block.chi / block.df - math.sqrt(2 / block.df) for block in self.blocks)
        return max(1.0, self.error_chi / self.error_df, *longer)

    @property
    def lone_phi(self) -> float:
        """The same for one instance, which serves few clients: more until independence shows."""
        df = LONE_DF + sum(block.df for block in self.blocks)
        chi = LONE_DF * LONE_PHI + sum(block.chi for block in self.blocks)
        return max(self.error_phi, chi / df)

    @property
    def slow_phi(self) -> float:
        """Dispersion of slow requests, >= 1."""
        return max(1.0, self.slow_chi / self.slow_df)


def learn(spread: Spread, stable: VersionCounts, bound: int | None) -> Spread:
    """Add one window. `bound`: the index above which a request is slow, if one was chosen."""
    present = {key: stable.instances[key] for key in sorted(stable.instances)[:MOST_INSTANCES]}
    error_df, error_chi = _chi_square([(c.errors, c.requests) for c in present.values()])
    slow_df, slow_chi = _chi_square(_slow(list(present.values()), bound))
    known = spread.instances or {}
    return Spread(
        error_df=spread.error_df + error_df,
        error_chi=spread.error_chi + error_chi,
        slow_df=spread.slow_df + slow_df,
        slow_chi=spread.slow_chi + slow_chi,
        instances={key: _sum(known.get(key), counts) for key, counts in present.items()},
        blocks=tuple(
            _lengthened(block, present, length)
            for block, length in zip(spread.blocks, LENGTHS, strict=True)
        ),
    )


def _lengthened(block: Block, present: dict[str, Counts], length: int) -> Block:
    """One more window in it; a full one is closed. Lasting differences between instances are left
    in: a client that errs all day is one.
    """
    sums = {}
    for key, counts in present.items():
        errors, requests = block.instances.get(key, (0, 0))
        sums[key] = (errors + counts.errors, requests + counts.requests)
    if block.seen + 1 < length:
        return replace(block, seen=block.seen + 1, instances=sums)
    df, chi = _chi_square(list(sums.values()))
    return Block(block.df + df, block.chi + chi)


def error_spread(spread: Spread) -> float:
    """tau of the error rate."""
    return _lasting([(c.errors, c.requests) for c in _in_order(spread)])


def slow_spread(spread: Spread, bound: int) -> float:
    """tau of the share of requests above the bound of that index."""
    return _lasting(_slow(_in_order(spread), bound))


def _in_order(spread: Spread) -> list[Counts]:
    """A database may hand keys back in another order; sums must not depend on it."""
    known = spread.instances or {}
    return [known[key] for key in sorted(known)]


def _slow(instances: list[Counts], bound: int | None) -> list[tuple[float, float]]:
    if bound is None:
        return []
    return [(above(c.buckets, bound), sum(c.buckets)) for c in instances if c.buckets]


def _sum(old: Counts | None, new: Counts) -> Counts:
    if old is None or len(old.buckets) != len(new.buckets):
        old = Counts(0, 0, (0,) * len(new.buckets))
    buckets = tuple(a + b for a, b in zip(old.buckets, new.buckets, strict=True))
    return Counts(old.requests + new.requests, old.errors + new.errors, buckets)


def _chi_square(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Degrees of freedom and Pearson's chi-square of (k of n) against one common rate."""
    served = [(k, n) for k, n in pairs if n > 0]
    bad, requests = sum(k for k, _ in served), sum(n for _, n in served)
    if len(served) < 2 or not 0 < bad < requests:
        return 0.0, 0.0
    rate = bad / requests
    chi = sum((k - n * rate) ** 2 / (n * rate * (1 - rate)) for k, n in served)
    return float(len(served) - 1), chi


def _lasting(pairs: list[tuple[float, float]]) -> float:
    """Standard deviation between instances over their mean rate, sampling noise taken off."""
    if len(pairs) < 3 or min(n for _, n in pairs) < 1 or sum(k for k, _ in pairs) < 5:
        return UNKNOWN_SPREAD
    rate = sum(k for k, _ in pairs) / sum(n for _, n in pairs)
    rates = [k / n for k, n in pairs]
    mean = sum(rates) / len(rates)
    variance = sum((r - mean) ** 2 for r in rates) / (len(rates) - 1)
    noise = sum(rate * (1 - rate) / n for _, n in pairs) / len(pairs)
    return min(LARGEST_SPREAD, math.sqrt(max(0.0, variance - noise)) / rate + 0.01)
