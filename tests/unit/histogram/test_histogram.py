"""Shares above bounds, their shift, and quantiles for people."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.histogram.quantile import quantile
from headway.histogram.survival import above, scaled, survival

BOUNDS = (10.0, 20.0, 40.0, 80.0)
histograms = st.lists(st.integers(0, 1000), min_size=5, max_size=5)


def test_above_counts_what_is_slower_than_the_bound():
    assert above((1, 2, 3, 4, 5), 0) == 14
    assert above((1, 2, 3, 4, 5), 3) == 5


@given(histograms)
def test_shares_fall_and_are_never_impossible(buckets):
    shares = survival(buckets)
    assert len(shares) == 4
    assert all(shares > 0)
    assert all(shares < 1)
    assert all(np.diff(shares) <= 0)


@given(histograms, st.integers(0, 3), st.floats(1, 8), st.floats(1, 8))
def test_slower_latencies_only_raise_the_share(buckets, bound, one, other):
    shares = survival(buckets)
    low, high = (scaled(shares, BOUNDS, bound, f) for f in sorted((one, other)))
    assert shares[bound] <= low <= high <= 1


def test_a_factor_of_two_moves_one_bound_on_a_doubling_grid():
    shares = survival((50, 30, 15, 4, 1))
    assert scaled(shares, BOUNDS, 2, 2.0) == pytest.approx(shares[1])
    assert scaled(shares, BOUNDS, 0, 1.5) == 1.0


def test_quantiles_are_linear_inside_a_bucket():
    assert quantile(BOUNDS, (10, 10, 0, 0, 0), 0.75) == pytest.approx(15.0)
    assert quantile(BOUNDS, (0, 0, 0, 0, 5), 0.5) == 80.0
    assert quantile(BOUNDS, (0, 0, 0, 0, 0), 0.5) is None
    assert quantile(BOUNDS, (4, 0, 0, 0, 0), 0.0) == 0.0
