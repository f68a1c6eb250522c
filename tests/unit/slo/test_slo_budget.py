"""Budgets and burn rates against numbers worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.slo.budget import budget, burn_rate
from headway.slo.pausing import Spent, must_pause
from headway.slo.tally import Tally

DAYS = 86400.0


@pytest.mark.seed("S-174", "S-209")
def test_budget_of_a_goal_of_three_nines() -> None:
    found = budget(0.999, Tally(99_960, 100_000), 30 * DAYS)
    assert found.compliance == pytest.approx(0.9996)
    assert found.allowed == pytest.approx(100)
    assert found.left == pytest.approx(0.6)
    assert found.minutes_left == pytest.approx(0.6 * 43.2)
    assert (found.met, found.thin) == (True, False)


def test_no_data_is_not_a_hundred_percent() -> None:
    found = budget(0.999, Tally(), 30 * DAYS)
    assert (found.compliance, found.left, found.met) == (None, None, None)
    assert burn_rate(0.999, Tally()) is None


def test_an_overdrawn_budget_is_negative_and_thin_traffic_is_told() -> None:
    assert budget(0.99, Tally(970, 1000), DAYS).left == pytest.approx(-2.0)
    assert budget(0.999, Tally(499, 500), DAYS).thin
    assert not budget(0.999, Tally(1000, 1000), DAYS).thin


@pytest.mark.seed("S-177")
@pytest.mark.parametrize(
    ("target", "bad", "total", "rate"),
    [(0.999, 1, 1000, 1.0), (0.999, 144, 10_000, 14.4), (0.99, 5, 1000, 0.5), (0.9, 0, 9, 0.0)],
)
def test_burn_rate_is_the_error_ratio_over_the_budget(
    target: float, bad: float, total: float, rate: float
) -> None:
    assert burn_rate(target, Tally(total - bad, total)) == pytest.approx(rate)


@given(st.floats(0.5, 0.9999), st.floats(1, 1e9), st.floats(0, 1))
def test_burning_at_one_for_the_whole_window_leaves_nothing(
    target: float, total: float, part: float
) -> None:
    bad = part * (1 - target) * total
    found = budget(target, Tally(total - bad, total), DAYS)
    assert found.left == pytest.approx(1 - part, abs=1e-3)
    assert burn_rate(target, Tally(total - bad, total)) == pytest.approx(part, abs=1e-3)


BEFORE = Tally(999_500, 1_000_000)  # 1000 may fail, 500 are left


@pytest.mark.seed("S-211")
def test_a_rollout_that_burnt_half_of_what_was_left_is_paused_with_the_figures() -> None:
    assert must_pause(0.999, 0.5, Spent(BEFORE, Tally(9_751, 10_000))) == ""
    because = must_pause(0.999, 0.5, Spent(BEFORE, Tally(9_750, 10_000)))
    assert "burnt 50% of what was left" in because
    assert "250 of 500 failed requests" in because
    assert "25 times the sustainable rate" in because


def test_a_slow_sustainable_loss_never_pauses() -> None:
    assert must_pause(0.999, 0.5, Spent(BEFORE, Tally(399_700, 400_000))) == ""


def test_resumed_it_is_paused_again_only_for_another_tenth_of_the_budget() -> None:
    resumed = Spent(BEFORE, Tally(9_700, 10_000), paused_at=250.0)
    assert must_pause(0.999, 0.5, resumed) == ""
    assert must_pause(0.999, 0.5, Spent(BEFORE, Tally(9_650, 10_000), paused_at=250.0))


def test_nothing_left_or_nothing_to_lose_is_for_the_judge_alone() -> None:
    overdrawn = Tally(998_000, 1_000_000)
    assert must_pause(0.999, 0.5, Spent(overdrawn, Tally(0, 1000))) == ""
    assert must_pause(0.999, 0.5, Spent(Tally(500, 500), Tally(0, 10))) == ""
    assert must_pause(0.999, 0.5, Spent(BEFORE, Tally())) == ""
