"""headway.yaml's word on jobs ends in the run's spec; what speaks of no job is refused."""

import pytest
from tests.flows.conftest import CONFIG, Stage
from tests.flows.test_pipeline_run import FILE, jobs, spec

from headway.flows import pipeline
from headway.flows.job_settings import with_settings
from headway.model.errors import Invalid
from headway.model.job_settings import Waiver
from headway.pipeline.run.state import RunSpec

NOW = 1_795_219_200.0  # 2026-11-21
HEAD = "service: shop\nrun: ./shop\nenvironments: {staging: , production: }\n"


def applied(block: str, made: RunSpec) -> RunSpec:
    text = f"{HEAD}pipeline:\n  workflow: {FILE}\n  jobs:\n{block}"
    return with_settings(made, {"headway.yaml": text}.get, NOW)


def test_a_run_keeps_what_the_file_said() -> None:
    found = applied("    a: {paths: [src/**], retry: 1}\n    b: {retry: 2}\n", spec(jobs("a", "b")))
    assert (found.service, found.sources) == ("shop", {"a": ("src/**",)})
    assert {id: s.retry.times for id, s in found.settings.items()} == {"a": 1, "b": 2}


def test_a_file_that_says_nothing_of_jobs_is_not_read() -> None:
    made = spec(jobs("a"))
    assert with_settings(made, {"headway.yaml": "nonsense: ["}.get, NOW) is made
    assert with_settings(made, {}.get, NOW) is made
    with pytest.raises(Invalid, match="syntax"):
        with_settings(made, {"headway.yaml": "jobs: ["}.get, NOW)


def test_a_job_that_is_not_there_is_refused_at_its_place() -> None:
    with pytest.raises(Invalid) as caught:
        applied("    tests: {retry: 1}\n    ci.yml/a: {retry: 1}\n", spec(jobs("test")))
    told = [str(p).partition("  [")[0] for p in caught.value.problems]
    assert told == [
        f"headway.yaml:7:5: {FILE} has no job `tests`. Did you mean `test`?",
        f"headway.yaml:8:5: {FILE} has no job `a`. Known here: test.",
    ]


CALLS = "on: push\njobs:\n  x: {uses: ./.github/workflows/called.yml}\n  y: {uses: o/r/w.yml@v1}\n"
CALLED = "on: workflow_call\n" + jobs("inner").removeprefix("on: push\n")


@pytest.mark.parametrize(
    ("name", "known"),
    [("x / inner", True), ("x / outer", False), ("y / whatever", True), ("z / inner", False)],
)
def test_jobs_of_called_workflows(name: str, known: bool) -> None:
    made = spec(CALLS)
    made.texts[".github/workflows/called.yml"] = CALLED
    if known:
        assert list(applied(f"    {name}: {{retry: 1}}\n", made).settings) == [name]
        return
    with pytest.raises(Invalid, match="has no job"):
        applied(f"    {name}: {{retry: 1}}\n", made)


def test_a_workspace_has_settings_by_service_only() -> None:
    text = "services: {shop: services/shop}\npipeline: {jobs: {a: {retry: 1}}}\n"
    made = spec(jobs("a"))
    assert with_settings(made, {"headway.yaml": text}.get, NOW) is made


def test_a_delivery_runs_its_jobs_by_the_settings_of_its_service(stage: Stage) -> None:
    block = "pipeline: {jobs: {build: {paths: [src/**], retry: {times: 1, backoff: 0s}}}}\n"
    done = stage.deliver("a1", CONFIG + block)
    assert done.outcome == "delivered", done.because
    made = pipeline.show(stage.home, done.id).spec
    assert (made.service, made.sources) == ("shop", {"build": ("src/**",)})
    stage.parts.runner.red = {"build"}
    done = stage.deliver("a2", CONFIG + block)
    assert done.outcome == "failed"
    assert [run for run, _ in stage.parts.runner.ledger].count(done.id) == 2


def test_a_delivery_with_settings_of_no_job_is_refused_with_the_place(stage: Stage) -> None:
    done = stage.deliver("a1", CONFIG + "pipeline: {jobs: {biuld: {retry: 1}}}\n")
    assert done.outcome == "failed"
    assert "headway.yaml:8:19" in done.because
    assert "Did you mean `build`?" in done.because


WAIVED = "    a: {findings: {reports: [a.sarif]}}\n    b: {retry: 1}\nwaivers:\n  - rule: R1\n"
WAIVED += "    at: a.py\n    owner: ana\n    reason: not reachable\n    expires: %s\n"


def test_waivers_are_for_every_job_that_looks_for_findings() -> None:
    found = applied(WAIVED % "2026-12-31", spec(jobs("a", "b"))).settings
    findings = found["a"].findings
    assert findings is not None
    assert findings.waivers == (Waiver("R1", "ana", "not reachable", "2026-12-31", "a.py"),)
    assert found["b"].findings is None


def test_a_waiver_ends_within_a_year_and_a_day() -> None:
    made = spec(jobs("a", "b"))
    assert applied(WAIVED % "2027-11-22", made).settings, "366 days"
    assert applied(WAIVED % "2020-01-01", made).settings, "one that has ended is no fault"
    with pytest.raises(Invalid) as caught:
        applied(WAIVED % "2027-11-23", made)
    assert [str(p) for p in caught.value.problems] == [
        "headway.yaml:14:14: a waiver lasts at most 366 days: write `2027-11-22` or earlier, and "
        "look at the finding again then  [range]"
    ]
