"""While the line is stopped a rollout never moves on, and always goes back when it must."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from headway.model.pace import QUICK
from headway.model.rollout import Hold, Plan, Release, Retire, RollBack, Rollout, Shift, Step
from headway.model.verdict import Outcome, Verdict
from headway.rollout import machine

STEPS = tuple(Step(s, 2, 2, None, 0, proof=s < 0.9) for s in (0.05, 0.25, 0.5, 0.95))
PLAN = Plan("canary", STEPS, 0.05, QUICK, "hold", 60.0, 7200.0, 0.0, "rollback", needs_traffic=True)
WHY = "the line is stopped for everything by ana"


def verdict(outcome: Outcome) -> Verdict:
    return Verdict("analysis", outcome, f"says {outcome}")


def baking(at: int = 0, **changes: object) -> Rollout:
    state = machine.shifted(Rollout(PLAN, 0.0), at, 0.0)
    return replace(state, **changes)  # type: ignore[arg-type]


phases = st.sampled_from(["preparing", "baking", "stability", "keeping"])
words = st.sampled_from(["", "pause", "resume", "promote", "approve", "abort"])


@given(st.sampled_from(list(Outcome)), st.floats(0, 1e6), phases, st.lists(words, max_size=4),
       st.integers(0, 3), st.sampled_from(["rollback", "hold"]))  # fmt: skip
def test_the_only_move_of_a_stopped_line_is_the_way_back(
    outcome: Outcome, now: float, phase: str, said: list[str], at: int, on_fail: str
) -> None:
    plan = replace(PLAN, on_fail=on_fail)  # type: ignore[arg-type]
    state = machine.stopped(baking(at, plan=plan, phase=phase, served=9), WHY, now)
    for word in said:
        state = machine.told(state, word, "ben", "now") if word else state
    move = machine.next_move(state, verdict(outcome), now)
    fails = outcome is Outcome.FAIL and phase != "keeping" and on_fail == "rollback"
    assert isinstance(move, RollBack if fails or "abort" in said else Hold)


def test_a_stopped_rollout_says_why_and_is_not_held_for_a_person() -> None:
    state = machine.stopped(baking(), WHY, 1.0)
    assert machine.next_move(state, verdict(Outcome.PASS), 9e3) == Hold(WHY)


def test_the_bake_goes_on_where_it_was_and_not_where_the_clock_is() -> None:
    floor = QUICK.floors[0]
    state = machine.stopped(baking(), WHY, floor - 2.0)
    state = machine.stopped(state, WHY, floor + 500.0)
    state = machine.stopped(state, "", floor + 1000.0)
    assert (state.stopped, state.halted) == ("", 0.0)
    early = machine.next_move(state, verdict(Outcome.PASS), floor + 1001.0)
    assert isinstance(early, Hold)
    assert isinstance(machine.next_move(state, verdict(Outcome.PASS), floor + 1003.0), Shift)


def test_the_deadline_and_the_stability_window_stand_too() -> None:
    stable = replace(baking(3), phase="stability", since=100.0, served=9)
    state = machine.stopped(machine.stopped(stable, WHY, 130.0), "", 1130.0)
    assert isinstance(machine.next_move(state, verdict(Outcome.PASS), 1150.0), Hold)
    assert isinstance(machine.next_move(state, verdict(Outcome.PASS), 1165.0), Release)
    late = machine.stopped(machine.stopped(baking(), WHY, 10.0), "", 7210.0)
    waits = machine.next_move(replace(late, plan=replace(PLAN, insufficient_data="extend")),
                              verdict(Outcome.WAIT), 7300.0)  # fmt: skip
    assert waits == Hold("says WAIT")


def test_the_old_release_is_kept_as_long_as_was_promised() -> None:
    plan = replace(PLAN, keep_old_seconds=100.0)
    kept = baking(3, plan=plan, phase="keeping", since=0.0)
    state = machine.stopped(kept, WHY, 50.0)
    assert isinstance(machine.next_move(state, verdict(Outcome.PASS), 500.0), Hold)
    state = machine.stopped(state, "", 500.0)
    assert isinstance(machine.next_move(state, verdict(Outcome.PASS), 540.0), Hold)
    assert isinstance(machine.next_move(state, verdict(Outcome.PASS), 551.0), Retire)


def test_a_step_that_took_effect_while_it_stood_counts_only_what_came_after() -> None:
    state = machine.stopped(baking(0), WHY, 10.0)
    state = machine.shifted(state, 1, 12.0)
    assert machine.stopped(state, "", 20.0).since == 20.0


def test_a_line_that_was_not_stopped_changes_nothing() -> None:
    assert machine.stopped(baking(), "", 50.0) == baking()
