"""Shadow steps in plan and machine: nobody is reached before the judge has passed."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from headway.model.rollout import Conclude, Hold, RollBack, Rollout, Shift
from headway.model.service import Analysis, Environment, RolloutPolicy, Run, StepPolicy
from headway.model.verdict import Outcome, Verdict
from headway.rollout import machine
from headway.rollout.plan import plan

CANARY = RolloutPolicy(
    steps=(StepPolicy(0.0, 5.0, mirror=0.4), StepPolicy(0.05), StepPolicy(1.0)),
)
SHADOW = RolloutPolicy(strategy="shadow", mirror=0.2, mirror_bake_seconds=30.0)


def environment(policy: RolloutPolicy) -> Environment:
    return Environment("production", "production", Run("./shop"), rollout=policy)


def verdict(outcome: Outcome) -> Verdict:
    return Verdict("analysis", outcome, "because")


def test_the_plan_mirrors_before_the_first_share() -> None:
    steps = plan(environment(CANARY), 2).steps
    assert [(s.share, s.mirror, s.proof) for s in steps] == [
        (0.0, 0.4, True), (0.05, 0.0, True), (0.9, 0.0, False),
    ]  # fmt: skip
    (only,) = plan(environment(SHADOW), 2).steps
    assert (only.share, only.mirror, only.floor_seconds, only.proof) == (0.0, 0.2, 30.0, True)
    assert [s.share for s in plan(environment(SHADOW), 0).steps] == [1.0]


def begun(policy: RolloutPolicy, at: int, now: float = 0.0) -> Rollout:
    return machine.shifted(Rollout(plan(environment(policy), 2), 0.0), at, now)


def test_a_shadow_ends_with_a_conclusion_and_only_after_its_time() -> None:
    baking = begun(SHADOW, 0)
    later = 30.0 + Analysis().pace.warm
    assert isinstance(machine.next_move(baking, verdict(Outcome.PASS), 20.0), Hold)
    move = machine.next_move(baking, verdict(Outcome.PASS), later)
    assert move == Conclude("because", proven=True)
    pushed = machine.told(baking, "promote", "ben", "go on")
    assert machine.next_move(pushed, verdict(Outcome.WAIT), 1.0) == Conclude(
        "promote by ben: go on", proven=False
    )
    assert isinstance(machine.next_move(baking, verdict(Outcome.WAIT), 10**6), Hold)


def test_nobody_is_reached_by_a_mirror() -> None:
    assert not machine.reached(Rollout(plan(environment(CANARY), 2), 0.0))
    assert not machine.reached(begun(CANARY, 0))
    assert machine.reached(begun(CANARY, 1))
    assert not machine.reached(begun(SHADOW, 0))


@given(
    st.sampled_from([CANARY, SHADOW]),
    st.lists(st.sampled_from(list(Outcome)), max_size=30),
    st.floats(0.1, 200.0),
)
def test_no_user_is_reached_before_a_pass_and_a_fail_always_goes_back(
    policy: RolloutPolicy, outcomes: list[Outcome], pause: float
) -> None:
    state, now, passed = begun(policy, 0), 0.0, False
    for outcome in outcomes:
        now += pause
        move = machine.next_move(state, verdict(outcome), now)
        passed = passed or outcome is Outcome.PASS
        assert (outcome is Outcome.FAIL) == isinstance(move, RollBack)
        if isinstance(move, RollBack | Conclude):
            assert isinstance(move, RollBack) or (passed and policy is SHADOW)
            return
        if isinstance(move, Shift):
            assert passed
            assert state.plan.steps[move.to].share > state.plan.steps[state.at].share
            state = machine.shifted(state, move.to, now)
            return
        state = replace(state, held="")
