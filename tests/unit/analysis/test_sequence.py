"""Confidence sequences cover the truth at all times together, whatever the rates do meanwhile."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.analysis import sequence
from headway.analysis.sequence import Certainty, Windows

ALPHA = 0.1


def drawn(rng, windows=50):
    """Both versions in a service whose rate rises, falls and is hit by an incident; the split
    grows on the way. Counts of each window, and the true rate in it.
    """
    t = np.arange(windows)
    rate = 0.004 + 0.01 * (1 + np.sin(t / rng.uniform(3, 9)))
    rate[20:24] *= rng.uniform(1, 6)
    n_c, n_b = rng.poisson(15 * (1 + t // 12)), rng.poisson(80, windows)
    k_c, k_b = rng.binomial(n_c, rate), rng.binomial(n_b, rate)
    return Windows(*(np.asarray(x, float) for x in (k_c, n_c, k_b, n_b))), rate


def share_missed(seen, rate):
    of = np.cumsum(seen.n_c)
    truth = np.cumsum(rate * seen.n_c) / np.maximum(1, of)
    band = sequence.share(np.cumsum(seen.k_c), of, Certainty(ALPHA))
    return bool(((band.low > truth) | (band.high < truth))[of > 0].any())


def difference_missed(seen):
    band = sequence.difference(seen, Certainty(ALPHA))
    return bool(((band.low > 0) | (band.high < 0)).any())


def misses(runs, seed=7):
    rng = np.random.default_rng(seed)
    share = difference = 0
    for _ in range(runs):
        seen, rate = drawn(rng)
        share += share_missed(seen, rate)
        difference += difference_missed(seen)
    return share, difference


def test_the_truth_is_inside_at_all_times_while_rates_move():
    """At a true 10 % of misses, 10 and more of 40 have probability .005."""
    share, difference = misses(40)
    assert share <= 9
    assert difference <= 9


@pytest.mark.soak
def test_coverage_in_a_long_sweep():
    runs = 3000
    share, difference = misses(runs, seed=11)
    assert share / runs <= ALPHA
    assert difference / runs <= ALPHA


def test_the_process_at_the_true_rate_begins_at_one_and_stays_there_on_average():
    """The exact expectation over every outcome of 12 requests, rates differing: at most 1."""
    rates = np.array([0.02, 0.5, 0.1, 0.3, 0.07, 0.9, 0.2, 0.05, 0.6, 0.4, 0.01, 0.15])
    law = np.array([1.0])
    for p in rates:
        law = np.convolve(law, [1 - p, p])
    bad = np.arange(13.0)
    of = np.full(13, 12.0)
    mean = np.full(13, rates.mean())
    for tilts in (sequence.TILTS, -sequence.TILTS):
        logs = tilts * bad[:, None] - of[:, None] * np.log1p(mean[:, None] * np.expm1(tilts))
        assert float((law * np.exp(logs).mean(axis=1)).sum()) <= 1 + 1e-12


@settings(max_examples=60, deadline=None)
@given(of=st.integers(1, 100_000), part=st.floats(0, 1), phi=st.floats(1, 20))
def test_a_band_holds_the_estimate_and_dispersion_only_widens_it(of, part, phi):
    bad = np.array([float(round(of * part))])
    of = np.array([float(of)])
    band = sequence.share(bad, of, Certainty(ALPHA))
    wide = sequence.share(bad, of, Certainty(ALPHA, phi))
    assert 0 <= wide.low[0] <= band.low[0] <= bad[0] / of[0] + 1e-12
    assert bad[0] / of[0] - 1e-12 <= band.high[0] <= wide.high[0] <= 1
    surer = sequence.share(bad, of, Certainty(ALPHA / 10))
    assert surer.low[0] <= band.low[0] + 1e-12
    assert band.high[0] <= surer.high[0] + 1e-12


def test_a_band_narrows_with_the_root_of_the_requests():
    of = np.array([1e3, 1e5, 1e7])
    band = sequence.share(0.01 * of, of, Certainty(0.01))
    wide = band.high - band.low
    assert 7 < wide[0] / wide[1] < 14
    assert 7 < wide[1] / wide[2] < 14
    fixed = 2 * 2.576 * np.sqrt(0.01 * 0.99 / of)  # an interval that may be looked at only once
    assert (wide < 2.3 * fixed).all()


def test_events_against_an_exposure():
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(100):
        exposure = np.cumsum(rng.uniform(1, 400, 40))
        events = np.cumsum(rng.poisson(0.05 * np.diff(exposure, prepend=0)))
        band = sequence.frequency(events, exposure, Certainty(ALPHA))
        missed += bool(((band.low > 0.05) | (band.high < 0.05)).any())
        assert (band.low <= events / exposure).all()
        assert (events / exposure <= band.high).all()
    assert missed <= 17


def test_a_difference_is_found_through_an_incident_that_hits_both():
    rng = np.random.default_rng(5)
    rate = np.full(120, 0.01)
    rate[60:70] = 0.2
    n_c, n_b = rng.poisson(400, 120), rng.poisson(1600, 120)
    k_c, k_b = rng.binomial(n_c, rate + 0.01), rng.binomial(n_b, rate)
    seen = Windows(*(np.asarray(x, float) for x in (k_c, n_c, k_b, n_b)))
    band = sequence.difference(seen, Certainty(0.01))
    assert 0 < band.low[-1] < 0.01 < band.high[-1] < 0.02


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(1, 500)] * 2, *[st.floats(0, 1)] * 2), min_size=1, max_size=12)
)
def test_a_difference_is_always_a_number_between_minus_one_and_one(rows):
    n_c, n_b = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows], float)
    k_c = np.floor(n_c * np.array([r[2] for r in rows]))
    k_b = np.floor(n_b * np.array([r[3] for r in rows]))
    band = sequence.difference(Windows(k_c, n_c, k_b, n_b), Certainty(ALPHA))
    assert np.isfinite(band.low).all()
    assert np.isfinite(band.high).all()
    assert (band.low >= -1).all()
    assert (band.high <= 1).all()
