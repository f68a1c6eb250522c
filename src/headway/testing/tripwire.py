"""Is a red test a flake or a fault? Each test is measured by its own rate. Called by `judge`.

A test that failed and passed on the same commit is flaky: that is proof. From then on its failure
blocks only when so many in a row are implausible for it, and when its flakes come thicker than
they ever did. So a flake is forgiven, and a fault in a flaky test is not. The figures behind the
constants are in docs/explanation/flaky-tests.md and come from bench/flaky.py.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from headway.testing.odds import at_least, upper
from headway.testing.result import Attempts

IMPLAUSIBLE = 1e-3
FEWEST, MOST = 2, 8
UNKNOWN = 3
RECENT = 10
TRIALS = 10
HIGHEST_RATE = 0.9
INFRASTRUCTURE = 0.8
SMALLEST_RUN = 10


@dataclass(frozen=True, slots=True)
class Episode:
    """What a test did on one fingerprint (commit and job): tries that failed, tries that passed."""

    fingerprint: str
    at: float
    failures: int
    passes: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A test's own past. `runs`: fingerprints; `flips`: those with a failure and a pass;
    `recent`: for each of the last RECENT - 1 runs, oldest first, whether it flipped.
    """

    runs: int = 0
    flips: int = 0
    recent: tuple[bool, ...] = ()

    @property
    def flaky(self) -> bool:
        """It was seen to fail and pass on the same thing."""
        return self.flips > 0

    @property
    def rate(self) -> float:
        """The share of its runs that flipped, 0 to 1."""
        return self.flips / self.runs if self.runs else 0.0

    def after(self, *, flipped: bool) -> "Standing":
        """The past with one run more."""
        recent = (*self.recent, flipped)[-(RECENT - 1) :]
        return Standing(self.runs + 1, self.flips + flipped, recent)


class Ruling(StrEnum):
    """What a test's tries on one fingerprint mean."""

    PASSED = "passed"
    SKIPPED = "skipped"
    FORGIVEN = "flaky"
    AGAIN = "undecided"
    BROKEN = "broken"
    WORSENED = "worsened"


BLOCKS = frozenset({Ruling.BROKEN, Ruling.WORSENED})


def standing(episodes: Iterable[Episode]) -> Standing:
    """The past from its episodes in any order. What was only skipped does not count."""
    past = Standing()
    for e in sorted(episodes, key=lambda e: (e.at, e.fingerprint)):
        if e.failures or e.passes:
            past = past.after(flipped=bool(e.failures and e.passes))
    return past


def needed(past: Standing) -> int:
    """How many failures in a row, on the same thing, are no flake: `k` so that `u ** k` is below
    IMPLAUSIBLE for the upper bound `u` of the test's own rate; UNKNOWN if it never flipped.
    """
    if not past.flaky:
        return UNKNOWN
    in_a_row = math.ceil(math.log(IMPLAUSIBLE) / math.log(own_bound(past)))
    return min(MOST, max(FEWEST, in_a_row))


def rule(past: Standing, now: Attempts) -> Ruling:
    """What the tries mean, given the test's past without them."""
    if now.failures == 0:
        return Ruling.PASSED if now.passes else Ruling.SKIPPED
    if not now.passes:
        return Ruling.BROKEN if now.failures >= needed(past) else Ruling.AGAIN
    if not past.flaky and now.failures >= max(UNKNOWN, now.passes + 1):
        return Ruling.BROKEN
    return Ruling.WORSENED if _too_often(past, now) or worsened(past) else Ruling.FORGIVEN


def own_bound(past: Standing) -> float:
    """The upper bound of the test's own rate, the present run included; 0 to HIGHEST_RATE."""
    return min(upper(past.flips, past.runs + 1), HIGHEST_RATE)


def _too_often(past: Standing, now: Attempts) -> bool:
    """Whether the failures among this run's own tries are implausible for a known flake."""
    if not past.flaky:
        return False
    return at_least(now.failures, now.failures + now.passes, own_bound(past)) < IMPLAUSIBLE


def worsened(past: Standing) -> bool:
    """Whether one flip more, now, makes flakes thicker than the test's own long-run rate explains.

    The flips of the last RECENT runs against a binomial of the rate before them, to which one flip
    in 2 * RECENT runs is added so that a young test is not condemned by its first.
    """
    recent = past.recent.count(True) + 1
    older = past.flips + 1 - recent
    runs = past.runs + 1
    if older <= 0 and runs <= 3 * RECENT:
        return False
    base = (older + 1) / (max(runs - RECENT, RECENT) + 2 * RECENT)
    return at_least(recent, RECENT, min(base, HIGHEST_RATE)) < IMPLAUSIBLE


def infrastructure(run: Iterable[Attempts]) -> bool:
    """Whether so much of a run failed that it says nothing about single tests: more than 80 % of
    at least SMALLEST_RUN tests.
    """
    ran = [a for a in run if a.failures or a.passes]
    return nearly_all(sum(a.failures > 0 for a in ran), len(ran))


def nearly_all(failed: int, ran: int) -> bool:
    """More than 80 % of at least SMALLEST_RUN."""
    return ran >= SMALLEST_RUN and failed > INFRASTRUCTURE * ran


def trials(past: Standing) -> int:
    """How often a test should run once to become known: TRIALS if it has no past, else 1."""
    return 1 if past.runs else TRIALS
