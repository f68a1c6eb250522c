"""The rule for flaky tests: exact arithmetic, and what it may never do."""

import math

import pytest
from bench.flaky import Tripwire, simulate
from hypothesis import given
from hypothesis import strategies as st

from headway.testing.odds import at_least, beta, upper
from headway.testing.result import Attempts, TestId
from headway.testing.tripwire import (
    BLOCKS,
    FEWEST,
    MOST,
    UNKNOWN,
    Episode,
    Ruling,
    Standing,
    infrastructure,
    needed,
    rule,
    standing,
    trials,
)

TEST = TestId("", "c", "t")
GOOD, STABLE = {Ruling.PASSED, Ruling.FORGIVEN}, Standing(500, 0, (False,) * 9)


def tries(failures: int, passes: int) -> Attempts:
    return Attempts(TEST, failures, passes, 0, 0.1)


def flaky(every: int, runs: int) -> Standing:
    past = Standing()
    for number in range(runs):
        past = past.after(flipped=number % every == 0)
    return past


@st.composite
def pasts(draw: st.DrawFn) -> Standing:
    past = Standing(draw(st.integers(0, 3000)))
    past = Standing(past.runs, draw(st.integers(0, past.runs)))
    for flipped in draw(st.lists(st.booleans(), max_size=15)):
        past = past.after(flipped=flipped)
    return past


def exactly(hits: int, trials: int, rate: float) -> float:
    parts = (math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k)
             for k in range(hits, trials + 1))  # fmt: skip
    return math.fsum(parts)


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.001, 0.999))
def test_binomial_tails_are_exact(hits: int, trials: int, rate: float) -> None:
    assert at_least(hits, trials, rate) == pytest.approx(exactly(hits, trials, rate), abs=1e-11)


@given(st.integers(0, 400), st.integers(1, 400))
def test_the_upper_bound_is_the_quantile(hits: int, misses: int) -> None:
    bound = upper(hits, hits + misses)
    assert beta(hits + 1, misses, bound) == pytest.approx(0.95, abs=1e-6)
    assert bound > hits / (hits + misses)


def test_the_bound_of_nothing_seen_and_of_nonsense() -> None:
    assert upper(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59), abs=1e-9)  # the rule of three
    with pytest.raises(ValueError, match="3 of 2"):
        upper(3, 2)


def test_an_unknown_test_may_fail_twice() -> None:
    new = Standing()
    assert needed(new) == UNKNOWN == 3
    assert [rule(new, tries(f, 0)) for f in (1, 2, 3)] == [
        Ruling.AGAIN, Ruling.AGAIN, Ruling.BROKEN,
    ]  # fmt: skip
    assert rule(new, tries(1, 1)) is Ruling.FORGIVEN
    assert rule(new, tries(3, 7)) is Ruling.FORGIVEN
    assert rule(new, tries(3, 1)) is Ruling.BROKEN
    assert trials(new) == 10
    assert trials(STABLE) == 1


def test_a_flake_is_forgiven_as_often_as_its_own_rate_explains() -> None:
    rare, often = flaky(100, 500), flaky(3, 60)
    assert needed(rare) == FEWEST == 2
    assert needed(often) == MOST == 8
    assert rule(rare, tries(2, 0)) is Ruling.BROKEN
    assert rule(often, tries(7, 0)) is Ruling.AGAIN
    assert rule(often, tries(8, 0)) is Ruling.BROKEN
    assert rule(often, tries(1, 1)) is Ruling.FORGIVEN


def test_a_young_flake_has_no_better_past_to_be_held_against() -> None:
    young = Standing(9, 3, (True, False, False, True, False, False, True, False, False))
    assert rule(young, tries(1, 1)) is Ruling.FORGIVEN


def test_tries_that_its_own_rate_does_not_explain_are_red_though_one_passed() -> None:
    rare = flaky(100, 500)
    assert rule(rare, tries(1, 3)) is Ruling.FORGIVEN
    assert rule(rare, tries(3, 1)) is Ruling.WORSENED


def test_a_steady_test_that_begins_to_flap_is_red_the_second_time() -> None:
    assert rule(STABLE, tries(1, 1)) is Ruling.FORGIVEN
    assert rule(STABLE.after(flipped=True), tries(1, 1)) is Ruling.WORSENED


def test_a_flake_that_gets_worse_is_red() -> None:
    past = flaky(50, 500)
    rulings = []
    for _ in range(6):
        rulings.append(rule(past, tries(1, 1)))
        past = past.after(flipped=True)
    assert rulings[0] is Ruling.FORGIVEN
    assert Ruling.WORSENED in rulings


@given(pasts(), st.integers(1, 20), st.integers(0, 10))
def test_a_test_that_did_not_pass_is_never_forgiven(past: Standing, f: int, p: int) -> None:
    assert rule(past, tries(f, 0)) not in GOOD
    if rule(past, tries(f, p)) in GOOD:
        assert p > 0


@given(pasts(), st.integers(1, 12), st.integers(0, 10))
def test_one_more_failure_never_helps(past: Standing, failures: int, passes: int) -> None:
    if rule(past, tries(failures, passes)) in BLOCKS:
        assert rule(past, tries(failures + 1, passes)) in BLOCKS


@given(pasts())
def test_it_is_always_decided_soon(past: Standing) -> None:
    assert FEWEST <= needed(past) <= MOST
    assert rule(past, tries(MOST, 0)) is Ruling.BROKEN


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40), st.randoms())
def test_a_standing_counts_runs_in_their_order(runs, random) -> None:  # type: ignore[no-untyped-def]
    told = [Episode(str(i), float(i), f, p) for i, (f, p) in enumerate(runs)]
    ran = [e for e in told if e.failures or e.passes]
    flips = [bool(e.failures and e.passes) for e in ran]
    mixed = list(told)
    random.shuffle(mixed)
    assert standing(mixed) == Standing(len(ran), sum(flips), tuple(flips[-9:]))


def test_a_broken_machine_is_no_proof() -> None:
    run = [Attempts(TestId("", "c", str(i)), int(i < 17), int(i >= 17), 0, 0.0) for i in range(20)]
    assert infrastructure(run)
    assert not infrastructure(run[5:])  # 12 of 15
    assert not infrastructure(run[:9])  # too few tests to tell


def test_the_rule_on_a_simulated_repository() -> None:
    tally = simulate(Tripwire(), seed=7, builds=700)
    assert tally.caught > 5
    assert tally.escaped == 0
    assert tally.red / tally.builds <= 0.025


@pytest.mark.soak
def test_the_goals_on_simulated_repositories() -> None:
    tallies = [simulate(Tripwire(), seed, 3000) for seed in range(3, 9)]
    red, builds = sum(t.red for t in tallies), sum(t.builds for t in tallies)
    caught, escaped = sum(t.caught for t in tallies), sum(t.escaped for t in tallies)
    assert red / builds <= 0.025
    assert escaped / (caught + escaped) <= 0.03
