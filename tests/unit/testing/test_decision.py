"""What a job has come to: the exit code, its tests, coverage and findings together."""

from dataclasses import replace

import pytest

from headway.model.job import JobOutcome, JobReport, StepReport
from headway.testing.coverage import Coverage, CoverageGate, FileCoverage, Least
from headway.testing.decision import Asked, Decision, End, decide, end_of
from headway.testing.findings import Finding, FindingsGate, Scan
from headway.testing.judge import Gates, Past, Stage
from headway.testing.quarantine import Quarantine
from headway.testing.result import Attempts, TestId
from headway.testing.tripwire import Standing

NOW = 1_750_000_000.0
GREEN, RED = End(green=True), End(green=False)
FLAPS, STEADY = TestId("", "cart", "flaps"), TestId("", "cart", "steady")


def test(id: TestId, failures: int, passes: int) -> Attempts:
    return Attempts(id, failures, passes, 0, 0.1)


test.__test__ = False  # type: ignore[attr-defined]


def asked(*tests: Attempts, known: bool = False, **more: object) -> Asked:
    """`known`: the first test is a proven flake, red every third time."""
    past = {FLAPS: Past(Standing(30, 10, (False, True) * 4))} if known else {}
    made = Asked(Stage(tests, past), tests, Gates())
    return replace(made, **more)  # type: ignore[arg-type]


def said(end: End, what: Asked) -> Decision:
    return decide(end, what, NOW)


def test_a_green_job_with_green_tests() -> None:
    found = said(GREEN, asked(test(STEADY, 0, 1)))
    assert (found.green, found.because) == (True, "1 tests passed")


def test_a_crash_is_no_flake() -> None:
    found = said(RED, asked(test(STEADY, 0, 1)))
    assert (found.green, found.explained, found.again) == (False, False, False)
    assert found.because.startswith("the job failed, and no test did")
    strange = replace(RED, strange="pytest ended with exit 2")
    found = said(strange, asked(test(FLAPS, 1, 0), known=True))
    assert (found.green, found.explained, found.again) == (False, False, False)


def test_an_unknown_red_test_runs_again_until_it_is_told() -> None:
    first = said(RED, asked(test(FLAPS, 1, 0), test(STEADY, 0, 1)))
    assert (first.green, first.again, first.explained) == (False, True, True)
    third = said(RED, asked(test(FLAPS, 3, 0), test(STEADY, 0, 3)))
    assert (third.green, third.again, third.explained) == (False, False, True)
    assert "cart::flaps" in third.because
    passed = Asked(
        Stage((test(FLAPS, 1, 1), test(STEADY, 0, 2))),
        (test(FLAPS, 0, 1), test(STEADY, 0, 1)),
        Gates(),
    )
    found = said(GREEN, passed)
    assert found.green
    assert [r.test.id for r in found.forgiven] == [FLAPS]


def test_in_a_folder_only_known_flakes_run_again() -> None:
    unknown = said(RED, asked(test(FLAPS, 1, 0), known_only=True))
    assert (unknown.again, unknown.explained) == (False, True)
    assert unknown.because == "1 of 1 tests failed: cart::flaps"
    assert said(RED, asked(test(FLAPS, 1, 0), known=True, known_only=True)).again


def test_block_takes_every_red_test_for_a_fault() -> None:
    found = said(RED, asked(test(FLAPS, 1, 0), known=True, block=True))
    assert (found.green, found.again, found.explained) == (False, False, True)
    assert said(GREEN, asked(test(FLAPS, 0, 1), block=True)).green


def test_a_test_in_quarantine_does_not_make_the_job_red() -> None:
    held = Quarantine(FLAPS, "ana", "ben", "clock", NOW - 9, NOW + 9, 30, 10)
    past = {FLAPS: Past(Standing(30, 10), held)}
    tests = (test(FLAPS, 1, 0), test(STEADY, 0, 1))
    what = Asked(Stage(tests, past), tests, Gates())
    found = said(RED, what)
    assert (found.green, [r.held for r in found.forgiven]) == (True, [True])
    assert "quarantined, owner ana" in found.because
    over = said(RED, replace(what, stage=Stage(tests, {FLAPS: Past(Standing(30, 10), replace(
        held, until=NOW - 1))})))  # fmt: skip
    assert not over.green


def test_steps_that_did_not_run_are_not_forgiven() -> None:
    held = Quarantine(FLAPS, "ana", "ben", "clock", NOW - 9, NOW + 9, 30, 10)
    tests = (test(FLAPS, 1, 0), test(STEADY, 0, 1))
    what = Asked(Stage(tests, {FLAPS: Past(Standing(30, 10), held)}), tests, Gates())
    found = said(replace(RED, cut=True), what)
    assert (found.green, found.again) == (False, True)
    assert found.because.startswith("steps after the tests did not run")


def test_a_machine_that_breaks_everything_is_not_explained_by_tests() -> None:
    many = [test(TestId("", "t", str(n)), 1, 0) for n in range(20)]
    found = said(RED, asked(*many))
    assert (found.green, found.explained, found.again) == (False, False, False)
    assert "looks like the machine" in found.because


def test_no_tests_are_no_pass() -> None:
    found = said(GREEN, asked())
    assert (found.green, found.explained) == (False, True)


@pytest.mark.seed("S-024")
@pytest.mark.parametrize(("run", "green"), [(79, False), (80, True)])
def test_coverage_decides_at_its_figure(run: int, green: bool) -> None:
    covered = Coverage("c.xml", (FileCoverage("src/a.py", 100, run, 0, 0),))
    gates = Gates(coverage=CoverageGate(Least(lines=0.8)))
    tests = (test(STEADY, 0, 1),)
    found = said(GREEN, Asked(Stage(tests, {}, covered), tests, gates))
    assert (found.green, found.explained) == (green, not green)
    assert f"{run}% ({run} of 100), needs 80%" in found.because or green
    alone = Asked(Stage((), {}, covered), (), replace(gates, least_tests=0))
    assert said(GREEN, alone).green == green
    assert not said(RED, alone).green


@pytest.mark.seed("S-032")
def test_a_finding_makes_a_green_job_red_and_never_a_red_one_green() -> None:
    scan = Scan("l.sarif", ("ruff",), (Finding("ruff", "F821", "error", "undefined", "a.py", 3),))
    gates = Gates(least_tests=0, findings=FindingsGate("error"))
    found = said(GREEN, Asked(Stage(scans=(scan,)), (), gates))
    assert (found.green, found.explained) == (False, True)
    assert "error F821 at a.py:3" in found.because
    clean = Asked(Stage(scans=(Scan("l.sarif", ("ruff",), ()),)), (), gates)
    assert said(GREEN, clean).green
    assert not said(RED, clean).green


def report(*steps: tuple[str, JobOutcome, int | None]) -> JobReport:
    made = tuple(StepReport(id, id, o, o, code, 0, 0) for id, o, code in steps)
    return JobReport("t", "failure", 0, 0, made, because="why")


IDS = ("build", "test", "pack")


@pytest.mark.parametrize(
    ("steps", "tools", "strange", "cut"),
    [
        ([("build", "success", 0), ("test", "failure", 1)], {"pytest"}, False, False),
        ([("test", "failure", 2)], {"pytest"}, True, False),
        ([("test", "failure", 2)], {"surefire"}, False, False),
        ([("test", "failure", 137)], {"jest"}, True, False),
        ([("test", "failure", None)], {"jest"}, True, False),
        ([("build", "failure", 1), ("test", "failure", 1)], {"jest"}, True, False),
        ([("test", "failure", 1), ("pack", "skipped", None)], {"jest"}, False, True),
        ([("test", "failure", 1), ("__post", "skipped", None)], {"jest"}, False, False),
        ([("test", "success", 0)], {"jest"}, True, False),
    ],
)
def test_how_a_job_ended(
    steps: list[tuple[str, JobOutcome, int | None]], tools: set[str], strange: bool, cut: bool
) -> None:
    end = end_of(report(*steps), IDS, tools)
    assert (end.green, bool(end.strange), end.cut) == (False, strange, cut)
