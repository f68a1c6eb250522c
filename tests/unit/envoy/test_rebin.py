"""Rebinning moves every count to where its values lie, and splits none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.histogram.rebin import BOUNDS_MS, rebin


def native(value: int) -> tuple[float, float]:
    """The circllhist bucket of a whole number of ms: two significant digits."""
    if value == 0:
        return 0.0, 0.0
    width = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.floor(value / width + 1e-9) * width, width


def test_bounds_rise_and_end_at_a_minute():
    assert list(BOUNDS_MS) == sorted(set(BOUNDS_MS))
    assert (BOUNDS_MS[0], BOUNDS_MS[-1]) == (1, 60_000)


@given(st.lists(st.integers(0, 200_000), max_size=200))
def test_every_value_is_counted_below_its_own_bound(values):
    counts = rebin((*native(v), 1) for v in values)
    assert len(counts) == len(BOUNDS_MS) + 1
    for index, bound in enumerate(BOUNDS_MS):
        assert sum(counts[: index + 1]) == sum(v < bound for v in values)
    assert sum(counts) == len(values)


@given(st.integers(1, 99), st.integers(-1, 3))
def test_no_native_bucket_is_split(mantissa, exponent):
    lower, width = mantissa * 10.0**exponent, 10.0**exponent
    if mantissa >= 10:
        assert sum(rebin([(lower, width, 7)])) == 7


def test_float_noise_at_an_edge_is_no_split():
    assert rebin([(0.9999999999999999, 0.1, 3)]) == rebin([(1.0, 0.1, 3)])
    assert rebin([(119.99999999999999, 10.0, 3)]) == rebin([(120.0, 10.0, 3)])


def test_a_bucket_across_a_bound_is_refused():
    with pytest.raises(ValueError, match="split"):
        rebin([(10.0, 10.0, 1)])
