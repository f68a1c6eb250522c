"""The tolerances in numbers: these are what the guarantee speaks of, so they are pinned here."""

import numpy as np
import pytest

from headway.analysis import margins, roles
from headway.analysis.margins import Growth, Moment
from headway.histogram.survival import survival
from headway.model.pace import STANDARD
from headway.model.service import Analysis

ANALYSIS = Analysis(errors_absolute=0.001, errors_relative=0.5, latency_relative=0.1)
LATER = Moment(age=600, step_age=300, stepped=True, share=0.5)


def at(**changes):
    usual = {"age": 600, "step_age": 300, "stepped": True, "share": 0.5}
    return Moment(**(usual | changes))


def test_errors_roll_back_at_half_the_margin_and_promote_below_one_and_a_half():
    edges = margins.concurrent_errors(ANALYSIS, LATER, 0.02, 0.0, 0.0)
    assert (edges.a, edges.d) == pytest.approx((1.25, 0.0005))
    assert (edges.harm_a, edges.harm_d) == pytest.approx((1.75, 0.0015))
    assert edges.settled == pytest.approx(0.0255)
    assert not edges.fixed
    assert 0.02 < edges.hope < 1.75 * 0.02 + 0.0015


def test_differing_instances_widen_both_edges():
    edges = margins.concurrent_errors(ANALYSIS, LATER, 0.02, 0.1, 0.0)
    assert (edges.a, edges.harm_a) == pytest.approx((1.35, 1.85))


def test_the_warm_up_forgives_errors_but_moves_no_bet():
    edges = margins.concurrent_errors(ANALYSIS, LATER, 0.0, 0.0, 0.04)
    assert edges.d == pytest.approx(0.0405)
    assert edges.settled == pytest.approx(0.0005)
    assert edges.harm_d == pytest.approx(0.0015)


@pytest.mark.parametrize(
    ("moment", "warming"),
    [
        (at(age=90, step_age=90, stepped=False), True),
        (at(age=91, step_age=91, stepped=False), False),
        (at(age=300, step_age=60), True),
        (at(age=300, step_age=61), False),
    ],
)
def test_single_instances_and_own_signals_wait_until_it_is_warm(moment, warming):
    assert moment.warming(STANDARD) is warming


@pytest.mark.parametrize(("share", "caution"), [(0.05, 5.0), (0.25, 2.5), (0.5, 1.0), (0.95, 1.0)])
def test_promotion_asks_for_less_while_few_are_exposed(share, caution):
    edges = margins.concurrent_errors(ANALYSIS, at(share=share), 0.0, 0.0, 0.0)
    assert edges.harm_d == pytest.approx(0.0015 * caution)
    assert (edges.a, edges.d) == pytest.approx((1.25, 0.0005))


def test_latencies():
    beside = margins.growth(ANALYSIS, absolute=False)
    assert (beside.tolerated, beside.harmful) == pytest.approx((1.1, 1.3))
    nobody = margins.growth(ANALYSIS, absolute=True)
    assert (nobody.tolerated, nobody.harmful) == pytest.approx((1.3, 1.5))
    cold = margins.slow_edges(Growth(1.2, 1.6, 0.3), LATER, 0.1, absolute=False)
    assert (cold.d, cold.harm_d, cold.settled) == pytest.approx((0.301, 0.308, 0.121))
    edges = margins.slow_edges(Growth(1.2, 1.6), LATER, 0.1, absolute=False)
    assert (edges.a, edges.d, edges.harm_a, edges.harm_d) == pytest.approx((1.2, 0.001, 1.6, 0.008))


def test_absolute_limits():
    known = margins.absolute_errors(ANALYSIS, LATER, 0.02, 0.0)
    assert known.fixed
    assert known.settled == pytest.approx(0.031)
    assert (known.a, known.d) == pytest.approx((1.5, 0.001))
    nobody = margins.absolute_errors(ANALYSIS, LATER, None, 0.0)
    assert nobody.fixed
    assert nobody.settled == margins.ABSOLUTE_ERRORS == 0.01
    assert nobody.harm_a * 0.01 == pytest.approx(0.015)


def test_single_instances_get_more_room():
    edges = margins.lone_errors(ANALYSIS, 0.02, 0.05)
    assert (edges.a, edges.d, edges.hope) == pytest.approx((1.65, 0.005, None))
    slow = margins.lone_slow(Growth(1.5, 9.0, 0.1), 0.1, 0.05)
    assert (slow.a, slow.d, slow.settled) == pytest.approx((1.65, 0.12, 0.185))


def test_bounds_are_chosen_by_role_and_the_tail_by_rank():
    fine = survival((100, 200, 300, 250, 100, 40, 8, 2))
    assert roles.choose(fine) == {"p50": 2, "p90": 3, "tail": 5, "tail2": 6}
    coarse = survival((99990, 8, 2, 0))
    assert roles.choose(coarse) == {"tail": 0, "tail2": 1}
    one_body_bound = survival((500, 500, 0, 0))
    assert roles.choose(one_body_bound) == {"p50": 0, "tail": 1, "tail2": 2}
    assert roles.slow_bound({"p50": 0, "p90": 3}) == 3
    assert roles.slow_bound({"tail": 1}) == 1
    assert roles.slow_bound({}) is None


def test_seats_and_signals_are_inverse():
    for role, instance in [
        ("errors", ""),
        ("p90", ""),
        ("instance errors", "127.0.0.1:4001"),
        ("instance slow", "errors"),
    ]:
        assert roles.signal(*roles.seat(role, instance)) == (role, instance)


def test_points_that_the_service_names_are_watched_beside_those_chosen():
    shares = np.array([0.9, 0.5, 0.1, 0.04, 0.012, 0.001])
    bounds = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0)
    chosen = roles.choose(shares)
    assert chosen == {"p50": 1, "p90": 2, "tail": 4, "tail2": 5}
    assert roles.asked(chosen, shares, bounds, ((0.05,), (200.0, 7.0, 9e9))) == {"at1": 3}
    assert roles.asked({}, shares, bounds, ((0.05,), (60.0, 60.0))) == {"at1": 3, "at2": 4}
    assert roles.asked(chosen, shares, bounds, ((), ())) == {}
