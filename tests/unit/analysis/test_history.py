"""Suggestions from past rollouts: each rule, its evidence, and what is never suggested."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.analysis import history
from headway.analysis.history import Past, Visit, percentile, round_up
from headway.model.pace import STANDARD
from headway.model.service import StepPolicy

PRESENT = (StepPolicy(0.05), StepPolicy(0.25), StepPolicy(0.5), StepPolicy(1.0))


def visit(share, proven=None, caught=None, requests=3000, *, held=False):
    return Visit(share, 300.0, proven, caught, requests, held)


def past(*visits, outcome="released", rate=100.0):
    return Past("shop-1", outcome, rate, visits)


def usual(first=200.0, second=170.0, third=230.0):
    return past(visit(0.05, first), visit(0.25, second), visit(0.5, third), visit(0.95, 60.0))


def suggest(pasts, present=PRESENT):
    return history.suggest(pasts, present, STANDARD)


def test_four_rollouts_are_not_enough():
    found = suggest([usual()] * 4 + [past()])
    assert (found.enough, found.rollouts, found.steps) == (False, 4, ())
    assert not found.changes


@pytest.mark.seed("S-093")
def test_a_step_lasts_as_long_as_proof_usually_took():
    found = suggest([usual(first=200.0)] * 9 + [usual(first=900.0)])
    first, second, third, last = found.steps
    assert (first.was_bake, first.bake) == (120.0, 210.0)
    assert first.visits == 10
    assert first.because == "proven within 200 s in 9 of 10 of 10 visits"
    assert [(s.share, s.bake, s.because) for s in (second, third)] == [
        (0.25, 180.0, ""),
        (0.5, 240.0, ""),
    ]
    assert (last.share, last.bake, last.because) == (1.0, None, "")
    assert found.changes


@pytest.mark.seed("S-093")
def test_what_was_caught_late_at_a_step_makes_it_longer():
    bad = past(visit(0.05, 200.0), visit(0.25, None, 610.0), outcome="rolled_back")
    found = suggest([usual()] * 6 + [bad])
    assert found.caught == 1
    assert found.steps[1].bake == 660.0
    assert "1 caught here, the last after 610 s" in found.steps[1].because


def test_a_bake_longer_than_needed_is_shortened_to_the_floor_and_no_further():
    present = (replace(PRESENT[0], bake_seconds=1800.0), *PRESENT[1:])
    pasts = [usual(first=125.0)] * 5 + [usual(first=90.0)] * 5
    found = suggest(pasts, present)
    assert found.steps[0].bake == 150.0
    found = suggest([usual(first=121.0), *[usual(first=110.0)] * 19], present)
    assert found.steps[-4].bake == 120.0
    assert "120 s is the floor of the pace" in found.steps[-4].because


@pytest.mark.seed("S-093")
def test_traffic_that_proves_early_leaves_room_for_a_smaller_first_step():
    found = suggest([usual(first=110.0)] * 6)
    new, first, *_ = found.steps
    assert (new.share, new.bake, new.was_share) == (0.01, 120.0, None)
    assert "proven 6 times, 9 of 10 within 110 s: fewer users can prove it, too" in new.because
    assert (first.share, first.was_share) == (0.05, 0.05)
    once_not = [usual(first=110.0)] * 6 + [past(visit(0.05))]
    assert suggest(once_not).steps[0].share == 0.05


def test_a_step_without_enough_requests_grows_to_what_proof_takes():
    starved = past(visit(0.05, requests=300, held=True), visit(0.25, 170.0, requests=3000), rate=20)
    found = suggest([starved] * 6)
    first = found.steps[0]
    assert first.share == 0.10  # twice what was not enough: 600 requests in 570 s at 20 a second
    assert "held for lack of requests in 6 of 6 visits" in first.because
    assert found.held == 6
    hopeless = past(visit(0.05, requests=3000, held=True), visit(0.25, 170.0), rate=20)
    first = suggest([hopeless] * 6).steps[0]
    assert first.share == 0.05
    assert "no larger step below the next one" in first.because


def test_mirror_steps_and_approvals_stay():
    present = (StepPolicy(0.0, 600.0, mirror=1.0), StepPolicy(0.05, approvals=1), *PRESENT[1:])
    found = suggest([usual(first=400.0)] * 6, present)
    assert (found.steps[0].mirror, found.steps[0].bake, found.steps[0].because) == (1.0, 600.0, "")
    assert (found.steps[1].approvals, found.steps[1].bake) == (1, 420.0)


def test_steps_that_nobody_ever_visited_stay_as_they_are():
    present = (StepPolicy(0.1), StepPolicy(0.6), StepPolicy(1.0))
    found = suggest([usual()] * 6, present)
    assert not found.changes
    assert [s.visits for s in found.steps] == [0, 0, 0]


times = st.one_of(st.none(), st.floats(1, 5000))
visits = st.builds(
    Visit,
    st.sampled_from([0.05, 0.25, 0.5, 0.95]),
    st.floats(1, 7200),
    times,
    times,
    st.integers(0, 10**6),
    st.booleans(),
)
pasts = st.builds(
    Past, st.just("shop-1"), st.just("released"), st.floats(0, 1e4), st.lists(visits).map(tuple)
)


@given(st.lists(pasts, max_size=12))
def test_what_is_suggested_can_be_written(some):
    """Shares rise to 100 %, no step is lost, none is shorter than the floor, reasons say why."""
    found = suggest(some)
    if not found.enough:
        assert not found.steps
        return
    shares = [s.share for s in found.steps]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1.0
    kept = [s for s in found.steps if s.was_share is not None]
    assert [s.was_share for s in kept] == [s.share for s in PRESENT]
    for step, floor in zip(kept, STANDARD.floors, strict=False):
        assert step.bake >= floor
    for step in found.steps:
        same = (step.share, step.bake) == (step.was_share, step.was_bake)
        assert same or step.because


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, 0), (10, 10), (11, 20), (121, 150), (610, 660), (3600, 3600), (3601, 3900)],
)
def test_times_are_rounded_up_to_what_people_write(seconds, written):
    assert round_up(seconds) == written


def test_percentiles_by_nearest_rank():
    assert percentile([], 0.9) == 0
    assert percentile([3.0], 0.9) == 3
    assert percentile([float(n) for n in range(1, 11)], 0.9) == 9
    assert percentile([float(n) for n in range(1, 12)], 0.9) == 10
