"""`pipeline.jobs`: what is read, of which workflow it speaks, and what a workflow does not have."""

import pytest

from headway import settings
from headway.model.errors import Invalid
from headway.model.job_settings import JobSettings, Retry
from headway.settings import jobs
from headway.settings.reading import parse

HEAD = "service: shop\nrun: ./shop\nenvironments: {staging: , production: }\n"
DELIVER, CI = ".github/workflows/deliver.yml", ".github/workflows/ci.yml"


def read(block: str, more: str = "") -> dict[str, JobSettings]:
    return settings.read(f"{HEAD}pipeline:\n{more}  jobs:\n    test: {block}\n", "f").jobs


def test_a_bare_retry_is_its_times() -> None:
    assert read("{retry: 3}")["test"].retry == Retry(3, 5.0)
    assert read("{retry: {backoff: 250ms}}")["test"].retry == Retry(1, 0.25)
    assert read("{retry: 0}")["test"] == JobSettings()


def test_critical_paths_are_of_the_job_that_measures_them() -> None:
    more = "  critical: [src/pay/**]\n"
    found = read("{coverage: {reports: [c.xml], at_least: 80%}}", more)["test"]
    assert found.coverage is not None
    assert (found.critical, found.coverage.lines, found.coverage.critical) == (
        ("src/pay/**",), 0.8, 0.8,
    )  # fmt: skip
    assert read("{tests: {reports: [j.xml]}}", more)["test"].critical == ()


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        ("{retry: often}", "`retry` must be a block of keys or a whole number"),
        ("{retry: 11}", "`retry` must be at most 10"),
        ("{retry: {times: 0}}", "`times` must be at least 1"),
        ("{tests: {}}", "`reports` is missing: which files?"),
        ("{tests: {reports: [../x.xml]}}", "leaves the repository"),
        ("{coverage: {reports: [c], at_least: 80}}", "write `80%`, not `80`"),
        ("{sarif: {reports: [x]}}", "unknown key `sarif`"),
        ("{}", "`test` says nothing"),
    ],
)
def test_what_is_refused(block: str, sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(block)
    assert sentence in str(caught.value.problems[0])


def test_which_workflow_a_name_speaks_of() -> None:
    text = f"{HEAD}pipeline:\n  jobs:\n    test: {{retry: 1}}\n    ci.yml/test: {{retry: 2}}\n"
    text += "    release / sign: {retry: 3}\n"
    root, service = parse(text, "headway.yaml")
    assert {i: s.retry.times for i, s in jobs.of(service, DELIVER).items()} == {
        "test": 1, "release / sign": 3,
    }  # fmt: skip
    assert {i: s.retry.times for i, s in jobs.of(service, CI).items()} == {"test": 2}
    assert jobs.unknown(root, "headway.yaml", service, CI, ["test"]) == []
    (wrong,) = jobs.unknown(root, "headway.yaml", service, DELIVER, ["tests", "release / sign"])
    assert str(wrong) == (
        f"headway.yaml:6:5: {DELIVER} has no job `test`. Did you mean `tests`?  [unknown-job]"
    )
