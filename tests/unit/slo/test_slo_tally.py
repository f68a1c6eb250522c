"""Counting requests between two readings, and laying them over minutes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.histogram.rebin import BOUNDS_MS
from headway.model.service import Slo
from headway.model.window import Counts, Snapshot, VersionCounts
from headway.slo.tally import (
    Bucket,
    Tally,
    buckets_under,
    effective_ms,
    grown,
    remembered,
    spread,
    within,
)

AVAILABILITY = Slo("availability")
FAST = Slo("fast", sli="latency", target=0.99, under_seconds=0.3)
BOUNDS = (100.0, 300.0, 1000.0)


def reading(at: float, epoch: str = "a", **versions: tuple[int, int, tuple[int, ...]]) -> Snapshot:
    counts = {r: VersionCounts(Counts(n, e, b), {}) for r, (n, e, b) in versions.items()}
    return Snapshot(at, epoch, BOUNDS, counts)


def test_growth_is_the_difference_of_two_readings_per_release() -> None:
    before = reading(0, v1=(100, 1, (50, 30, 10, 10)))
    after = reading(10, v1=(160, 4, (80, 50, 20, 10)), v2=(10, 10, (0, 0, 0, 10)))
    assert grown(before, after, AVAILABILITY) == {"v1": Tally(57, 60), "v2": Tally(0, 10)}
    assert grown(before, after, FAST) == {"v1": Tally(50, 60), "v2": Tally(0, 10)}


def test_a_new_epoch_counts_from_zero_and_so_does_a_counter_that_fell() -> None:
    before = reading(0, v1=(100, 1, (100, 0, 0, 0)))
    assert grown(before, reading(10, "b", v1=(7, 1, (7, 0, 0, 0))), AVAILABILITY) == {
        "v1": Tally(6, 7)
    }
    fell = reading(10, v1=(7, 0, (7, 0, 0, 0)))
    assert grown(before, fell, AVAILABILITY) == {"v1": Tally(7, 7)}
    assert grown(before, fell, FAST) == {"v1": Tally(7, 7)}


def test_a_release_that_is_missing_once_is_not_counted_twice() -> None:
    first = reading(0, v1=(100, 0, ()))
    gone = remembered(first, reading(10))
    assert grown(gone, reading(20, v1=(130, 0, ())), AVAILABILITY) == {"v1": Tally(30, 30)}
    assert remembered(first, reading(10, "b")).versions == {}


def test_a_threshold_between_two_bounds_is_measured_at_the_lower_one() -> None:
    assert buckets_under(BOUNDS, 0.3) == 2
    assert effective_ms(BOUNDS, 0.25) == 100.0
    assert effective_ms(BOUNDS, 0.05) == 0.0
    assert effective_ms(BOUNDS_MS, 0.300) == 300.0
    assert effective_ms(BOUNDS_MS, 0.350) == 300.0


@given(st.floats(0, 2e9), st.floats(0.001, 90_000), st.floats(0, 1e6))
def test_spreading_loses_nothing_and_stays_in_its_interval(
    begin: float, length: float, total: float
) -> None:
    found = list(spread(begin, begin + length, Tally(total / 2, total)))
    assert math.isclose(sum(b.tally.total for b in found), total, rel_tol=1e-6, abs_tol=1e-9)
    assert all(begin - 60 < b.at < begin + length and b.at % 60 == 0 for b in found)
    assert len({b.at for b in found}) == len(found)


def test_a_window_is_never_shorter_than_asked_for() -> None:
    buckets = [Bucket(60.0 * i, Tally(1, 1)) for i in range(10)]
    assert within(buckets, 90, 600).total == 9
    assert within(buckets, 120, 600).total == 8
    assert within([], 0, 600) == Tally()


@pytest.mark.parametrize("total", [0.0, 3.0])
def test_bad_is_never_negative(total: float) -> None:
    assert Tally(total + 1e-9, total).bad == 0.0
