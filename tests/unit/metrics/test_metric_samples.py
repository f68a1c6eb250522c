import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.metrics.samples import (
    cleaned,
    increase,
    resolution,
    running_totals,
    summed,
    uncovered,
)

TIMES = st.integers(0, 200).map(float)
COUNTS = st.integers(0, 1000).map(float)
SERIES = st.dictionaries(TIMES, COUNTS, min_size=1, max_size=30).map(lambda d: sorted(d.items()))


def test_a_counter_grows_from_where_it_stood_when_users_came() -> None:
    assert increase([(0, 10), (5, 12), (10, 15)], 5.0) == 3
    assert increase([(0, 10), (5, 12), (10, 15)], 7.0) == 3
    assert increase([(5, 12), (10, 15)], 0.0) == 3


def test_a_counter_born_under_observation_began_at_zero() -> None:
    assert increase([(5, 2), (10, 3)], 0.0, born=True) == 3
    assert increase([(5, 2)], 0.0, born=True) == 2
    assert increase([(5, 2)], 0.0) == 0


def test_a_reset_counts_what_came_after_it() -> None:
    assert increase([(0, 100), (5, 110), (10, 4), (15, 9)], 0.0) == 19


def test_no_sample_is_no_data_and_not_zero() -> None:
    assert increase([], 0.0) is None
    assert increase([(0, 10)], 0.0) is None
    assert summed([(0, 10)], 0.0) is None


def test_gaps_are_measured() -> None:
    assert uncovered([(1, 0), (2, 0), (30, 0)], 0.0, 60.0, 15.0) == 28 + 30
    assert uncovered([], 0.0, 60.0, 15.0) == 60
    assert resolution([(0, 1), (5, 1), (10, 1), (60, 1)]) == 5


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=30), TIMES)
def test_cleaned_is_rising_finite_and_never_of_the_future(
    wild: list[tuple[float, float]], until: float
) -> None:
    clean = cleaned(wild, until)
    times = [at for at, _ in clean]
    assert times == sorted(set(times))
    assert all(math.isfinite(at) and math.isfinite(v) and at <= until for at, v in clean)
    assert set(clean) <= set(wild)


@given(SERIES, st.randoms())
def test_the_order_in_which_samples_come_does_not_matter(
    series: list[tuple[float, float]], random: object
) -> None:
    mixed = list(series)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert increase(cleaned(mixed, 1e9), 20.0) == increase(series, 20.0)


@given(SERIES, TIMES)
def test_an_increase_is_never_negative_and_grows_with_time(
    series: list[tuple[float, float]], begin: float
) -> None:
    grown = [increase(cleaned(series, until), begin) for until in range(0, 210, 10)]
    known = [g for g in grown if g is not None]
    assert known == sorted(known)
    assert min(known, default=0) >= 0


@given(SERIES, TIMES, st.tuples(TIMES, COUNTS))
def test_a_late_sample_never_takes_back_what_was_counted(
    series: list[tuple[float, float]], begin: float, late: tuple[float, float]
) -> None:
    before = increase(series, begin)
    if before is None or late[0] <= max(begin, series[0][0]) or late[0] in dict(series):
        return
    after = increase(cleaned([*series, late], 1e9), begin)
    assert after is not None
    assert after >= before


@given(SERIES, st.integers(1, 29))
def test_running_totals_keep_every_increase_across_a_cut(
    series: list[tuple[float, float]], cut: int
) -> None:
    values = [v for _, v in series]
    first = running_totals(values[:cut], values[0], values[0])
    rest = running_totals(values[cut:], values[:cut][-1], first[-1])
    totals = [(at, t) for (at, _), t in zip(series, [*first, *rest], strict=True)]
    begin = series[0][0]
    assert increase(totals, begin) == pytest.approx(increase(series, begin))
    assert [t for _, t in totals] == sorted(t for _, t in totals)
