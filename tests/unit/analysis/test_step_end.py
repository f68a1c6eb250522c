"""May a step end? Least time, proof, clock, policy."""

import pytest

from headway.model.pace import QUICK, STANDARD
from headway.model.verdict import Outcome
from headway.rollout.step import StepEnd, step_ends

P, W, F = Outcome.PASS, Outcome.WAIT, Outcome.FAIL


@pytest.mark.parametrize(
    ("step", "age", "step_age", "outcome", "suspicion", "floor", "policy", "expected"),
    [
        (0, 119, 119, P, False, None, "hold", StepEnd.NO),
        (0, 120, 120, P, False, None, "hold", StepEnd.PROVEN),
        (1, 300, 179, P, False, None, "hold", StepEnd.NO),
        (1, 300, 180, P, False, None, "hold", StepEnd.PROVEN),
        (7, 900, 239, P, False, None, "hold", StepEnd.NO),
        (7, 900, 240, P, False, None, "hold", StepEnd.PROVEN),
        (0, 120, 120, P, True, None, "hold", StepEnd.NO),
        (0, 120, 120, W, False, None, "hold", StepEnd.NO),
        (0, 900, 900, F, False, None, "promote_unproven", StepEnd.NO),
        (0, 570, 570, W, False, None, "promote_unproven", StepEnd.UNPROVEN),
        (0, 569, 569, W, False, None, "promote_unproven", StepEnd.NO),
        (0, 570, 570, W, True, None, "promote_unproven", StepEnd.NO),
        (0, 5000, 5000, W, False, None, "hold", StepEnd.NO),
        (0, 5000, 5000, W, False, None, "ask", StepEnd.NO),
        (0, 5000, 5000, W, False, None, "extend", StepEnd.NO),
        (0, 600, 600, W, False, 900, "promote_unproven", StepEnd.NO),
        (0, 599, 599, P, False, 600, "hold", StepEnd.NO),
        (0, 100, 100, P, False, 30, "hold", StepEnd.PROVEN),
        (0, 60, 60, P, False, 30, "hold", StepEnd.NO),
        (1, 300, 50, P, False, 30, "hold", StepEnd.NO),
    ],
)
def test_standard_pace(step, age, step_age, outcome, suspicion, floor, policy, expected):
    end = step_ends(STANDARD, step, age, step_age, outcome, suspicion, floor, policy)
    assert end is expected


def test_quick_pace_has_its_own_times():
    assert step_ends(QUICK, 0, 10, 10, P, False, None, "hold") is StepEnd.PROVEN
    assert step_ends(QUICK, 0, 9, 9, P, False, None, "hold") is StepEnd.NO
