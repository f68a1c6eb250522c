"""What the judge answers, and in which words, in every case a rollout can be in."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.analysis.traffic import Truth, steered, window, windows

from headway.analysis.judge import Setup, begin, judge
from headway.analysis.words import GAP, NO_BASELINE
from headway.model.errors import Invalid
from headway.model.pace import QUICK, STANDARD
from headway.model.service import Analysis
from headway.model.verdict import Outcome
from headway.model.window import Counts, VersionCounts

SETUP = Setup(Analysis(), 0.05)
NOBODY = VersionCounts(Counts(0, 0), {})


def run(seen, setup=SETUP):
    """Every finding, in order."""
    state, findings = begin(setup), []
    for one in seen:
        state, finding = judge(setup, state, one)
        findings.append(finding)
    return findings


def outcomes(findings):
    return {f.verdict.outcome for f in findings}


def alone(seen, stable=NOBODY):
    """The same windows at full share with nobody beside."""
    return [replace(one, share=1.0, stable=stable) for one in seen]


@pytest.mark.seed("S-100")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("truth", "signal"),
    [(Truth(errors_c=0.025), "errors: "), (Truth(median_c=52.0), "slower than ")],
)
def test_many_more_errors_or_latencies_up_by_thirty_percent_fail_before_most_users_see_it(
    truth, signal, seed
):
    step, findings = steered(seed, truth, SETUP, 90)
    last = findings[-1]
    assert last.verdict.outcome is Outcome.FAIL
    assert step <= 1
    assert last.log_evidence >= last.boundary == pytest.approx(np.log(100))
    assert last.verdict.because.startswith(signal)
    assert "on stable" in last.verdict.because
    assert last.baseline == "concurrent"


@pytest.mark.seed("S-100")
def test_identical_versions_pass_every_step_and_fail_no_more_often_than_promised():
    """Thirty seeded A/A rollouts; at a true rate of alpha = 1 % two alarms or more have p 0.04."""
    alarms = 0
    for seed in range(30):
        step, findings = steered(seed, Truth(), SETUP, 56)
        alarms += findings[-1].verdict.outcome is Outcome.FAIL
        assert step == 3 or findings[-1].verdict.outcome is Outcome.FAIL
    assert alarms <= 1


def test_a_false_alarm_is_as_rare_as_promised_even_at_the_edge_of_the_tolerance():
    """150 candidates exactly at rollback's edge, no instances: the exact part of the guarantee."""
    setup = Setup(Analysis(confidence=0.9), 0.05)
    edge = 0.01 * 1.25 + 0.0005
    failed = 0
    for seed in range(150):
        seen = windows(seed, Truth(rate=100, errors_c=edge, instances=1), 16, 99)
        bare = [
            replace(
                one,
                candidate=VersionCounts(replace(one.candidate.total, buckets=()), {}),
                stable=VersionCounts(replace(one.stable.total, buckets=()), {}),
            )
            for one in seen
        ]
        failed += run(bare, setup)[-1].verdict.outcome is Outcome.FAIL
    assert failed <= 0.1 * 150


@pytest.mark.seed("S-094")
def test_too_few_samples_wait_with_insufficient_data():
    for finding in run(windows(3, Truth(rate=2), 30)):
        assert finding.verdict.outcome is Outcome.WAIT
        assert finding.verdict.because.startswith(GAP)
    assert "seen at this step" in finding.verdict.because


@pytest.mark.seed("S-094")
def test_no_traffic_and_no_metrics_wait_and_say_which():
    rng = np.random.default_rng(1)
    usual = window(rng, Truth(), 0)
    idle = VersionCounts(Counts(0, 0, (0,) * 9), {})
    cases = {
        "no counts of the new version": replace(usual, candidate=None),
        "the new version had no requests": replace(usual, candidate=idle),
        "no counts of the stable version": replace(usual, stable=None),
        "stable had no requests": replace(
            usual, stable=VersionCounts(Counts(0, 0), {"b:0": Counts(0, 0)})
        ),
    }
    for words, one in cases.items():
        state, finding = judge(SETUP, begin(SETUP), one)
        assert finding.verdict.outcome is Outcome.WAIT
        assert finding.verdict.because.startswith(f"{GAP}: {words}")
        assert finding.baseline == "none"
        assert state.capital == begin(SETUP).capital
        assert state.missed == 1


def test_a_gap_after_a_proof_is_no_pass():
    seen = windows(1, Truth(), 11)
    findings = run([*seen, replace(seen[-1], candidate=None)])
    assert [f.verdict.outcome for f in findings[-2:]] == [Outcome.PASS, Outcome.WAIT]


def test_without_latencies_nothing_is_proven():
    seen = [
        replace(
            one,
            candidate=replace(one.candidate, total=replace(one.candidate.total, buckets=())),
            stable=replace(one.stable, total=replace(one.stable.total, buckets=())),
        )
        for one in windows(4, Truth(), 12)
    ]
    findings = run(seen)
    assert outcomes(findings) == {Outcome.WAIT}
    assert "no latencies to compare" in findings[-1].verdict.because


def test_a_step_restarts_the_proof_but_not_the_suspicion():
    seen = windows(5, Truth(), 12)
    state = begin(SETUP)
    for one in seen:
        state, before = judge(SETUP, state, one)
    state, after = judge(
        SETUP, state, replace(window(np.random.default_rng(1), Truth(), 12), step=1)
    )
    assert before.verdict.outcome is Outcome.PASS
    assert after.verdict.outcome is Outcome.WAIT
    assert state.proof.requests == after.signals[0].n_candidate < seen[-1].stable.total.requests
    assert state.capital.restarts > 0


def test_fail_is_for_ever():
    bad = windows(1, Truth(errors_c=0.3), 20)
    good = [
        replace(one, index=i + 20, start=one.start + 200, end=one.end + 200)
        for i, one in enumerate(windows(9, Truth(), 20))
    ]
    findings = run(bad + good)
    first = next(i for i, f in enumerate(findings) if f.verdict.outcome is Outcome.FAIL)
    assert first < 20
    assert outcomes(findings[first:]) == {Outcome.FAIL}
    assert len({f.verdict.because for f in findings[first:]}) == 1


def test_one_sick_instance_is_named():
    rng, seen = np.random.default_rng(7), []
    for one in windows(7, Truth(instances=5, errors_c=0.001, errors_b=0.001), 60):
        counts = one.candidate.instances["c:3"]
        more = int(rng.binomial(counts.requests - counts.errors, 0.03))
        sick = replace(counts, errors=counts.errors + more)
        total = replace(one.candidate.total, errors=one.candidate.total.errors + more)
        each = one.candidate.instances | {"c:3": sick}
        seen.append(replace(one, candidate=VersionCounts(total, each)))
    findings = run(seen)
    assert findings[-1].verdict.outcome is Outcome.FAIL
    named = [s for f in findings for s in f.signals if s.name == "errors of c:3"]
    assert named
    assert named[-1].candidate > 0.02 > named[-1].stable


def test_the_warm_up_forgives_a_cold_start_and_then_no_longer():
    cold = windows(8, Truth(errors_c=0.06, median_c=120.0), 3)
    warm = windows(9, Truth(), 24)
    late = [
        replace(one, index=one.index + 3, start=one.start + 30, end=one.end + 30) for one in warm
    ]
    assert Outcome.FAIL not in outcomes(run(cold + late))
    assert run(windows(8, Truth(errors_c=0.06), 24))[-1].verdict.outcome is Outcome.FAIL


def test_zero_errors_everywhere_pass_and_few_against_zero_fail():
    clean = Truth(errors_c=0.0, errors_b=0.0)
    assert Outcome.PASS in outcomes(run(windows(1, clean, 12)))
    sick = run(windows(1, replace_truth(clean, errors_c=0.01), 36))
    assert sick[-1].verdict.outcome is Outcome.FAIL


def replace_truth(truth, **changes):
    return replace(truth, **changes)


def test_the_tail_is_watched_on_coarse_buckets():
    """The bound nearest to 1 % may lie in the body; the tail's is picked by rank."""
    rng, seen = np.random.default_rng(3), []
    for one in windows(3, Truth(median_c=15.0, median_b=15.0), 36):
        total = one.candidate.total
        slow = int(rng.binomial(total.buckets[2], 0.03))
        buckets = list(total.buckets)
        buckets[2], buckets[6] = buckets[2] - slow, buckets[6] + slow
        changed = replace(total, buckets=tuple(buckets))
        seen.append(replace(one, candidate=replace(one.candidate, total=changed)))
    last = run(seen)[-1]
    assert last.verdict.outcome is Outcome.FAIL
    assert last.verdict.because.startswith("slower than ")


def test_a_histogram_that_sums_to_more_or_less_than_the_counter_is_judged_on_its_own_sum():
    rng = np.random.default_rng(5)
    seen = []
    for one in windows(5, Truth(), 24):
        off = int(rng.integers(-20, 20))
        first = max(0, one.candidate.total.buckets[3] + off)
        buckets = (*one.candidate.total.buckets[:3], first, *one.candidate.total.buckets[4:])
        changed = replace(one.candidate.total, buckets=buckets)
        seen.append(replace(one, candidate=replace(one.candidate, total=changed)))
    findings = run(seen)
    assert Outcome.FAIL not in outcomes(findings)
    p50 = findings[-1].signals[1]
    own = sum(sum(one.candidate.total.buckets) for one in seen[12:])
    assert p50.n_candidate <= own


def test_a_lost_histogram_bets_no_latency():
    seen = windows(6, Truth(), 12)
    blank = replace(seen[-1].candidate.total, buckets=(0,) * 9)
    last = replace(seen[-1], candidate=replace(seen[-1].candidate, total=blank))
    state = begin(SETUP)
    for one in seen[:-1]:
        state, _ = judge(SETUP, state, one)
    after, finding = judge(SETUP, state, last)
    assert after.capital.accounts["latency"] == state.capital.accounts["latency"]
    assert finding.verdict.outcome is Outcome.WAIT


def test_a_first_release_is_held_to_absolute_limits():
    good = run(alone(windows(1, Truth(errors_c=0.0), 36)))
    assert Outcome.PASS in outcomes(good)
    assert good[-1].baseline == "absolute"
    assert NO_BASELINE in good[-1].verdict.because
    assert "latency not judged" in good[-1].verdict.because
    bad = run(alone(windows(1, Truth(errors_c=0.03), 36)))
    assert bad[-1].verdict.outcome is Outcome.FAIL
    assert NO_BASELINE in bad[-1].verdict.because


def test_without_holdback_the_last_step_is_held_to_what_is_remembered():
    setup = replace(SETUP, holdback=0.0)
    before = windows(2, Truth(errors_b=0.02, errors_c=0.02), 36)

    def after(**truth):
        late = alone(windows(3, Truth(**truth), 48, 1), stable=None)
        return [
            replace(one, index=36 + i, step=3, start=360 + one.start, end=360 + one.end)
            for i, one in enumerate(late)
        ]

    good = run(before + after(errors_c=0.02), setup)
    assert Outcome.FAIL not in outcomes(good)
    assert good[-1].baseline == "absolute"
    assert good[-1].verdict.outcome is Outcome.PASS
    for truth in ({"errors_c": 0.06}, {"errors_c": 0.02, "median_c": 80.0}):
        assert run(before + after(**truth), setup)[-1].verdict.outcome is Outcome.FAIL


def test_a_missing_stable_side_in_mid_canary_is_a_gap_and_no_absolute_limit():
    seen = windows(2, Truth(errors_b=0.05, errors_c=0.05), 30)
    findings = run([replace(one, stable=None) for one in seen])
    assert outcomes(findings) == {Outcome.WAIT}
    assert {f.baseline for f in findings} == {"none"}


def test_pace_changes_times_and_never_what_must_be_proven():
    for pace in (STANDARD, QUICK):
        finding = run(windows(1, Truth(), 2), Setup(Analysis(pace=pace), 0.05))[-1]
        assert finding.boundary == -np.log(1 - Analysis().confidence)
    assert not {"alpha", "beta", "confidence", "margin"} & set(STANDARD.__slots__)


def test_the_memory_fades_by_seconds_not_by_windows():
    rng = np.random.default_rng(1)
    one = window(rng, Truth(), 0)
    state, _ = judge(SETUP, begin(SETUP), one)
    kept = {}
    for seconds in (2.0, 10.0):
        aged, quiet = state, replace(one.stable, total=Counts(1, 0, (1,) + (0,) * 8))
        for i in range(int(60 / seconds)):
            start = 10 + i * seconds
            aged, _ = judge(
                SETUP, aged, replace(one, start=start, end=start + seconds, stable=quiet)
            )
        kept[seconds] = aged.memory.errors
    assert kept[2.0] == pytest.approx(kept[10.0], rel=1e-9)
    assert kept[2.0] < one.stable.total.errors


@pytest.mark.parametrize(
    "counts",
    [Counts(5, 6), Counts(5, -1), Counts(5, 0, (1, 2)), Counts(5, 0, (6, -1, *(0,) * 7))],
)
def test_an_impossible_window_is_refused(counts):
    one = window(np.random.default_rng(1), Truth(), 0)
    with pytest.raises(Invalid, match="window 0 cannot be"):
        judge(SETUP, begin(SETUP), replace(one, candidate=VersionCounts(counts, {})))


@pytest.mark.parametrize("confidence", [0.0, 1.0, 1.5])
def test_a_confidence_out_of_range_is_refused(confidence):
    with pytest.raises(Invalid, match="confidence"):
        begin(Setup(Analysis(confidence=confidence), 0.05))


def test_a_named_point_of_the_latencies_is_judged_and_must_be_proven():
    named = Setup(Analysis(latency_ms=(25.0,)), 0.05)
    plain = [s.name for s in steered(3, Truth(), Setup(Analysis(), 0.05), 8)[1][-1].signals]
    found = [s.name for s in steered(3, Truth(), named, 8)[1][-1].signals]
    assert set(found) - set(plain) == {"slower than 25 ms"}
