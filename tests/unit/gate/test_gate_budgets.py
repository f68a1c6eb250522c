"""The gates that ask for error budgets: what lets a release in, and the figures they give."""

import pytest

from headway.gate import burn_rate, error_budget, slo
from headway.gate.burn_rate import Burn
from headway.gate.error_budget import Asked, Left, is_fix
from headway.gate.slo import Kept
from headway.model.service import BurnRateGate, ErrorBudgetGate, SloGate
from headway.model.verdict import Outcome

WINDOW = "30-day window"
FEATURE = Asked("Add a cart", serves=True, since_last=None)
FIX = Asked("fix(cart): count twice", serves=True, since_last=10.0)


def gate(then: str = "fixes_only") -> ErrorBudgetGate:
    return ErrorBudgetGate(0.2, then)  # type: ignore[arg-type]


def left(*shares: float | None) -> tuple[Left, ...]:
    return tuple(Left(f"slo-{i}", s, WINDOW) for i, s in enumerate(shares))


def test_enough_left_passes_with_the_least() -> None:
    found = error_budget.judge(gate(), left(0.9, 0.64), FEATURE)
    assert found.outcome is Outcome.PASS
    assert found.because == "64% of slo-1's error budget left, needs 20%; 30-day window"


@pytest.mark.seed("S-209", "S-212")
def test_too_little_left_waits_and_says_how_much() -> None:
    found = error_budget.judge(gate("hold"), left(0.12), FEATURE)
    assert found.outcome is Outcome.WAIT
    assert "12% of slo-0's error budget left, needs 20%; 30-day window" in found.because
    assert error_budget.judge(gate("hold"), left(0.12), FIX).outcome is Outcome.WAIT


def test_exactly_the_limit_is_not_enough() -> None:
    assert error_budget.judge(gate(), left(0.2), FEATURE).outcome is Outcome.WAIT


def test_fixes_only_lets_fixes_in() -> None:
    assert error_budget.judge(gate(), left(-0.5), FEATURE).outcome is Outcome.WAIT
    found = error_budget.judge(gate(), left(-0.5), FIX)
    assert found.outcome is Outcome.PASS
    assert "overdrawn by 50%" in found.because


def test_throttle_lets_one_an_hour_in() -> None:
    early = Asked("Add a cart", serves=True, since_last=3000.0)
    late = Asked("Add a cart", serves=True, since_last=3600.0)
    found = error_budget.judge(gate("throttle"), left(0.1), early)
    assert (found.outcome, "the next in 10 min" in found.because) == (Outcome.WAIT, True)
    assert error_budget.judge(gate("throttle"), left(0.1), late).outcome is Outcome.PASS
    assert error_budget.judge(gate("throttle"), left(0.1), FEATURE).outcome is Outcome.PASS


def test_no_data_waits_and_the_first_release_passes() -> None:
    found = error_budget.judge(gate(), left(0.9, None), FEATURE)
    assert found.outcome is Outcome.WAIT
    assert "insufficient data" in found.because
    first = Asked("Add a cart", serves=False, since_last=None)
    assert error_budget.judge(gate(), left(None), first).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("fix: a", True), ("fix(cart)!: a", True), ("Fix: a", True), ("hotfix: a", True),
        ('Revert "Add a cart"', True), ("revert: add a cart", True), ("hotfix for prices", True),
        ("Merge branch 'hotfix/prices'", True), ("feat: fix the cart", False), ("", False),
        ("fixture: a", False), ("fixes the cart", False), ("prefix: a", False),
        ("Add a hotfix button", False),
    ],
)  # fmt: skip
def test_what_says_that_it_is_a_fix(subject: str, said: bool) -> None:
    assert is_fix(subject) is said


@pytest.mark.seed("S-073", "S-188")
def test_every_goal_must_have_been_met() -> None:
    kept = (Kept("a", 0.9995, 0.999), Kept("b", 0.98999, 0.99))
    found = slo.judge(SloGate(3600), kept, serves=True)
    assert found.outcome is Outcome.WAIT
    assert found.because == "b was 98.999 % in the last 1 h, needs 99 %"
    assert slo.judge(SloGate(3600), kept[:1], serves=True).outcome is Outcome.PASS
    assert slo.judge(SloGate(3600), (Kept("a", None, 0.9),), serves=True).outcome is Outcome.WAIT
    assert slo.judge(SloGate(3600), kept, serves=False).outcome is Outcome.PASS


@pytest.mark.seed("S-212")
def test_a_sustained_burn_of_two_holds_releases() -> None:
    policy = BurnRateGate(2.0, 3600.0)
    slow, fast = Burn("a", 1.99), Burn("b", 2.0)
    assert burn_rate.judge(policy, (slow,), serves=True).outcome is Outcome.PASS
    found = burn_rate.judge(policy, (slow, fast), serves=True)
    assert found.outcome is Outcome.WAIT
    assert "burns at 2x over the last 1 h, needs less than 2x" in found.because
    assert burn_rate.judge(policy, (Burn("a", None),), serves=True).outcome is Outcome.WAIT
    assert burn_rate.judge(policy, (fast,), serves=False).outcome is Outcome.PASS


def test_without_a_policy_nothing_is_asked() -> None:
    assert error_budget.judge(None, (), FEATURE).outcome is Outcome.PASS
    assert slo.judge(None, (), serves=True).outcome is Outcome.PASS
    assert burn_rate.judge(None, (), serves=True).outcome is Outcome.PASS


def test_measured_and_asked_by_nobody_is_no_reason_to_wait() -> None:
    policy = ErrorBudgetGate(0.2)
    quiet, used = Left("a", None, WINDOW, quiet=True), Left("b", 0.1, WINDOW)
    alone = error_budget.judge(policy, (quiet,), Asked("feat: x", serves=True, since_last=None))
    assert alone.outcome is Outcome.PASS
    assert "nobody asked anything" in alone.because
    both = error_budget.judge(policy, (quiet, used), Asked("feat: x", serves=True, since_last=None))
    assert both.outcome is Outcome.WAIT
    kept = (Kept("a", None, 0.9, quiet=True), Kept("b", 0.95, 0.9))
    assert slo.judge(SloGate(3600), kept, serves=True).outcome is Outcome.PASS
    calm = burn_rate.judge(BurnRateGate(2), (Burn("a", None, quiet=True),), serves=True)
    assert calm.outcome is Outcome.PASS
