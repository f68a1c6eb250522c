"""When a red job runs again: by headway.yaml, for its tests, never past what reports explain."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.model.job import Checks, JobOrder, JobReport
from headway.model.job_settings import JobSettings, Retry
from headway.pipeline.run import retries
from headway.pipeline.run.state import RunSpec

ORDER = JobOrder("r", "test", "test", "test", 1, "/srv/x", "f" * 40, "refs/heads/main", ())
RED = JobReport("test", "failure", 10.0, 20.0)
TWICE = JobSettings(retry=Retry(2, 5.0))
UNDECIDED = replace(RED, checks=Checks("1 must run again", again=True))


def test_it_doubles_and_ends() -> None:
    first = retries.again(ORDER, RED, TWICE, (), 20.0)
    second = retries.again(ORDER, RED, TWICE, (RED,), 20.0)
    assert first == retries.Next(25.0, "retry 1 of 2")
    assert second == retries.Next(30.0, "retry 2 of 2")
    assert retries.again(ORDER, RED, TWICE, (RED, RED), 20.0) is None
    assert retries.again(ORDER, RED, JobSettings(), (), 20.0) is None


@pytest.mark.parametrize("outcome", ["success", "cancelled", "skipped"])
def test_only_what_failed_runs_again(outcome: str) -> None:
    report = replace(RED, outcome=outcome)  # type: ignore[arg-type]
    assert retries.again(ORDER, report, TWICE, (), 20.0) is None


def test_what_deploys_is_never_run_again_by_itself() -> None:
    deploys = replace(ORDER, environment="production")
    assert retries.again(deploys, RED, TWICE, (), 20.0) is None
    assert retries.again(deploys, UNDECIDED, TWICE, (), 20.0) is None
    only_asks = replace(deploys, deploys=False)  # `deployment: false`
    assert retries.again(only_asks, RED, TWICE, (), 20.0) == retries.Next(25.0, "retry 1 of 2")


def test_what_reports_explain_is_no_accident() -> None:
    explained = replace(RED, checks=Checks("2 of 4 tests failed", explained=True))
    assert retries.again(ORDER, explained, TWICE, (), 20.0) is None
    crashed = replace(RED, checks=Checks("no test failed"))
    assert retries.again(ORDER, crashed, TWICE, (), 20.0) is not None


def test_tries_for_tests_cost_no_retry_and_do_not_wait() -> None:
    assert retries.again(ORDER, UNDECIDED, JobSettings(), (), 20.0) == retries.Next(
        20.0, "1 must run again"
    )
    assert retries.again(ORDER, RED, TWICE, (UNDECIDED, UNDECIDED), 20.0) == retries.Next(
        25.0, "retry 1 of 2"
    )
    before = (UNDECIDED,) * (retries.MOST_FOR_TESTS - 1)
    assert retries.again(ORDER, UNDECIDED, TWICE, before, 20.0) is None


@settings(deadline=None)
@given(st.floats(0.0, 1e6), st.integers(0, 9))
def test_a_delay_never_shrinks_and_is_bounded(backoff: float, used: int) -> None:
    retry = Retry(10, backoff)
    now, later = retries.delay(retry, used), retries.delay(retry, used + 1)
    assert backoff <= now <= later <= max(retries.LONGEST_SECONDS, backoff)


def test_an_instance_of_a_calling_matrix_is_the_job_that_calls() -> None:
    spec = RunSpec("r", "w", {}, "/x", "f" * 40, "", settings={"a / b": TWICE, "c": TWICE})
    assert retries.settings_of(spec, "a.2 / b") == TWICE
    assert retries.settings_of(spec, "a / b") == TWICE
    assert retries.settings_of(spec, "b") == JobSettings()
