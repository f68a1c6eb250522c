"""E[S] <= 1 on every point of the null: exactly for small samples, by simulation for large."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.analysis.evariable import Edge, Pair, hedged, log_e

rates = st.floats(1e-4, 0.97)


def column(value):
    return np.array([[float(value)]])


def pmf(n, p):
    ks = np.arange(n + 1)
    return np.array([math.comb(n, int(k)) for k in ks]) * p**ks * (1 - p) ** (n - ks)


def expectation(n_c, n_b, p_c, p_b, alt_c, alt_b, edge, phi=None):
    """Exact, over every outcome."""
    k_c, k_b = np.meshgrid(np.arange(n_c + 1.0), np.arange(n_b + 1.0), indexing="ij")
    pair = Pair(k_c, np.full_like(k_c, n_c), k_b, np.full_like(k_b, n_b))
    log_s = log_e(pair, column(alt_c), column(alt_b), edge)
    if phi is not None:
        log_s = hedged(log_s, np.full_like(log_s, phi))
    return float((np.exp(log_s) * np.outer(pmf(n_c, p_c), pmf(n_b, p_b))).sum())


def edge(a, d, *, fixed=False):
    return Edge(column(a), column(d), np.array([[fixed]]))


@settings(max_examples=200, deadline=None)
@given(
    n_c=st.integers(1, 14),
    n_b=st.integers(1, 14),
    p_b=rates,
    alt_b=rates,
    a=st.floats(0.5, 5),
    d=st.floats(0, 0.2),
    inside=st.floats(0, 1),
    lift=st.floats(1.05, 60),
)
def test_rollback_bets_are_fair_for_every_tolerated_version(
    n_c, n_b, p_b, alt_b, a, d, inside, lift
):
    odds = min(0.98, a * alt_b + d)
    odds = odds / (1 - odds) * lift
    alt_c = odds / (1 + odds)
    if alt_c <= a * alt_b + d + 1e-9:
        return  # inside the null: the judge stakes nothing
    p_c = min(1.0, a * p_b + d) * inside
    mean = expectation(n_c, n_b, p_c, p_b, alt_c, alt_b, edge(a, d))
    assert mean <= 1 + 1e-6
    assert expectation(n_c, n_b, p_c, p_b, alt_c, alt_b, edge(a, d), phi=1.7) <= 1 + 1e-6


@settings(max_examples=200, deadline=None)
@given(
    n_c=st.integers(1, 14),
    n_b=st.integers(1, 14),
    p_b=rates,
    alt_b=rates,
    a=st.floats(1.0, 5),
    d=st.floats(0.001, 0.2),
    beyond=st.floats(0, 1),
    hope=st.floats(0.05, 0.95),
)
def test_promotion_bets_are_fair_for_every_harmful_version(
    n_c, n_b, p_b, alt_b, a, d, beyond, hope
):
    alt_c = min(0.98, (a * alt_b + d) * hope)
    if a * p_b + d >= 1:
        return  # nothing is harmful there: the null is empty at this baseline
    p_c = a * p_b + d + beyond * (1 - a * p_b - d)
    assert expectation(n_c, n_b, p_c, p_b, alt_c, alt_b, edge(a, d)) <= 1 + 1e-6


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 30), limit=st.floats(1e-3, 0.5), below=st.floats(0, 1), up=rates)
def test_a_fixed_limit_is_fair_without_any_baseline(n, limit, below, up):
    if up <= limit:
        return
    mean = expectation(n, 0, limit * below, 0.3, up, limit, edge(1.0, 0.0, fixed=True))
    assert mean <= 1 + 1e-9


def test_the_bound_is_tight_at_the_edge_and_power_is_there_beyond_it():
    on_edge = expectation(12, 12, 0.3, 0.2, 0.6, 0.2, edge(1.5, 0.0))
    beyond = expectation(12, 12, 0.6, 0.2, 0.6, 0.2, edge(1.5, 0.0))
    assert 0.9 < on_edge <= 1 + 1e-9
    assert beyond > 2


@pytest.mark.parametrize("seed", range(4))
def test_large_samples_by_simulation(seed):
    rng = np.random.default_rng(seed)
    p_b, a, d = rng.uniform(0.001, 0.05), rng.uniform(1, 1.6), rng.uniform(0.0005, 0.003)
    n_c, n_b, runs = 400, 4000, 200_000
    pair = Pair(
        rng.binomial(n_c, a * p_b + d, (runs, 1)).astype(float),
        np.full((runs, 1), float(n_c)),
        rng.binomial(n_b, p_b, (runs, 1)).astype(float),
        np.full((runs, 1), float(n_b)),
    )
    alt = 1.3 * (a * p_b + d)
    s = np.exp(log_e(pair, column(alt), column(p_b), edge(a, d)))
    assert s.mean() <= 1 + 4 * s.std() / math.sqrt(runs)


def test_zero_baseline_errors_are_evidence_like_any_other():
    pair = Pair(column(6), column(200), column(0), column(4000))
    log_s = log_e(pair, column(0.02), column(1e-7), edge(1.25, 0.0005))
    assert np.isfinite(log_s).all()
    assert log_s[0, 0] > 3
