"""A cold start is forgiven what it showed at its beginning, for a time; a fault is not."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.analysis.traffic import BOUNDS, Truth, window, windows

from headway.analysis import warm
from headway.analysis.judge import Setup, begin, judge
from headway.analysis.margins import Moment
from headway.analysis.memory import Memory
from headway.model.pace import STANDARD
from headway.model.service import Analysis
from headway.model.verdict import Outcome
from headway.model.window import Counts

KNOWN = Memory(10_000.0, 100.0, (10.0, 20.0, 40.0, 80.0), (1000.0, 4000.0, 4000.0, 900.0, 100.0))


def at(age, *, step_age=None):
    return Moment(age, age if step_age is None else step_age, step_age is not None, 0.25)


def first(errors, buckets, requests=3000):
    return warm.observe(
        warm.Warm(), Counts(requests, errors, buckets), KNOWN.bounds_ms, 30, STANDARD
    )


def test_only_the_first_seconds_are_learnt_from():
    seen = Counts(100, 3, (50, 50, 0, 0, 0))
    once = warm.observe(warm.Warm(), seen, KNOWN.bounds_ms, 10, STANDARD)
    twice = warm.observe(once, seen, KNOWN.bounds_ms, 30, STANDARD)
    assert (twice.requests, twice.errors, twice.buckets) == (200, 6, (100, 100, 0, 0, 0))
    assert warm.observe(twice, seen, KNOWN.bounds_ms, 31, STANDARD) == twice


def test_before_anything_is_learnt_the_declared_maximum_holds_and_fades():
    nothing = warm.Warm()
    assert warm.errors(nothing, KNOWN, at(60), STANDARD) == warm.MOST_ERRORS
    assert warm.latency(nothing, KNOWN, 1, at(60), STANDARD) == warm.MOST_LATENCY
    fading = [warm.errors(nothing, KNOWN, at(age), STANDARD) for age in (70, 80, 90, 100, 130)]
    assert fading == sorted(fading, reverse=True)
    assert fading[-1] == 0.0


def test_a_warm_start_is_forgiven_little():
    usual = first(30, (300, 1200, 1200, 270, 30))
    assert warm.errors(usual, KNOWN, at(40), STANDARD) < 0.006
    assert warm.latency(usual, KNOWN, 1, at(40), STANDARD) < 0.15


def test_a_cold_start_is_forgiven_what_it_showed_and_no_more():
    cold = first(150, (30, 120, 900, 1400, 550))
    excess = 150 / 3000 - KNOWN.error_rate
    assert excess < warm.errors(cold, KNOWN, at(50), STANDARD) < 1.5 * excess
    assert 0.5 < warm.latency(cold, KNOWN, 2, at(50), STANDARD) < warm.MOST_LATENCY


def test_a_step_warms_up_again_by_a_part():
    cold = first(150, (30, 120, 900, 1400, 550))
    full = warm.errors(cold, KNOWN, at(50), STANDARD)
    again = warm.errors(cold, KNOWN, at(600, step_age=50), STANDARD)
    assert again == pytest.approx(warm.ERRORS_AGAIN * full)
    begun = warm.errors(cold, KNOWN, at(600, step_age=10), STANDARD)
    assert begun == pytest.approx(max(warm.STEPPED, again))
    assert warm.errors(cold, KNOWN, at(600, step_age=150), STANDARD) == 0.0


def cold_start(seed, plateau, growth, errors):
    """Flat until `plateau` seconds, then falling in a straight line for 20 s."""
    rng, seen = np.random.default_rng(seed), []
    for index in range(24):
        middle = 10 * index + 5
        left = min(1.0, max(0.0, (plateau + 20 - middle) / 20))
        truth = Truth(errors_c=0.01 + errors * left, median_c=40 * (1 + growth * left))
        seen.append(window(rng, truth, index))
    return seen


def last_of(seen, setup):
    state = begin(setup)
    for one in seen:
        state, finding = judge(setup, state, one)
    return finding


@pytest.mark.parametrize("plateau", [20, 40, 60])
@pytest.mark.parametrize("seed", range(3))
def test_a_flat_cold_start_does_not_fail_and_one_that_never_ends_does(plateau, seed):
    setup = Setup(Analysis(), 0.05)
    ending = cold_start(seed, plateau, 2.0, 0.02)
    assert last_of(ending, setup).verdict.outcome is not Outcome.FAIL
    for_ever = windows(seed, Truth(errors_c=0.03, median_c=120.0), 24, 24)
    assert last_of(for_ever, setup).verdict.outcome is Outcome.FAIL


def test_without_a_word_of_the_first_seconds_no_less_is_forgiven():
    """A gap at the beginning must not make the judge stricter."""
    setup = Setup(Analysis(), 0.05)
    seen = cold_start(4, 60, 2.0, 0.02)
    gaps = [replace(one, candidate=None) if one.index < 3 else one for one in seen]
    assert last_of(gaps, setup).verdict.outcome is not Outcome.FAIL
    assert len(BOUNDS) + 1 == len(seen[5].candidate.total.buckets)
