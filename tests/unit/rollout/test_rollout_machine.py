"""The rollout machine: traffic only grows, FAIL never goes forward, only proof or a person does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.pace import QUICK
from headway.model.rollout import (
    Hold,
    Plan,
    Release,
    Retire,
    RollBack,
    Rollout,
    Settle,
    Shift,
    Step,
)
from headway.model.verdict import Outcome, Verdict
from headway.rollout import machine

STEPS = tuple(Step(s, 2, 2, None, 0, proof=s < 0.9) for s in (0.05, 0.25, 0.5, 0.95))
PLAN = Plan("canary", STEPS, 0.05, QUICK, "hold", 60.0, 7200.0, 0.0, "rollback", needs_traffic=True)


def verdict(outcome: Outcome) -> Verdict:
    return Verdict("analysis", outcome, f"says {outcome}")


def baking(at: int = 0, **changes: object) -> Rollout:
    state = machine.shifted(Rollout(PLAN, 0.0), at, 0.0)
    return replace(state, **changes)  # type: ignore[arg-type]


def test_a_prepared_candidate_gets_its_first_share() -> None:
    move = machine.next_move(Rollout(PLAN, 0.0), verdict(Outcome.PASS), 1.0)
    assert move == Shift(0, "the candidate is ready", True)


def test_pass_before_the_floor_holds_and_after_it_shifts() -> None:
    floor = QUICK.floors[0]
    assert isinstance(machine.next_move(baking(), verdict(Outcome.PASS), floor / 2), Hold)
    move = machine.next_move(baking(), verdict(Outcome.PASS), floor + 0.1)
    assert isinstance(move, Shift)
    assert (move.to, move.proven) == (1, True)


def test_wait_never_shifts_under_hold_however_long() -> None:
    move = machine.next_move(baking(), verdict(Outcome.WAIT), 6000.0)
    assert move == Hold("says WAIT", held=True)


def test_policy_promote_unproven_shifts_by_the_clock_and_says_so() -> None:
    plan = replace(PLAN, insufficient_data="promote_unproven")
    move = machine.next_move(baking(plan=plan), verdict(Outcome.WAIT), QUICK.clock + 1)
    assert isinstance(move, Shift)
    assert not move.proven
    assert "not proven" in move.because


def test_extend_waits_until_the_deadline_without_being_held() -> None:
    plan = replace(PLAN, insufficient_data="extend")
    early = machine.next_move(baking(plan=plan), verdict(Outcome.WAIT), 6000.0)
    late = machine.next_move(baking(plan=plan), verdict(Outcome.WAIT), 7200.0)
    assert (early, late) == (Hold("says WAIT"), Hold("undecided at the deadline: says WAIT", True))


def test_ask_goes_on_with_an_approval() -> None:
    plan = replace(PLAN, insufficient_data="ask")
    state = baking(plan=plan)
    move = machine.next_move(state, verdict(Outcome.WAIT), 6000.0)
    assert isinstance(move, Hold)
    assert move.held
    told = machine.told(replace(state, held=move.because), "approve", "ana", "looks fine")
    assert isinstance(machine.next_move(told, verdict(Outcome.WAIT), 6001.0), Shift)


def test_a_step_with_approvals_waits_for_them() -> None:
    plan = replace(PLAN, steps=(replace(STEPS[0], approvals=2), *STEPS[1:]))
    state = baking(plan=plan)
    assert isinstance(machine.next_move(state, verdict(Outcome.PASS), 100.0), Hold)
    state = machine.told(state, "approve", "ana", "")
    for person in ("ana", "ben"):
        assert isinstance(machine.next_move(state, verdict(Outcome.PASS), 100.0), Hold)
        state = machine.told(state, "approve", person, "")
    assert isinstance(machine.next_move(state, verdict(Outcome.PASS), 100.0), Shift)


def test_pause_holds_and_the_judge_stays_armed() -> None:
    state = machine.told(baking(), "pause", "ana", "lunch")
    assert machine.next_move(state, verdict(Outcome.PASS), 100.0) == Hold("paused by ana: lunch")
    assert isinstance(machine.next_move(state, verdict(Outcome.FAIL), 100.0), RollBack)
    resumed = machine.told(state, "resume", "ana", "")
    assert isinstance(machine.next_move(resumed, verdict(Outcome.PASS), 100.0), Shift)


def test_abort_rolls_back_in_every_phase() -> None:
    for phase in ("preparing", "baking", "stability", "keeping"):
        state = machine.told(baking(phase=phase), "abort", "ana", "no")
        move = machine.next_move(state, verdict(Outcome.PASS), 1.0)
        assert move == RollBack("aborted by ana: no")


def test_the_last_step_is_the_stability_window_and_ends_in_release() -> None:
    state = baking(3)
    assert state.phase == "stability"
    assert isinstance(machine.next_move(state, verdict(Outcome.WAIT), 59.0), Hold)
    silent = machine.next_move(state, verdict(Outcome.WAIT), 61.0)
    assert isinstance(silent, Hold)
    assert silent.held
    served = replace(state, served=10)
    assert isinstance(machine.next_move(served, verdict(Outcome.WAIT), 61.0), Release)


def test_blue_green_bakes_settles_releases_and_keeps_the_old_one() -> None:
    plan = replace(
        PLAN, steps=(Step(1.0, 2, 2, floor_seconds=30.0),), keep_old_seconds=100.0,
        needs_traffic=False,
    )  # fmt: skip
    state = machine.shifted(Rollout(plan, 0.0), 0, 0.0)
    assert isinstance(machine.next_move(state, verdict(Outcome.WAIT), 29.0), Hold)
    assert isinstance(machine.next_move(state, verdict(Outcome.WAIT), 31.0), Settle)
    state = machine.settled(state, 31.0)
    assert isinstance(machine.next_move(state, verdict(Outcome.WAIT), 92.0), Release)
    state = machine.released(state, 92.0)
    assert isinstance(machine.next_move(state, verdict(Outcome.FAIL), 150.0), Hold)
    assert isinstance(machine.next_move(state, verdict(Outcome.PASS), 193.0), Retire)


def test_on_fail_hold_holds() -> None:
    state = baking(plan=replace(PLAN, on_fail="hold"))
    move = machine.next_move(state, verdict(Outcome.FAIL), 1.0)
    assert move == Hold("says FAIL; on_fail is hold", held=True)


outcomes = st.sampled_from(list(Outcome))
words = st.sampled_from(["", "", "", "pause", "resume", "promote", "approve", "nonsense"])


@pytest.mark.seed("S-096")
@given(st.lists(st.tuples(outcomes, st.floats(0.1, 400), words), max_size=60))
def test_traffic_only_grows_and_only_pass_or_a_person_ends_a_step(
    turns: list[tuple[Outcome, float, str]],
) -> None:
    state, now, share = Rollout(PLAN, 0.0), 0.0, 0.0
    for outcome, seconds, word in turns:
        now += seconds
        state = machine.told(state, word, "ana", "") if word else state
        move = machine.next_move(state, verdict(outcome), now)
        assert isinstance(move, RollBack) == (outcome is Outcome.FAIL)
        if isinstance(move, RollBack | Release):
            return
        if isinstance(move, Shift):
            assert PLAN.steps[move.to].share > share
            assert outcome is Outcome.PASS or state.pushed or state.phase == "preparing"
            share = PLAN.steps[move.to].share
            state = machine.shifted(state, move.to, now)
        elif isinstance(move, Hold) and move.held:
            state = replace(state, held=move.because)
