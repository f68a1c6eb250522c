"""The A/A test: the level holds on independent traffic, and clusters by client are found out."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.analysis.traffic import Truth, windows

from headway.analysis import access_log, selftest
from headway.analysis.access_log import Reading, Request
from headway.analysis.interval import at_most, clopper_pearson
from headway.analysis.judge import Setup
from headway.analysis.selftest import Course, Trial
from headway.model.errors import Invalid
from headway.model.pace import QUICK
from headway.model.service import Analysis
from headway.rollout.step import StepEnd, step_ends

ANALYSIS = Analysis(confidence=0.99, pace=QUICK)
SHARES = (0.05, 0.25, 0.5, 0.95)


def ends(step, age, step_age, finding):
    told = (finding.verdict.outcome, finding.suspicion)
    return step_ends(QUICK, step, age, step_age, *told, None, "hold") is StepEnd.PROVEN


COURSE = Course(SHARES, QUICK.window, ends, "client", most=40)


def traffic(seed, *, clustered, clients=400, requests=8_000, seconds=80.0):
    """Errors of all requests alike, or all that six busy clients ask and nothing else."""
    rng = np.random.default_rng(seed)
    at, who = np.sort(rng.uniform(0, seconds, requests)), rng.integers(0, clients, requests)
    busy = rng.random(requests) < 0.1
    who = np.where(busy, rng.integers(0, 6, requests), who)
    bad = who < 6 if clustered else rng.random(requests) < 0.01
    took = np.exp(rng.normal(3.5, 0.5, requests))
    rows = zip(at.tolist(), who.tolist(), bad.tolist(), took.tolist(), strict=True)
    return access_log.cells([Request(t, str(c), e, ms) for t, c, e, ms in rows], QUICK.window, 3)


def report(cells, splits, course=COURSE, analysis=ANALYSIS, seed=1):
    return selftest.run(Setup(analysis, 0.05), [cells], course, splits=splits, seed=seed)


def test_the_level_holds_on_independent_traffic():
    found = report(traffic(1, clustered=False), 24)
    assert found.alarms == 0
    assert not found.proven
    assert found.silent == 0
    assert found.dispersion_errors == pytest.approx(1, abs=0.5)
    assert found.dispersion_slow == pytest.approx(1, abs=0.5)
    assert "no sign that the level is broken" in found.advice


@pytest.mark.seed("S-103")
def test_errors_that_cluster_by_client_are_found_out():
    found = report(traffic(2, clustered=True), 24)
    assert found.proven
    assert found.low > found.alpha
    assert found.dispersion_errors > 8
    assert set(found.signals) <= {"errors", "errors of one instance"}
    assert sum(found.signals.values()) == found.alarms
    assert "errors cluster by client" in found.advice


def test_the_confidence_advised_would_have_borne_the_splits():
    def trial(evidence):
        return Trial(evidence >= -math.log(0.01), "errors", evidence, 1.0, 40)

    def advised(*evidences):
        return selftest._enough([trial(e) for e in evidences], 0.01)

    assert advised(*[1.0] * 99, 6.0) == 0.995  # one of a hundred is allowed
    assert advised(*[1.0] * 98, 6.0, 6.0) == 0.999
    assert advised(*[1.0] * 9, 9.0) == 0.9999
    assert advised(*[1.0] * 9, 50.0) is None


def test_what_no_confidence_bears_is_said():
    found = replace(report(traffic(2, clustered=True), 6), proven=True, confidence=None)
    assert "no confidence up to 99.9999%" in selftest.advice(found)
    found = replace(found, confidence=0.999)
    assert "set `analysis: {confidence: 99.9%}`" in selftest.advice(found)


def test_the_same_seed_gives_the_same_report_and_another_seed_another():
    cells = traffic(2, clustered=True)
    short = replace(COURSE, most=20)
    assert report(cells, 4, short) == report(cells, 4, short)
    assert report(cells, 4, short) != report(cells, 4, short, seed=2)


def test_no_request_is_lost_or_counted_twice_and_units_stay_on_their_side():
    cells = traffic(3, clustered=False)
    rank = (np.random.default_rng(1).permutation(cells.units) + 0.5) / cells.units
    dealt = selftest._Dealt(cells, rank, 0, cells.windows)
    for step in range(4):
        seen = [dealt.window(i, step, COURSE) for i in range(cells.windows)]
        both = [side.total for w in seen for side in (w.candidate, w.stable)]
        assert sum(c.requests for c in both) == cells.requests.sum()
        assert sum(c.errors for c in both) == cells.errors.sum()
        assert sum(sum(c.buckets) for c in both) == cells.buckets.sum()
        ours = sum(w.candidate.total.requests for w in seen)
        assert ours / cells.requests.sum() == pytest.approx(SHARES[step], abs=0.03)


def test_instances_of_recorded_windows_are_dealt_whole():
    seen = windows(4, Truth(rate=300, instances=4), 30)
    cells = selftest.from_windows(seen)
    assert cells.units == 4
    assert cells.requests.sum() == sum(w.stable.total.requests for w in seen)
    course = Course((0.5,), 10.0, ends, "instance")
    found = report(cells, 6, course, replace(ANALYSIS, pace=Analysis().pace))
    assert (found.alarms, found.silent) == (0, 0)
    assert found.dispersion_slow is None
    assert found.unit == "instance"


def test_a_sick_instance_of_the_stable_version_is_found_out():
    seen = windows(5, Truth(rate=900, instances=2, errors_b=0.0), 40)
    seen = [replace(w, stable=sickened(w.stable)) for w in seen]
    course = Course((0.5,), 10.0, ends, "instance")
    found = report(selftest.from_windows(seen), 20, course, replace(ANALYSIS, pace=Analysis().pace))
    assert found.proven
    assert found.heaviest == 1.0
    assert "one instance had 100% of all errors" in found.advice


def sickened(side):
    first, *_ = sorted(side.instances)
    sick = replace(side.instances[first], errors=side.instances[first].requests // 10)
    return replace(side, instances=side.instances | {first: sick})


def test_one_instance_alone_cannot_be_split():
    assert selftest.from_windows(windows(6, Truth(instances=1), 3)) is None
    assert selftest.from_windows([]) is None


def test_too_little_traffic_is_said_and_no_pass():
    few = access_log.cells([Request(0.0, "a", False, None)], 2.0, 2)
    found = report(few, 3)
    assert found.silent == 3
    assert "nothing could be compared" in found.advice
    with pytest.raises(ValueError, match="nothing to split"):
        selftest.run(Setup(ANALYSIS, 0.05), [], COURSE, splits=1, seed=1)


def test_the_dispersion_is_the_variance_over_what_independence_gives():
    rng = np.random.default_rng(7)
    of = np.full(2000, 20)
    assert selftest.dispersion(rng.binomial(20, 0.05, 2000), of) == pytest.approx(1, abs=0.1)
    alike = np.where(rng.random(2000) < 0.05, 20, 0)  # a unit errs always or never
    assert selftest.dispersion(alike, of) == pytest.approx(20, rel=0.1)
    assert selftest.dispersion(np.array([0, 0]), np.array([9, 9])) is None
    assert selftest.dispersion(np.array([3]), np.array([9])) is None


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 100, 0.0, 0.03622), (1, 40, 0.000633, 0.13159), (5, 60, 0.02761, 0.18386),
     (100, 100, 0.96378, 1.0), (0, 0, 0.0, 1.0)],
)  # fmt: skip
def test_the_exact_interval(hits, trials, low, high):
    """Published values of the Clopper-Pearson interval."""
    assert clopper_pearson(hits, trials) == pytest.approx((low, high), abs=2e-5)


@given(st.integers(1, 300), st.data())
@settings(max_examples=60, deadline=None)
def test_the_interval_leaves_the_tails_it_promises(trials, data):
    hits = data.draw(st.integers(0, trials))
    low, high = clopper_pearson(hits, trials)
    assert low <= hits / trials <= high
    if hits:
        assert 1 - at_most(hits - 1, trials, low) == pytest.approx(0.025, abs=1e-6)
    if hits < trials:
        assert at_most(hits, trials, high) == pytest.approx(0.025, abs=1e-6)
    with pytest.raises(ValueError, match=" of "):
        clopper_pearson(trials + 1, trials)


LINE = '10.0.0.{} - ana [10/Oct/2025:13:55:{:02d} +0200] "GET /a HTTP/1.1" {} 512{}'


def test_common_and_combined_lines_are_read():
    lines = [
        LINE.format(1, 36, 200, ""),
        LINE.format(2, 37, 503, ' "-" "curl/8" 0.250'),
        LINE.format(1, 35, 404, ' "-" "say \\"hi\\"" 12'),
        "",
    ]
    found, strange = access_log.parse(lines, Reading())
    assert strange == 0
    assert [r.client for r in found] == ["10.0.0.1", "10.0.0.1", "10.0.0.2"]
    assert [r.error for r in found] == [False, False, True]
    assert [r.milliseconds for r in found] == [None, None, 250.0]
    assert found[1].at - found[0].at == 1.0
    assert math.isclose(found[0].at, 1760097335.0)


def test_the_unit_of_latency_and_the_lowest_error_can_be_told():
    line = [LINE.format(1, 36, 404, ' "-" "x" 1500')]
    by_unit = {u: access_log.parse(line, Reading(400, u))[0][0] for u in ("s", "ms", "us", "none")}
    assert {u: r.milliseconds for u, r in by_unit.items()} == {
        "s": 1_500_000, "ms": 1500, "us": 1.5, "none": None
    }  # fmt: skip
    assert by_unit["ms"].error


def test_a_file_that_is_no_access_log_is_refused():
    with pytest.raises(Invalid, match="not an access log") as caught:
        access_log.parse(["hello", "world"], Reading())
    assert "2 of 2 lines" in caught.value.why
    bad_time = LINE.format(1, 36, 200, "").replace("Oct", "Foo")
    with pytest.raises(Invalid):
        access_log.parse([bad_time], Reading())


def test_a_log_can_be_spread_over_windows():
    requests = [Request(1000.0 * i, str(i % 7), False, None) for i in range(100)]
    spread = access_log.cells(requests, 10.0, 2, windows=5)
    assert spread.windows == 5
    assert np.bincount(spread.window, spread.requests).tolist() == [20] * 5
    assert access_log.cells(requests, 10.0, 2).windows == 9901


@given(st.lists(st.text(max_size=200), max_size=5), st.integers(0, 80), st.text(max_size=4))
@settings(max_examples=80, deadline=None)
def test_any_text_is_read_or_refused(lines, cut, put):
    line = LINE.format(3, 1, 500, ' "-" "x" 0.1')
    try:
        found, _ = access_log.parse([*lines, line[:cut] + put + line[cut:]], Reading())
    except Invalid:
        return
    assert found
    assert access_log.cells(found, 10.0, 3).requests.sum() == len(found)
