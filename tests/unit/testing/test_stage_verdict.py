"""May a stage go on? What is missing never passes, a flake does not block, what broke does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.model.errors import Invalid, Refused
from headway.model.verdict import Outcome
from headway.testing import quarantine
from headway.testing.coverage import Coverage, CoverageGate, FileCoverage, Least
from headway.testing.findings import Finding, FindingsGate, Scan
from headway.testing.judge import Gates, Past, Stage, judge, rulings
from headway.testing.quarantine import Quarantine
from headway.testing.result import Attempts, TestId
from headway.testing.tripwire import Ruling, Standing

DAY = 86400.0
NOW = 1000 * DAY
TEST = TestId("", "cart", "flaps")
FLAKY = Standing(60, 18, (True, False, False, True, False, False, True, False, False))


def tries(failures: int, passes: int, test: TestId = TEST) -> Attempts:
    return Attempts(test, failures, passes, 0, 0.1, "AssertionError: late")


def others(count: int = 20) -> tuple[Attempts, ...]:
    return tuple(tries(0, 1, TestId("", "cart", f"ok{i}")) for i in range(count))


def held(until: float = NOW + DAY, runs: int = 60, bad: int = 18) -> Quarantine:
    return Quarantine(TEST, "ana", "ben", "the clock", NOW - 9 * DAY, until, runs, bad)


def stage(now: Attempts, past: Past | None = None) -> Stage:
    return Stage((now, *others()), {TEST: past} if past else {})


@pytest.mark.parametrize(("more", "outcome"), [(True, Outcome.WAIT), (False, Outcome.FAIL)])
def test_no_results_are_never_a_pass(more: bool, outcome: Outcome) -> None:
    nothing = judge(Stage(), Gates(), NOW, more=more)
    assert (nothing.outcome, nothing.because) == (outcome, "there are no test results")
    skipped = Stage((Attempts(TEST, 0, 0, 1, 0.0),))
    assert judge(skipped, Gates(), NOW, more=more).outcome is outcome
    assert judge(Stage(others(4)), Gates(least_tests=5), NOW, more=more).outcome is outcome
    assert judge(Stage(), Gates(0), NOW, more=more).outcome is Outcome.FAIL


@given(st.integers(0, 3), st.booleans(), st.booleans(), st.booleans())
def test_nothing_reported_never_passes(least: int, more: bool, cover: bool, scan: bool) -> None:
    gates = Gates(
        least, CoverageGate(Least(lines=0.0)) if cover else None, FindingsGate() if scan else None
    )
    assert judge(Stage(), gates, NOW, more=more).outcome is not Outcome.PASS


def test_green_is_green() -> None:
    verdict = judge(Stage(others()), Gates(), NOW)
    assert (verdict.outcome, verdict.because) == (Outcome.PASS, "20 tests passed")


def test_a_failure_must_run_again_or_fails() -> None:
    red = stage(tries(1, 0))
    wait = judge(red, Gates(), NOW, more=True)
    assert wait.outcome is Outcome.WAIT
    assert (
        "cart::flaps: failed 1 of 1 tries; 2 more would tell whether it is a flake" in wait.because
    )
    assert rulings(red, NOW)[0].again == 2
    assert judge(red, Gates(), NOW).outcome is Outcome.FAIL
    assert judge(stage(tries(3, 0)), Gates(), NOW, more=True).outcome is Outcome.FAIL


def test_a_known_flake_does_not_block_and_is_named() -> None:
    verdict = judge(stage(tries(1, 1), Past(FLAKY)), Gates(), NOW)
    assert verdict.outcome is Outcome.PASS
    assert "1 of them flaky (cart::flaps: failed 1 of 2 tries; 18 of 60 runs" in verdict.because


def test_a_run_in_which_nearly_everything_fails_is_the_machine() -> None:
    run = Stage(tuple(tries(1, 0, TestId("", "c", str(i))) for i in range(20)))
    verdict = judge(run, Gates(), NOW, more=True)
    assert verdict.outcome is Outcome.FAIL
    assert "the machine, not the tests" in verdict.because


@pytest.mark.seed("S-035")
def test_quarantine_lets_a_flake_fail_as_it_always_did() -> None:
    """30 % flaky: without quarantine one failure must run again, with it the stage goes on."""
    past = Past(FLAKY, held(), (True, False, False, True, False, False))
    assert judge(stage(tries(1, 0), Past(FLAKY)), Gates(), NOW).outcome is Outcome.FAIL
    verdict = judge(stage(tries(1, 0), past), Gates(), NOW)
    assert verdict.outcome is Outcome.PASS
    assert "1 of them quarantined (cart::flaps: quarantined, owner ana)" in verdict.because


def test_quarantine_never_mutes_what_got_worse() -> None:
    always = Past(FLAKY, held(), (False, False) + (True,) * 9)
    verdict = judge(stage(tries(1, 0), always), Gates(), NOW)
    assert verdict.outcome is Outcome.FAIL
    assert "failed in 10 of its last 10 runs; 30% is its own rate" in verdict.because
    in_a_row = judge(stage(tries(8, 0), Past(FLAKY, held(), ())), Gates(), NOW)
    assert in_a_row.outcome is Outcome.FAIL
    young = Past(Standing(2, 1, (True, False)), held(runs=2, bad=1), (True,) * 9)
    assert judge(stage(tries(1, 0), young), Gates(), NOW).outcome is Outcome.FAIL


def test_an_expired_quarantine_blocks_by_itself() -> None:
    past = Past(FLAKY, held(until=NOW), (False,) * 9)
    assert judge(stage(tries(1, 0), past), Gates(), NOW - 1).outcome is Outcome.PASS
    verdict = judge(stage(tries(1, 0), past), Gates(), NOW)
    assert verdict.outcome is Outcome.FAIL
    assert "its quarantine (owner ana) is over" in verdict.because


@given(
    st.integers(1, 200), st.floats(0, 1), st.integers(1, 9), st.lists(st.booleans(), max_size=30)
)
def test_a_test_that_only_fails_comes_out_of_quarantine(
    runs: int, share: float, failures: int, before: list[bool]
) -> None:
    """Whatever it did before: ten red runs in a row block."""
    kept = held(runs=runs, bad=round(share * runs))
    since = (*before, *[True] * 9)
    told = quarantine.worsened(kept, tries(failures, 0), since, FLAKY)
    assert told


def test_only_a_proven_flake_may_be_quarantined() -> None:
    with pytest.raises(Refused) as caught:
        quarantine.check(Standing(50, 0), "ana", DAY)
    assert caught.value.code == "not-flaky"
    with pytest.raises(Invalid, match="owner"):
        quarantine.check(FLAKY, " ", DAY)
    with pytest.raises(Invalid, match="90 days"):
        quarantine.check(FLAKY, "ana", 91 * DAY)
    quarantine.check(FLAKY, "ana", 90 * DAY)


def test_every_reason_is_told_and_the_worst_counts() -> None:
    coverage = Coverage("c.xml", (FileCoverage("src/pay.py", 100, 79, 0, 0),))
    scan = Scan("s.sarif", ("bandit",), (Finding("bandit", "B602", "error", "shell", "a.py", 3),))
    gates = Gates(1, CoverageGate(Least(lines=0.8)), FindingsGate())
    verdict = judge(Stage((*others(), tries(3, 0)), {}, coverage, (scan,)), gates, NOW)
    assert verdict.outcome is Outcome.FAIL
    for words in ("cart::flaps", "79% (79 of 100), needs 80%", "error B602 at a.py:3"):
        assert words in verdict.because
    late = judge(Stage(others()), gates, NOW, more=True)
    assert (late.outcome, late.judge) == (Outcome.WAIT, "coverage")
    assert judge(Stage(others()), gates, NOW).outcome is Outcome.FAIL


def test_blocking_tests_come_first() -> None:
    known = {TEST: Past(FLAKY)}
    broken = TestId("", "zebra", "breaks")
    ruled = rulings(Stage((tries(1, 1), tries(3, 0, broken)), known), NOW)
    assert [r.ruling for r in ruled] == [Ruling.BROKEN, Ruling.FORGIVEN]
