"""How much longer: the judge asked about the present rates going on, against what then happens."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.analysis.reported import AHEAD, SETUP, told
from tests.unit.analysis.traffic import Truth, window

from headway.analysis import outlook as forecast
from headway.analysis.imagined import Course, present
from headway.analysis.judge import judge
from headway.analysis.outlook import Ahead, Forecast, ahead, outlook, span
from headway.model.pace import STANDARD
from headway.model.rollout import Plan, Rollout, Step
from headway.model.verdict import Outcome

SCARCE = Truth(rate=3.0)
WAITING = told(SCARCE, 13)


def asked(found=WAITING, todo=AHEAD):
    return outlook(found.setup, found.state, found.windows, todo)


@pytest.mark.seed("S-110")
def test_it_says_how_long_at_which_share_and_which_step_would_settle_it():
    found = asked()
    assert [f.share for f in found.forecasts] == [0.05, 0.25]
    here, next_step = found.forecasts
    assert here.outcome == next_step.outcome == "PASS"
    assert next_step.seconds <= here.seconds
    assert here.requests == pytest.approx(here.seconds * found.rate * 0.05, abs=1)
    assert found.because.startswith("at this rate (")
    assert f"{span(here.seconds)} ({here.requests:,} requests) more at 5 %" in found.because


def at(step: int, outcome: str, seconds: float) -> Forecast:
    share = (0.05, 0.25, 0.5)[step]
    return Forecast(step, share, outcome, seconds, round(20 * share * seconds))


@pytest.mark.seed("S-110")
@pytest.mark.parametrize(
    ("found", "left", "words"),
    [
        ((at(0, "PASS", 840), at(1, "PASS", 180)), 5400.0,
         "about 14 min (840 requests) more at 5 %, or 3 min at 25 %"),
        ((at(0, "PASS", 840), at(1, "PASS", 800)), None, "about 14 min (840 requests) more at 5 %"),
        ((at(0, "PASS", 7200), at(1, "PASS", 600)), 3600.0,
         "not within the deadline (60 min left; it needs about 2 h, 7,200 requests) at 5 %; "
         "25 % would settle it in about 10 min (3,000 requests)"),
        ((at(0, "PASS", 7200), at(1, "WAIT", 86400)), 3600.0,
         "not within the deadline (60 min left; it needs about 2 h, 7,200 requests) at 5 %, "
         "nor at 25 %"),
        ((at(0, "WAIT", 86400), at(1, "WAIT", 86400)), 3600.0,
         "nothing would be proven, neither harm nor its absence, at 5 %, nor at 25 %"),
        ((at(0, "WAIT", 86400),), None,
         "nothing would be proven, neither harm nor its absence, at 5 %"),
        ((at(0, "FAIL", 120), at(1, "FAIL", 30)), None,
         "it would be rolled back after about 2 min (120 requests)"),
    ],
)  # fmt: skip
def test_the_sentence_for_every_case(found, left, words):
    now = replace(present(WAITING.windows), rate=20.0, over_seconds=130.0)
    told_words = forecast._told(now, found, left)
    assert told_words == f"at this rate (20 requests/s, as in the last 2 min) {words}"


def test_it_is_about_right():
    """Real windows need between a third and four times as long; the middle one about as long."""
    found = asked().forecasts[0]
    real = []
    for seed in range(7):
        rng, state, seconds = np.random.default_rng(100 + seed), WAITING.state, 0.0
        outcome = Outcome.WAIT
        while outcome is Outcome.WAIT and seconds < 20_000:
            index = 13 + int(seconds / 10)
            state, finding = judge(SETUP, state, window(rng, SCARCE, index))
            outcome, seconds = finding.verdict.outcome, seconds + 10
        real.append(seconds)
    assert found.seconds / 3 < np.median(real) < 3 * found.seconds
    assert sum(found.seconds / 4 < r < 4 * found.seconds for r in real) >= 5


def test_not_within_the_deadline_is_said():
    found = asked(todo=Ahead(AHEAD.steps[:1], 60.0))
    assert "not within the deadline (60 s left; it needs about" in found.because


def test_rates_at_which_it_would_fail_are_called_so():
    found = told(Truth(rate=60.0, errors_c=0.06), 13)
    assert found.judged[-1][1].verdict.outcome is Outcome.WAIT
    assert "it would be rolled back after about" in asked(found).because


def test_without_requests_nothing_is_foretold():
    silent = told(Truth(rate=0.0), 4)
    found = asked(silent)
    assert (found.forecasts, found.because) == ((), forecast.NO_RATE)
    assert outlook(SETUP, WAITING.state, WAITING.windows, Ahead((), None)) is None
    failed = told(Truth(errors_c=0.1), 60)
    assert failed.state.failed
    assert asked(failed) is None


def test_the_judge_is_asked_a_bounded_number_of_times(monkeypatch):
    calls = []
    real = forecast.judge
    monkeypatch.setattr(forecast, "judge", lambda *a: (calls.append(1), real(*a))[1])
    for rate in (0.01, 0.5, 14.0):
        calls.clear()
        assert asked(told(Truth(rate=rate, errors_c=0.014), 13)) is not None
        assert len(calls) <= 20 * len(AHEAD.steps)


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.floats(0.1, 4000.0), min_size=1, max_size=8),
    share=st.sampled_from([0.05, 0.25, 0.95]),
)
def test_imagined_windows_add_up_to_what_is_expected(cuts, share):
    """However time is cut, sums are those of the rates, to one half; no window is impossible."""
    now = present(WAITING.windows)
    course = Course(now, 130.0, 13, 0, share)
    since, requests, errors, buckets = 0.0, 0, 0, 0
    for length in cuts:
        seen = course.window(since, since + length)
        judge(SETUP, WAITING.state, seen)
        requests += seen.candidate.total.requests
        errors += seen.candidate.total.errors
        buckets += sum(seen.candidate.total.buckets)
        since += length
    expected = now.rate * share * since
    assert abs(requests - expected) <= 0.5 + 1e-6
    assert errors <= expected * now.candidate.errors + 0.5 + 1e-6
    assert abs(buckets - expected) <= len(now.bounds_ms) + 1


def test_a_candidate_without_errors_is_not_taken_for_perfect():
    now = present(WAITING.windows)
    assert 0 < now.candidate.errors < 0.2
    assert sum(now.candidate.buckets) == pytest.approx(1.0)


def plan(*shares: float) -> Plan:
    steps = tuple(Step(s, 1, 1, proof=0 < s < 0.9) for s in shares)
    return Plan("canary", steps, 0.05, STANDARD, "hold", 600.0, 7200.0, 0.0, "rollback")


def test_only_steps_with_users_that_ask_for_proof_are_looked_at():
    canary = plan(0.05, 0.25, 0.5, 0.95)
    assert ahead(Rollout(canary, 0.0, at=1), 200.0) == Ahead(((1, 0.25), (2, 0.5)), 7000.0)
    assert ahead(Rollout(canary, 0.0, at=0), 9000.0).left_seconds is None
    assert ahead(Rollout(canary, 0.0, at=3), 1.0).steps == ()
    assert ahead(Rollout(plan(0.0, 0.05, 0.95), 0.0, at=0), 1.0).steps == ()
    assert ahead(Rollout(canary, 0.0), 1.0).steps == ()
