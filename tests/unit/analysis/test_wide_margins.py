"""Margins so wide that the bounds around stable's own latencies tell nothing: it is neither passed
nor overlooked.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.analysis.bets import chosen_bounds
from headway.analysis.judge import Setup, begin, judge
from headway.analysis.margins import Growth, Moment, slow_edges
from headway.analysis.memory import Memory
from headway.model.pace import QUICK
from headway.model.service import Analysis
from headway.model.verdict import Outcome
from headway.model.window import Counts, VersionCounts, Window

BOUNDS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 50.0, 200.0, 1000.0, 2000.0)
WIDE = Analysis(errors_absolute=0.05, latency_relative=3.0, pace=QUICK)


def counts(latencies: np.ndarray) -> VersionCounts:
    """As many requests as there are latencies (ms), none of them an error."""
    buckets = np.bincount(np.searchsorted(BOUNDS, latencies), minlength=len(BOUNDS) + 1)
    return VersionCounts(Counts(len(latencies), 0, tuple(buckets.tolist())), {})


def window(index: int, slow_ms: float, rng: np.random.Generator) -> Window:
    """150 requests each: stable takes about 1.5 ms, the candidate always `slow_ms` and more, or as
    long as stable (0).
    """
    stable = rng.lognormal(np.log(1.5), 0.5, 150)
    candidate = rng.lognormal(np.log(1.5), 0.5, 150)
    if slow_ms:
        candidate = rng.uniform(slow_ms, 1.3 * slow_ms, 150)

    begins = float(index)
    return Window(index, begins, begins + 1, 0, 0.05, BOUNDS, counts(candidate), counts(stable))


@pytest.mark.parametrize(("slow_ms", "within"), [(8.0, 40), (40.0, 15), (900.0, 15)])
def test_whoever_is_much_slower_for_good_falls_soon_and_never_passes(
    slow_ms: float, within: int
) -> None:
    rng = np.random.default_rng(7)
    setup = Setup(WIDE, 0.0)
    state, outcomes = begin(setup), []
    for index in range(within):
        state, finding = judge(setup, state, window(index, slow_ms, rng))
        outcomes.append(finding.verdict.outcome)
        if outcomes[-1] is Outcome.FAIL:
            break
    assert Outcome.PASS not in outcomes
    assert outcomes[-1] is Outcome.FAIL


def test_an_equal_version_is_proven_harmless_all_the_same() -> None:
    rng = np.random.default_rng(7)
    setup = Setup(WIDE, 0.0)
    state, outcomes = begin(setup), []
    for index in range(40):
        state, finding = judge(setup, state, window(index, 0.0, rng))
        outcomes.append(finding.verdict.outcome)
    assert Outcome.PASS in outcomes
    assert Outcome.FAIL not in outcomes


def test_as_much_slower_as_is_tolerated_is_hardly_ever_rolled_back() -> None:
    fallen = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        setup = Setup(WIDE, 0.0)
        state = begin(setup)
        for index in range(60):
            seen = window(index, 0.0, rng)
            slower = rng.lognormal(np.log(1.5), 0.5, 150) * (1 + WIDE.latency_relative)
            state, finding = judge(setup, state, replace(seen, candidate=counts(slower)))
            if finding.verdict.outcome is Outcome.FAIL:
                fallen += 1
                break
    assert fallen <= 1


def test_a_bound_that_the_service_names_is_its_own_and_must_be_proven() -> None:
    buckets = (20e3, 45e3, 25e3, 7e3, 2e3, 600, 300, 100, *[0] * 7)
    memory = Memory(bounds_ms=BOUNDS, buckets=buckets)
    plain = chosen_bounds(memory, BOUNDS, WIDE)
    asked = chosen_bounds(memory, BOUNDS, replace(WIDE, latency_ms=(BOUNDS[plain["tail2"]],)))
    assert BOUNDS[plain["tail2"]] >= 10
    assert asked["at1"] == plain["tail2"] != asked["tail2"]


@given(
    tolerated=st.floats(1, 500),
    harm=st.floats(0, 500),
    cold=st.floats(0, 1),
    rate=st.floats(0, 0.97),
    share=st.sampled_from([0.0, 0.05, 0.2, 0.9]),
)
def test_harm_is_always_something_that_could_be(
    tolerated: float, harm: float, cold: float, rate: float, share: float
) -> None:
    grown = Growth(tolerated, tolerated + harm, cold)
    edges = slow_edges(grown, Moment(30, 30, stepped=False, share=share), rate, absolute=False)
    edge = edges.harm_a * rate + edges.harm_d
    assert 0 < edge < 1
    assert edges.hope is not None
