"""Nobody ever plays with more than the one unit of capital, whoever comes and goes."""

import math
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headway.analysis import roles
from headway.analysis.bets import Bet
from headway.analysis.capital import (
    EARLY_RESTARTS,
    Capital,
    handed_out,
    log_evidence,
    log_held,
    players,
    richest,
    staked,
)
from headway.analysis.margins import Edges
from headway.analysis.score import ALTERNATIVES

INSTANCES = ["i0", "i1", "i2", "i3"]
signals = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([roles.ERRORS, *roles.LATENCY]), st.just("")),
        st.tuples(
            st.sampled_from([roles.INSTANCE_ERRORS, roles.INSTANCE_SLOW]),
            st.sampled_from(INSTANCES),
        ),
    ),
    min_size=1,
    max_size=10,
    unique=True,
)


def bet(role, instance=""):
    return Bet(role, instance, (0.0, 10.0, 0.0, 10.0), 0.01, Edges(1.5, 0.001), 1.0)


def flat(bets, value=0.0):
    return np.full((len(bets), ALTERNATIVES), value)


def test_weights_and_restarts_sum_to_one():
    assert math.isclose(sum(roles.WEIGHTS.values()), 1.0)
    parts = [handed_out(i) for i in range(200_000)]
    assert sum(parts) < 1
    assert math.isclose(sum(parts), 1.0, abs_tol=1e-5)
    assert all(a >= b for a, b in pairwise(parts))
    assert handed_out(EARLY_RESTARTS + 1) > 0


class Table(RuleBasedStateMachine):
    """Fair bets (S = 1) never change the sum; it is exactly what was handed out."""

    def __init__(self):
        super().__init__()
        self.capital, self.age = Capital(), 0.0

    @rule(present=signals, seconds=st.sampled_from([1.0, 10.0, 130.0]))
    def play(self, present, seconds):
        self.age += seconds
        bets = [bet(*signal) for signal in present]
        self.capital = staked(self.capital, bets, flat(bets), self.age, 120.0)

    @invariant()
    def sum_is_what_was_handed_out(self):
        given_out = sum(handed_out(i) for i in range(self.capital.restarts))
        assert math.isclose(math.exp(log_evidence(self.capital)), given_out, abs_tol=1e-9)
        assert given_out <= 1


TestTable = Table.TestCase
TestTable.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


@settings(max_examples=40, deadline=None)
@given(rounds=st.lists(signals, min_size=1, max_size=6), seed=st.integers(0, 2**31))
def test_the_expectation_stays_one_under_fair_coins(rounds, seed):
    """E over fair random S (0.5 or 1.5 per signal and alternative), by antithetic pairs."""
    rng = np.random.default_rng(seed)
    capital = Capital()
    for age, present in enumerate(rounds):
        bets = [bet(*signal) for signal in present]
        flip = np.where(rng.random((len(bets), ALTERNATIVES)) < 0.5, 0.5, 1.5)
        up, down = (staked(capital, bets, np.log(s), age, 1e9) for s in (flip, 2 - flip))
        even = staked(capital, bets, flat(bets), age, 1e9)
        mean = (math.exp(log_evidence(up)) + math.exp(log_evidence(down))) / 2
        assert math.isclose(mean, math.exp(log_evidence(even)), rel_tol=1e-9)
        capital = up


def test_an_instance_that_left_keeps_what_it_won():
    bets = [bet(roles.INSTANCE_ERRORS, "i0"), bet(roles.INSTANCE_ERRORS, "i1")]
    won = staked(Capital(), bets, np.vstack([flat(bets[:1], 6.0), flat(bets[1:])]), 0, 1e9)
    assert richest(won) == (roles.INSTANCE_ERRORS, "i0")
    after = staked(won, bets[1:], flat(bets[1:]), 10, 1e9)
    assert math.isclose(log_evidence(won), log_evidence(after))
    assert players(after, roles.INSTANCE_ERRORS) == ["i1"]


def test_what_a_seat_holds_is_told_on_its_own_scale():
    bets = [bet(role) for role in roles.LATENCY]
    capital = staked(Capital(), bets, flat(bets), 0, 1e9)
    assert math.isclose(log_held(capital, "latency", "p50"), math.log(handed_out(0)))
