"""How runs answer for the checks of a commit: logs of runs as they are on disk."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.fakes.world import FakeParts

from headway.flows import commit_rules
from headway.flows.commit_rules import Entry, Facts
from headway.model.errors import Unreachable
from headway.model.job import JobOutcome, JobReport
from headway.model.service import Environment, Run, Service
from headway.model.verdict import Outcome, Verdict
from headway.pipeline.run.state import Created, Ended, Event, Finished, Planned, RunSpec
from headway.store import run_log

FILE, CI = ".github/workflows/deliver.yml", ".github/workflows/ci.yml"
PLACE = Environment("production", "production", Run("./shop"))
End = Literal["success", "failure", "cancelled"]
SPEC = RunSpec("del_1", FILE, {}, "/repo", "a1", "refs/heads/main", served=True)


def ran(
    home: Path, spec: RunSpec = SPEC, end: End | None = "success", **jobs: JobOutcome | None
) -> None:
    """A run with one instance of each of these jobs; None: it has not ended."""
    events: list[Event] = [Created(spec, 1.0)]
    for job, outcome in jobs.items():
        events.append(Planned(job, (job,), 1.0))
        if outcome is not None:
            events.append(Ended(job, JobReport(job, outcome, 1.0, 2.0), 2.0))
    if end is not None:
        events.append(Finished(end, 3.0))
    assert run_log.create(home, events)


def asked(home: Path, *names: str, runs: tuple[str, ...] = ()) -> Verdict:
    service = Service("shop", (replace(PLACE, checks=names),))
    entry = Entry(service, service.environments[0], "/repo", "a1", "shop-1", "del_1")
    facts = Facts({FILE: (), CI: runs}, {})
    (verdict,) = commit_rules.verdicts(FakeParts().world(home), entry, facts)
    return verdict


@pytest.mark.parametrize(
    ("outcome", "expected", "said"),
    [
        ("success", Outcome.PASS, "lint: green for a1"),
        ("failure", Outcome.FAIL, "`lint` is red in run del_1"),
        ("skipped", Outcome.WAIT, "`lint` was skipped in run del_1: headway pipeline rerun del_1"),
        ("cancelled", Outcome.WAIT, "`lint` was cancelled in run del_1: headway pipeline rerun"),
    ],
)
def test_a_job_of_the_pipeline(
    tmp_path: Path, outcome: JobOutcome, expected: Outcome, said: str
) -> None:
    ran(tmp_path, build="success", lint=outcome)
    verdict = asked(tmp_path, "lint")
    assert verdict.outcome is expected
    assert verdict.because.startswith(said)


def test_a_job_that_the_pipeline_does_not_have_waits(tmp_path: Path) -> None:
    ran(tmp_path, build="success")
    said = "`lnt` was not run in run del_1: headway pipeline rerun del_1 --job lnt"
    assert asked(tmp_path, "lnt") == Verdict("checks", Outcome.WAIT, said)


def test_without_a_run_the_command_is_named(tmp_path: Path) -> None:
    said = "`ci.yml/test` was not run for this commit: headway pipeline start ci.yml --ref a1"
    assert asked(tmp_path, "ci.yml/test").because == f"{said} --repo /repo"


def test_a_run_of_the_server_that_goes_on_is_waited_for(tmp_path: Path) -> None:
    ran(tmp_path, replace(SPEC, id="run_1", workflow=CI), None, test="success", slow=None)
    assert asked(tmp_path, "ci.yml/test", runs=("run_1",)).outcome is Outcome.PASS
    for name in ("ci.yml/slow", "ci.yml/later", "ci.yml"):
        verdict = asked(tmp_path, name, runs=("run_1",))
        assert verdict.outcome is Outcome.WAIT
        assert verdict.because == f"`{name}` still runs: headway pipeline show run_1"


def test_the_latest_attempt_counts(tmp_path: Path) -> None:
    ran(tmp_path, lint="failure")
    assert asked(tmp_path, "lint").outcome is Outcome.FAIL
    ran(tmp_path, replace(SPEC, id="del_1.2", attempt=2, of="del_1"), lint="success")
    assert asked(tmp_path, "lint", "deliver.yml").outcome is Outcome.PASS
    ran(tmp_path, replace(SPEC, id="del_1.3", attempt=3, of="del_1"), "failure", lint="failure")
    assert asked(tmp_path, "lint").because == "`lint` is red in run del_1.3; commit a1"
    assert asked(tmp_path, "deliver.yml").outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "other",
    [{"sha": "b2"}, {"repo": "/other"}, {"workflow": FILE}, {"trusted": False}, {"changed": 1}],
)
def test_a_run_of_anything_else_does_not_count(tmp_path: Path, other: dict[str, Any]) -> None:
    ran(tmp_path, replace(SPEC, **({"id": "run_2", "workflow": CI} | other)), test="success")
    assert asked(tmp_path, "ci.yml/test", runs=("run_2",)).outcome is Outcome.WAIT
    ran(tmp_path, replace(SPEC, id="run_1", workflow=CI), test="success")
    assert asked(tmp_path, "ci.yml/test", runs=("run_2", "run_1")).outcome is Outcome.PASS


def test_a_whole_workflow_needs_a_job_that_ran_and_all_of_them(tmp_path: Path) -> None:
    ran(tmp_path, replace(SPEC, id="run_1", workflow=CI), test="skipped")
    assert "was skipped in run run_1" in asked(tmp_path, "ci.yml", runs=("run_1",)).because
    ran(tmp_path, replace(SPEC, id="run_2", workflow=CI, only=("test",)), test="success")
    assert "was run in part in run run_2" in asked(tmp_path, "ci.yml", runs=("run_2",)).because


def test_a_damaged_log_is_no_answer(tmp_path: Path) -> None:
    ran(tmp_path, lint="success")
    log = tmp_path / "runs" / "del_1" / "log.jsonl"
    log.write_text(log.read_text().replace('"success"', '"failure"', 1))
    verdict = asked(tmp_path, "lint")
    assert verdict.outcome is Outcome.WAIT
    assert verdict.because.startswith("`lint` cannot be told: ")


def test_a_repository_that_gives_no_answer_is_waited_for(tmp_path: Path) -> None:
    parts = FakeParts()

    def silent(_repo: str, _branch: str, _sha: str) -> bool:
        raise Unreachable("git gave no answer", code="git-timeout")

    entry = Entry(Service("shop", (PLACE,)), PLACE, "/repo", "a1", "shop-1")
    facts = Facts({}, {"shop-1": ("main",)})
    parts.source.contains = silent  # type: ignore[method-assign, assignment]
    (verdict,) = commit_rules.verdicts(parts.world(tmp_path), entry, facts)
    assert verdict.outcome is Outcome.WAIT
    assert "git gave no answer" in verdict.because
