"""Runs whose jobs declared reports: judged, remembered, run again; a fork changes nothing."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fakes.job_runner import FakeBlobs, FakeRunner, FakeTrees, FakeWatch, Ticks, bench
from tests.flows.test_pipeline_run import jobs, spec

from headway.flows import pipeline
from headway.flows.job_facts import job_facts
from headway.flows.pipeline import Bench
from headway.flows.tests_kept import KeptTests
from headway.model.job import JobOrder, JobReport, ReportFile, StepReport
from headway.model.job_settings import (
    CoverageReports,
    FindingReports,
    JobSettings,
    Retry,
    TestReports,
    Waiver,
)
from headway.pipeline.run.state import RunState
from headway.store import database, tests, tests_coverage, tests_held
from headway.store.database import Tx
from headway.store.views import tests as views
from headway.testing.result import TestId

NOW = 1_000_000.0
TESTED = JobSettings(tests=TestReports(("junit.xml",)))
FLAPS = TestId("", "cart", "flaps")


def junit(**cases: bool) -> bytes:
    told = "".join(
        f'<testcase classname="cart" name="{name}" time="0.25">'
        f"{'' if good else '<failure/>'}</testcase>"
        for name, good in cases.items()
    )
    return f'<testsuite name="pytest">{told}</testsuite>'.encode()


def cobertura(run: int, of: int = 100) -> bytes:
    lines = "".join(f'<line number="{n}" hits="{int(n < run)}"/>' for n in range(of))
    return (
        '<coverage><packages><package><classes><class filename="src/pay/card.py"><lines>'
        f"{lines}</lines></class></classes></package></packages></coverage>"
    ).encode()


Try = tuple[int, dict[str, bytes]]


class Job:
    """A job `a` whose tries are given: exit code, and the files that it leaves."""

    def __init__(self, blobs: FakeBlobs, *tries: Try) -> None:
        self.blobs, self.left = blobs, list(tries)
        self.lock = threading.Lock()

    def __call__(self, order: JobOrder, secrets: object) -> JobReport | None:
        with self.lock:
            code, files = self.left.pop(0)
        kept = tuple(
            ReportFile(name, self.blobs.put(io.BytesIO(data)), len(data), (name,))
            for name, data in files.items()
            if name in order.reports
        )
        outcome = "failure" if code else "success"
        step = StepReport(order.steps[0].id, "test", outcome, outcome, code, 0, 0)  # type: ignore[arg-type]
        return JobReport(order.key, outcome, NOW, NOW, (step,), reports=kept)  # type: ignore[arg-type]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sa.Engine]:
    url = f"sqlite:///{tmp_path / 'headway.db'}"
    database.prepare(url)
    engine = database.connect(url)
    yield engine
    engine.dispose()


@pytest.fixture
def history(db: sa.Engine) -> KeptTests:
    @contextmanager
    def tx() -> Iterator[Tx]:
        with db.begin() as connection:
            database.lock(connection)
            yield Tx(connection, NOW)

    return KeptTests(tx)


Go = Callable[..., RunState]


@pytest.fixture
def go(tmp_path: Path, history: KeptTests) -> Go:
    """Runs one job, `a`, through these tries to its end."""
    blobs, numbers = FakeBlobs(), iter(range(1, 100))

    def run(*tries: Try, settings: JobSettings = TESTED, **more: Any) -> RunState:
        job = Job(blobs, *tries)
        runner = FakeRunner(tmp_path / "ledger", job)
        number = next(numbers)
        made: Bench = bench(tmp_path, runner, blobs=blobs, history=history, trees=trees)
        given: dict[str, Any] = {"sha": f"{number:040x}", "service": "shop"}
        trees.ids = {"": f"tree-{number}"}
        given |= {"settings": {"a": settings}} | more
        pipeline.create(made, spec(jobs("a"), f"run_{number}", **given))
        state = pipeline.run(made, f"run_{number}", FakeWatch())
        assert not job.left, "every try that was given was made"
        return state

    trees = FakeTrees()
    return run


def known(db: sa.Engine) -> dict[TestId, views.Known]:
    with db.connect() as connection:
        return {k.test: k for k in views.known(connection, "shop", NOW + 10)}


def red(**cases: bool) -> Try:
    return 1, {"junit.xml": junit(**cases)}


def green(**cases: bool) -> Try:
    return 0, {"junit.xml": junit(**cases)}


def test_green_tests_are_remembered(go: Go, db: sa.Engine) -> None:
    state = go(green(flaps=True, total=True))
    checks = state.ended["a"].checks
    assert state.phase == "success"
    assert checks is not None
    assert (checks.tests, checks.failed, checks.seconds, checks.because) == (
        2, 0, 0.5, "2 tests passed",
    )  # fmt: skip
    assert {str(t) for t in known(db)} == {"cart::flaps", "cart::total"}
    with db.connect() as connection:
        (told,) = views.history(connection, known(db)[FLAPS].number, 9)
    assert (told.run, told.job, told.branch, told.sha) == ("run_1", "a", "main", f"{1:040x}")


@pytest.mark.seed("S-035", "S-265", "S-275", "S-281")
def test_a_flake_is_found_and_named_and_does_not_block(go: Go, db: sa.Engine) -> None:
    state = go(red(flaps=False, total=True), green(flaps=True, total=True))
    report = state.ended["a"]
    assert (state.phase, len(state.tries["a"])) == ("success", 1)
    assert report.checks is not None
    assert report.checks.forgiven == ("cart::flaps: failed 1 of 2 tries; new, and flaky already",)
    assert known(db)[FLAPS].flips == 1
    with db.connect() as connection:
        (flaky,) = views.flaky(connection, "shop", NOW + 10)
    assert (flaky.known.test, flaky.standing.rate) == (FLAPS, 1.0)


def test_a_fault_is_red_after_three_tries_and_retry_washes_nothing_out(go: Go) -> None:
    bad = red(flaps=False, total=True)
    settings = JobSettings(tests=TESTED.tests, retry=Retry(5, 0.0))
    state = go(bad, bad, bad, settings=settings)
    report = state.ended["a"]
    assert (state.phase, len(state.tries["a"])) == ("failure", 2)
    assert report.because.startswith("1 of 2 tests failed: cart::flaps")


def quarantined(db: sa.Engine) -> None:
    with db.begin() as connection:
        database.lock(connection)
        tx = Tx(connection, NOW)
        number = tests.number_of(connection, "shop", FLAPS)
        assert number is not None
        told = tests.episodes(connection, [number], 0)[number]
        tests_held.put(tx, number, tests_held.Wish("ana", "ben", "clock", NOW + 9), told)


@pytest.mark.seed("S-035", "S-265", "S-275", "S-281")
def test_a_30_percent_flake_in_quarantine_runs_and_does_not_block(go: Go, db: sa.Engine) -> None:
    for number in range(10):
        bad = number % 10 in {0, 3, 7}
        go(*([red(flaps=False, total=True)] if bad else []), green(flaps=True, total=True))
    quarantined(db)
    state = go(red(flaps=False, total=True))
    report = state.ended["a"]
    assert (state.phase, state.tries, report.steps[0].outcome) == ("success", {}, "failure")
    assert report.checks is not None
    assert report.checks.forgiven == ("cart::flaps: quarantined, owner ana",)
    with db.connect() as connection:
        (flaky,) = views.flaky(connection, "shop", NOW)
    assert (flaky.held is not None, flaky.standing.runs, flaky.known.failed) == (True, 11, 4)
    assert flaky.standing.rate == pytest.approx(3 / 11)
    mixed = red(flaps=False, total=False)
    assert go(mixed, mixed, mixed).phase == "failure", "a fault beside it is a fault"


def test_a_forgiven_result_is_no_result_for_tomorrow(go: Go, db: sa.Engine) -> None:
    go(red(flaps=False, total=True), green(flaps=True, total=True))
    quarantined(db)
    first = go(red(flaps=False, total=True))
    assert first.phase == "success"
    assert not first.ended["a"].reused


def test_what_was_declared_and_is_not_there_is_red(go: Go, db: sa.Engine) -> None:
    state = go((0, {}))
    assert state.phase == "failure"
    assert state.ended["a"].because == (
        "its reports are incomplete: no file matches `junit.xml`, where results of tests are to be"
    )
    broken = go((0, {"junit.xml": b"<testsuite><testcase"}))
    assert "its reports are incomplete: junit.xml:1:" in broken.ended["a"].because
    other = go((0, {"junit.xml": cobertura(1)}))
    assert other.ended["a"].because.endswith("junit.xml holds no results of tests")
    empty = go((0, {"junit.xml": b'<testsuite name="pytest"/>'}))
    assert (empty.phase, known(db)) == ("failure", {})


def test_a_crash_has_its_retries_and_no_more(go: Go) -> None:
    settings = JobSettings(tests=TESTED.tests, retry=Retry(1, 0.0))
    crashed: Try = (137, {})
    assert go(crashed, green(total=True), settings=settings).phase == "success"
    state = go((1, {"junit.xml": junit(total=True)}), settings=TESTED)
    assert state.phase == "failure", "exit 1 and no red test"
    assert go(crashed, crashed, settings=settings).phase == "failure"


COVERED = JobSettings(
    tests=TESTED.tests,
    coverage=CoverageReports(("c.xml",), lines=0.8, critical=0.8),
    critical=("src/pay/**",),
)


@pytest.mark.seed("S-024", "S-025")
@pytest.mark.parametrize(("run", "phase"), [(79, "failure"), (80, "success")])
def test_coverage_below_its_gate_is_red(go: Go, db: sa.Engine, run: int, phase: str) -> None:
    code, files = green(total=True)
    state = go((code, files | {"c.xml": cobertura(run)}), settings=COVERED)
    assert state.phase == phase
    report = state.ended["a"]
    assert report.checks is not None
    assert report.checks.line_share == run / 100
    if phase == "failure":
        assert f"lines of all files: {run}% ({run} of 100), needs 80%" in report.because
    with db.connect() as connection:
        shown = tests_coverage.listed(connection, "shop", f"{1:040x}", 10)
    assert [(c.path, c.lines_run, c.least, c.job) for c in shown] == [
        ("", run, 0.8, "a"), ("src/pay/**", run, 0.8, "a"),
    ]  # fmt: skip


@pytest.mark.seed("S-032")
def test_a_finding_of_a_scanner_is_red(go: Go) -> None:
    sarif = b"""{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "ruff"}}, "results": [
        {"level": "error", "ruleId": "F821", "message": {"text": "undefined name"}}]}]}"""
    settings = JobSettings(findings=FindingReports(("lint.sarif",)))
    state = go((0, {"lint.sarif": sarif}), settings=settings)
    assert state.phase == "failure"
    assert state.ended["a"].because.startswith("1 of level error or above: error F821")


def test_a_fork_is_judged_and_changes_nothing(go: Go, db: sa.Engine) -> None:
    go(green(flaps=True, total=True))
    before = known(db)
    flaky = go(red(flaps=False, total=True), green(flaps=True, total=True), trusted=False)
    assert flaky.phase == "success"
    quarantined_before = known(db)
    assert quarantined_before == before
    bad = red(flaps=False, total=True)
    assert go(bad, bad, bad, trusted=False).phase == "failure"
    assert known(db) == before


def test_a_folder_runs_nothing_again_for_a_test_nobody_knows(go: Go, tmp_path: Path) -> None:
    state = go(red(flaps=False, total=True), folder=str(tmp_path))
    assert (state.phase, state.tries) == ("failure", {})
    assert state.ended["a"].because == "1 of 2 tests failed: cart::flaps"


def test_without_a_history_tries_of_the_run_decide(go: Go, tmp_path: Path) -> None:
    blobs = FakeBlobs()
    tries = red(flaps=False, total=True), green(flaps=True, total=True)
    runner = FakeRunner(tmp_path / "plain", Job(blobs, *tries))
    made = bench(tmp_path, runner, blobs=blobs)
    pipeline.create(made, spec(jobs("a"), "plain", settings={"a": TESTED}))
    assert pipeline.run(made, "plain", FakeWatch()).phase == "success"


@pytest.mark.seed("S-025")
def test_coverage_of_a_result_that_was_taken_over_is_the_new_commits_too(
    tmp_path: Path, history: KeptTests, db: sa.Engine
) -> None:
    blobs, trees = FakeBlobs(), FakeTrees()
    code, files = green(total=True)
    job = Job(blobs, (code, files | {"c.xml": cobertura(85)}))
    made = bench(
        tmp_path, FakeRunner(tmp_path / "l", job), blobs=blobs, trees=trees, history=history
    )
    for id, sha in (("run_1", "a" * 40), ("run_2", "b" * 40)):
        given: dict[str, Any] = {"sha": sha, "service": "shop", "settings": {"a": COVERED}}
        pipeline.create(made, spec(jobs("a"), id, **given))
        assert pipeline.run(made, id, FakeWatch()).phase == "success"
    assert pipeline.show(tmp_path, "run_2").ended["a"].reused == "run_1"
    with db.connect() as connection:
        shown = tests_coverage.listed(connection, "shop", "", 10)
    assert {(c.sha, c.path, c.lines_run) for c in shown} == {
        (sha * 40, path, 85) for sha in "ab" for path in ("", "src/pay/**")
    }


def test_a_stricter_gate_takes_no_older_result(go: Go, tmp_path: Path) -> None:
    blobs, trees = FakeBlobs(), FakeTrees()
    code, files = green(total=True)
    one = (code, files | {"c.xml": cobertura(79)})

    def run(id: str, least: float, *tries: Try) -> RunState:
        runner = FakeRunner(tmp_path / "gates", Job(blobs, *tries))
        made = bench(tmp_path, runner, blobs=blobs, trees=trees)
        settings = JobSettings(TESTED.paths, tests=TESTED.tests,
                               coverage=CoverageReports(("c.xml",), least))  # fmt: skip
        pipeline.create(made, spec(jobs("a"), id, settings={"a": settings}))
        return pipeline.run(made, id, FakeWatch())

    assert run("g1", 0.7, one).phase == "success"
    assert run("g2", 0.7).ended["a"].reused == "g1"
    assert run("g3", 0.8, one).phase == "failure"


def sarif(*places: str) -> bytes:
    """Findings of level error: `RULE FILE` each."""
    results = [
        {
            "level": "error",
            "ruleId": rule,
            "message": {"text": "bad"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": file}}}],
        }
        for rule, _, file in (place.partition(" ") for place in places)
    ]
    run = {"tool": {"driver": {"name": "trivy"}}, "results": results}
    return json.dumps({"version": "2.1.0", "runs": [run]}).encode()


class Waived:
    """Runs of a job `a` that scans, on one commit, at moments that the test chooses."""

    LAST = datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp()

    def __init__(self, home: Path) -> None:
        self.home, self.blobs, self.trees, self.clock = home, FakeBlobs(), FakeTrees(), Ticks()
        self.clock.at = self.LAST - 1000

    def bench(self, *tries: Try) -> Bench:
        runner = FakeRunner(self.home / "waived", Job(self.blobs, *tries))
        return bench(self.home, runner, blobs=self.blobs, trees=self.trees, clock=self.clock)

    def run(self, id: str, *tries: Try, waivers: tuple[Waiver, ...], **more: Any) -> RunState:
        settings = JobSettings(findings=FindingReports(("s.sarif",), waivers=waivers))
        made = self.bench(*tries)
        pipeline.create(made, spec(jobs("a"), id, settings={"a": settings}, **more))
        return pipeline.run(made, id, FakeWatch())


MINE = Waiver("CVE-1", "ana", "Not reachable here", "2026-12-31", "requirements.txt")
IDLE = Waiver("CVE-9", "eve", "Nothing of this kind", "2026-12-31")
SCANNED: Try = (0, {"s.sarif": sarif("CVE-1 requirements.txt")})


@pytest.mark.seed("S-047", "S-048")
def test_a_result_that_a_waiver_let_through_is_reused_until_its_end(tmp_path: Path) -> None:
    waived = Waived(tmp_path)
    assert waived.run("r1", SCANNED, waivers=()).phase == "failure"
    second = waived.run("r2", SCANNED, waivers=(MINE, IDLE))
    assert second.phase == "success"
    checks = second.ended["a"].checks
    assert checks is not None
    assert [(u.waiver, u.findings) for u in checks.waivers] == [(MINE, 1), (IDLE, 0)]
    told = job_facts("a", second.ended["a"])["checks"]
    assert isinstance(told, dict)
    assert told["waived"] == [
        {
            "rule": "CVE-1", "at": "requirements.txt", "owner": "ana",
            "reason": "Not reachable here", "expires": "2026-12-31", "findings": 1,
            "named": ["error CVE-1 at requirements.txt"],
        }
    ]  # fmt: skip
    assert waived.run("without", SCANNED, waivers=()).phase == "failure", "no waiver, no result"
    waived.clock.at = Waived.LAST
    third = waived.run("r3", waivers=(MINE, IDLE))
    assert (third.phase, third.ended["a"].reused) == ("success", "r2")
    assert third.ended["a"].checks == checks, "still named"
    waived.clock.at = Waived.LAST + 60
    fourth = waived.run("r4", SCANNED, waivers=(MINE, IDLE))
    assert (fourth.phase, fourth.ended["a"].reused) == ("failure", "")
    assert "waiver of ana expired on 2026-12-31: error CVE-1 at requirements.txt" in (
        fourth.ended["a"].because
    )


def test_a_result_without_findings_does_not_end_with_a_waiver_that_it_did_not_need(
    tmp_path: Path,
) -> None:
    waived = Waived(tmp_path)
    waived.run("r1", (0, {"s.sarif": sarif()}), waivers=(MINE,))
    waived.clock.at = Waived.LAST + 60
    assert waived.run("r2", waivers=(MINE,)).ended["a"].reused == "r1"


def test_a_rerun_of_what_was_red_takes_no_result_whose_waiver_has_ended(tmp_path: Path) -> None:
    waived = Waived(tmp_path)
    settings = JobSettings(findings=FindingReports(("s.sarif",), waivers=(MINE,)))
    broken: Try = (1, {})
    made = waived.bench(SCANNED, broken, broken, SCANNED, broken)
    made = replace(made, jobs=1)
    pipeline.create(made, spec(jobs("a", "b: a"), "r1", settings={"a": settings}))
    first = pipeline.run(made, "r1", FakeWatch())
    assert {k: r.outcome for k, r in first.ended.items()} == {"a": "success", "b": "failure"}
    again = pipeline.rerun(made, "r1", failed_only=True).spec.id
    second = pipeline.run(made, again, FakeWatch())
    assert (second.ended["a"].reused, second.phase) == ("r1", "failure")
    waived.clock.at = Waived.LAST + 60
    last = pipeline.rerun(made, again, failed_only=True).spec.id
    third = pipeline.run(made, last, FakeWatch())
    assert (third.ended["a"].outcome, third.ended["a"].reused) == ("failure", "")
    assert "waiver of ana expired on 2026-12-31" in third.ended["a"].because


def test_a_fork_takes_no_result_that_its_own_waiver_would_need(tmp_path: Path) -> None:
    waived = Waived(tmp_path)
    assert waived.run("r1", SCANNED, waivers=(MINE,)).phase == "success"
    fork = waived.run("r2", SCANNED, waivers=(), trusted=False)
    assert (fork.phase, fork.ended["a"].reused) == ("failure", "")
