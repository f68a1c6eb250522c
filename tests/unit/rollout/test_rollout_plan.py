"""Plans: what each strategy's steps are, and that a rolling update keeps its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.service import Environment, RolloutPolicy, Run
from headway.rollout.plan import plan, rolling


def environment(policy: RolloutPolicy, instances: int = 2) -> Environment:
    return Environment("production", "production", Run("./shop", instances), rollout=policy)


def test_canary_keeps_the_holdback_at_the_last_step() -> None:
    made = plan(environment(RolloutPolicy()), 2)
    assert [s.share for s in made.steps] == [0.05, 0.25, 0.5, 0.9]
    assert [s.proof for s in made.steps] == [True, True, True, False]
    assert made.holdback == 0.10


def test_a_first_release_takes_all_traffic_at_once() -> None:
    made = plan(environment(RolloutPolicy()), 0)
    assert [(s.share, s.candidate, s.stable) for s in made.steps] == [(1.0, 2, 0)]
    assert made.holdback == 0.0


def test_blue_green_is_one_switch_with_both_fleets_up() -> None:
    made = plan(environment(RolloutPolicy(strategy="blue-green", bake_seconds=7)), 3)
    assert [(s.share, s.candidate, s.stable, s.floor_seconds) for s in made.steps] == [
        (1.0, 2, 3, 7)
    ]
    assert made.keep_old_seconds == 1800


def test_rolling_two_by_one() -> None:
    assert [(s.candidate, s.stable) for s in rolling(2, 2, 1, 0)] == [
        (1, 2), (1, 1), (2, 1), (2, 0),
    ]  # fmt: skip


def test_bounds_that_cannot_move_are_refused() -> None:
    with pytest.raises(ValueError, match="both be 0"):
        rolling(2, 2, 0, 0)


@pytest.mark.seed("S-087")
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 5), st.integers(0, 5))
def test_rolling_never_leaves_its_bounds(new: int, old: int, surge: int, gone: int) -> None:
    if surge == gone == 0:
        return
    steps = rolling(new, old, surge, gone)
    assert (steps[-1].candidate, steps[-1].stable, steps[-1].share) == (new, 0, 1.0)
    before = (0, old)
    for step in steps:
        now = (step.candidate, step.stable)
        assert now[0] >= before[0]
        assert now[1] <= before[1]
        assert (now[0] == before[0]) != (now[1] == before[1])
        assert sum(now) <= max(new, old) + surge
        assert sum(now) >= min(new, old) - gone
        before = now
