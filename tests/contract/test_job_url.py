"""`environment.url`: filled in on the runner when the job ends; masked, harmless, no failure."""

from collections.abc import Iterator

import pytest
from tests.contract.job_runs import Seen, order, runner_in, short_home

from headway.adapters.linux.runner import LinuxRunner
from headway.model.job import JobReport, StepSpec

SAY = 'echo "url=%s" >> "$GITHUB_OUTPUT"'


@pytest.fixture(scope="module")
def runner() -> Iterator[LinuxRunner]:
    with short_home() as home:
        made = runner_in(home)
        yield made
        made.close()


def ran(runner: LinuxRunner, key: str, url: str, *steps: str | StepSpec) -> JobReport:
    made = order(key, *steps, url=url, environment="production")
    return runner.run(made, {"TOKEN": "hunter2hunter2"}, Seen())


def test_it_may_be_what_a_step_says(runner: LinuxRunner) -> None:
    url = "${{ steps.s0.outputs.url }}?ref=main"
    report = ran(runner, "said", url, SAY % "https://shop.example/42")
    assert (report.outcome, report.url) == ("success", "https://shop.example/42?ref=main")
    assert report.summary == ""


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("javascript:alert(1)", "it does not begin with `https://` or `http://`"),
        ("https://u:p@shop.example/", "it has a name or a password in it"),
        ("https://shop.example/<script>", "it has characters that an address cannot have"),
        ("", "it is empty"),
    ],
)
def test_what_is_no_address_is_told_in_the_summary(
    runner: LinuxRunner, value: str, why: str
) -> None:
    report = ran(runner, f"bad{len(value)}", "${{ steps.s0.outputs.url }}", SAY % value)
    assert (report.outcome, report.url) == ("success", "")
    assert f"`environment.url` is left out, because {why}" in report.summary


def test_one_that_holds_a_secret_is_left_out(runner: LinuxRunner) -> None:
    url = "https://shop.example/${{ steps.s0.outputs.url }}"
    report = ran(runner, "secret", url, SAY % "hunter2hunter2")
    assert (report.outcome, report.url) == ("success", "")
    assert report.summary == "Left out, because it may hold a secret: `environment.url`"


def test_one_that_cannot_be_filled_in_is_no_failure(runner: LinuxRunner) -> None:
    report = ran(runner, "wrong", "https://${{ fromJSON(steps.s0.outputs.url) }}", SAY % "{")
    assert (report.outcome, report.url) == ("success", "")
    assert report.summary.startswith("Warning: `environment.url` cannot be filled in")


def test_a_red_job_tells_it_too_and_does_not_complain_of_an_empty_one(runner: LinuxRunner) -> None:
    report = ran(runner, "red", "https://shop.example/", "exit 1")
    assert (report.outcome, report.url) == ("failure", "https://shop.example/")
    empty = ran(runner, "red-empty", "${{ steps.s1.outputs.url }}", "exit 1", SAY % "https://x/")
    assert (empty.outcome, empty.url, empty.summary) == ("failure", "", "")
