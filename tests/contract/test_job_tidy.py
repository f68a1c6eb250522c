"""`cancel-timeout-minutes`: how long a job that is stopped may tidy up, over a crash, too."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.contract.job_runs import Seen, order, runner_in, short_home

from headway.adapters.linux.actions.acting import Acting, Direct, Part
from headway.adapters.linux.job import Job
from headway.adapters.linux.runner import LinuxRunner
from headway.model.job import Line, StepSpec

LONG = "echo up; sleep 600"
TIDY = StepSpec("tidy", run="echo tidying; sleep 600", condition="always()")
SHORT = StepSpec("short", run="echo short", condition="always()")


@pytest.fixture(scope="module")
def runner() -> Iterator[LinuxRunner]:
    with short_home() as home:
        made = runner_in(home)
        yield made
        made.close()


def watch(stop_at: str) -> Seen:
    """Cancels when that line is printed."""
    seen = Seen()

    def heard(line: Line) -> None:
        if line.text == stop_at:
            seen.stop.set()

    seen.on_line = heard
    return seen


def test_a_cancelled_job_may_tidy_up_so_long(runner: LinuxRunner) -> None:
    seen = watch("up")
    made = order("so-long", LONG, TIDY, SHORT, tidy_seconds=0.7)
    report = runner.run(made, {}, seen)
    assert [s.outcome for s in report.steps] == ["cancelled", "cancelled", "skipped"]
    assert "tidying" in seen.text()
    assert (report.outcome, report.because) == ("cancelled", "the run was cancelled")


def test_a_job_out_of_time_may_too(runner: LinuxRunner) -> None:
    made = order("late", LONG, TIDY, SHORT, timeout_seconds=0.1, tidy_seconds=0.7)
    report = runner.run(made, {}, Seen())
    assert [s.outcome for s in report.steps] == ["cancelled", "cancelled", "skipped"]
    assert report.because.startswith("it took longer")


@pytest.mark.parametrize("how", ["cancelled", "late"])
def test_no_time_at_all(runner: LinuxRunner, how: str) -> None:
    late = 0.1 if how == "late" else 3600.0
    made = order(f"none-{how}", LONG, SHORT, SHORT, timeout_seconds=late, tidy_seconds=0.0)
    seen = Seen() if how == "late" else watch("up")
    report = runner.run(made, {}, seen)
    assert [s.outcome for s in report.steps] == ["cancelled", "skipped", "skipped"]
    assert "short" not in seen.text()


def test_none_for_a_job_that_is_stopped_before_its_first_step(runner: LinuxRunner) -> None:
    seen = Seen()
    seen.stop.set()
    report = runner.run(order("before", SHORT, tidy_seconds=0.0), {}, seen)
    assert [s.outcome for s in report.steps] == ["skipped"]


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_post_parts_have_the_same_time(
    runner: LinuxRunner, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    said: list[str] = []

    def part(text: str) -> Part:
        def act(_acting: Acting) -> int:
            said.append(text)
            return 0

        return act

    found = Direct(main=part("main"), post=part("post"))
    monkeypatch.setattr(Job, "find", lambda job, uses: found)
    uses = StepSpec("own", uses="./own")
    made = order(f"post-{seconds:g}", uses, LONG, tidy_seconds=seconds)
    report = runner.run(made, {}, watch("up"))
    assert said == (["main", "post"] if seconds else ["main"])
    assert report.steps[-1].outcome == ("success" if seconds else "skipped")


class Gone(Exception):
    """What stands for the death of the process that runs the job."""


def test_what_was_used_before_a_crash_is_used(runner: LinuxRunner) -> None:
    """The time runs from where the job is known to be stopped; a crash gives none of it back."""
    slow = StepSpec("slow", run="sleep 0.5", condition="always()")
    made = order("crash", LONG, slow, TIDY, tidy_seconds=600.0)
    seen = watch("up")

    def die(line: Line) -> None:
        if line.text == "up":
            seen.stop.set()
        if line.text == "tidying":
            raise Gone

    seen.on_line = die
    with pytest.raises(Gone):
        runner.run(made, {}, seen)
    again = Seen()
    again.stop.set()
    report = runner.run(replace(made, tidy_seconds=0.4), {}, again)
    assert [s.outcome for s in report.steps] == ["cancelled", "success", "skipped"]
    assert "tidying" not in again.text()
