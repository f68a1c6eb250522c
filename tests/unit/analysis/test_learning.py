"""What is learnt from the stable version: memory, dispersion, spread."""

import math

import numpy as np
import pytest

from headway.analysis.dispersion import Spread, error_spread, learn, slow_spread
from headway.analysis.memory import Memory, remember
from headway.model.pace import STANDARD
from headway.model.window import Counts, VersionCounts

B = (10.0, 100.0)


def stable(rates, rng, n=2000, burst=1):
    each = {}
    for i, rate in enumerate(rates):
        bad = min(n, burst * int(rng.poisson(n * rate / burst)))
        each[f"b{i}"] = Counts(n, bad, (n - bad, bad, 0))
    return VersionCounts(Counts(n * len(rates), sum(c.errors for c in each.values())), each)


def learnt(rates, windows=60, **how):
    rng, spread = np.random.default_rng(1), Spread()
    for _ in range(windows):
        spread = learn(spread, stable(rates, rng, **how), 0)
    return spread


def test_plain_counts_have_dispersion_near_one_and_bursts_near_their_size():
    assert 1.0 <= learnt([0.01] * 4).error_phi < 1.8
    assert 3.5 < learnt([0.01] * 4, burst=5).error_phi < 9.0
    assert learnt([0.01] * 4, burst=5).slow_phi == pytest.approx(5.0, rel=0.35)


def test_errors_that_come_in_runs_show_in_longer_blocks():
    """One instance has a failing client for 12 windows, then another: each window alone says less
    than the run of them.
    """
    rng, spread = np.random.default_rng(3), Spread()
    for i in range(120):
        rates = [0.02 if (i // 12) % 4 == j else 0.001 for j in range(4)]
        spread = learn(spread, stable(rates, rng), 0)
    single = spread.error_chi / spread.error_df
    assert spread.error_phi > 3 * single


def test_before_anything_is_seen_a_prior_speaks():
    assert Spread().error_phi == Spread().slow_phi == 1.5
    assert error_spread(Spread()) == slow_spread(Spread(), 0) == 0.05


def test_equal_instances_have_no_spread_and_unequal_ones_theirs():
    assert error_spread(learnt([0.02] * 5)) < 0.06
    rates = [0.01, 0.02, 0.03]
    expected = np.std(rates, ddof=1) / np.mean(rates)
    assert error_spread(learnt(rates)) == pytest.approx(min(0.5, expected + 0.01), abs=0.06)


def test_instances_without_latencies_teach_nothing_about_them():
    spread = learn(
        Spread(), VersionCounts(Counts(20, 1), {"a": Counts(10, 1), "b": Counts(10, 0)}), 0
    )
    assert spread.slow_df == Spread().slow_df
    assert spread.error_df == Spread().error_df + 1
    assert slow_spread(spread, 0) == 0.05


def test_an_instance_that_left_is_forgotten():
    spread = learnt([0.01] * 3, 2)
    after = learn(spread, VersionCounts(Counts(5, 0), {"b1": Counts(5, 0, (5, 0, 0))}), 0)
    assert set(after.instances) == {"b1"}
    assert after.instances["b1"].requests == 4005


def test_memory_fades_and_changes_its_bounds():
    memory = remember(Memory(), Counts(100, 10, (90, 10, 0)), B, 10, STANDARD)
    later = remember(memory, Counts(0, 0, (0, 0, 0)), B, STANDARD.memory_errors, STANDARD)
    assert later.errors == pytest.approx(10 / math.e)
    moved = remember(memory, Counts(10, 0, (9, 1, 0)), (10.0, 200.0), 10, STANDARD)
    assert moved.buckets == (9.0, 1.0, 0.0)
    assert remember(memory, Counts(10, 0), B, 10, STANDARD).buckets == memory.buckets


def test_standard_memory_keeps_what_the_benchmark_was_tuned_with():
    assert math.exp(-10 / STANDARD.memory_errors) == pytest.approx(0.97, abs=1e-4)
    assert math.exp(-10 / STANDARD.memory_latency) == pytest.approx(0.995, abs=1e-4)


def test_a_ceiling_needs_enough_requests_and_stays_above_the_rate():
    assert Memory(requests=299, errors=5).error_ceiling is None
    assert Memory(requests=300).error_ceiling == pytest.approx(0.01)
    known = Memory(requests=1e5, errors=1000)
    assert known.error_rate < known.error_ceiling < 1.08 * known.error_rate
    assert not Memory(buckets=(20.0, 9.0)).knows_latency
    assert Memory(buckets=(20.0, 10.0)).knows_latency
    assert Memory().error_rate > 0
