"""Red jobs with tries left: run again after their backoff, durably, holding no place meanwhile."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.job_runner import FakeRunner, FakeWatch, bench
from tests.flows.test_pipeline_run import jobs, spec

from headway.adapters.system.clock import SystemClock
from headway.flows import pipeline
from headway.model.errors import Failed, Refused
from headway.model.job import JobOrder, JobReport
from headway.model.job_settings import JobSettings, Retry
from headway.pipeline.run.state import Cancelled, Event, RunSpec
from headway.store import run_log

SOON, LATE = Retry(2, 0.0), Retry(2, 3600.0)


def fails(times: dict[str, int]) -> Any:
    """Red so many times, then green; each try leaves its own last words."""
    left = dict(times)
    lock = threading.Lock()

    def does(order: JobOrder, secrets: object) -> JobReport | None:
        with lock:
            left[order.key] = left.get(order.key, 0) - 1
            bad = left[order.key] >= 0
        return JobReport(order.key, "failure", 0, 0, because=f"try {order.tries}") if bad else None

    return does


def flaky(text: str, retry: Retry = SOON, **more: object) -> RunSpec:
    names = ("a", "b", "c")
    return spec(text, settings={name: JobSettings(retry=retry) for name in names}, **more)


def test_a_red_job_runs_again_as_the_next_attempt(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "ledger", fails({"a": 2}))
    made, watch = bench(tmp_path, runner), FakeWatch()
    pipeline.create(made, flaky(jobs("a", "b: a")))
    state = pipeline.run(made, "run_1", watch)
    assert state.phase == "success"
    assert [(o.key, o.attempt, o.tries) for o, _ in runner.seen] == [
        ("a", 1, 1), ("a", 2, 2), ("a", 3, 3), ("b", 1, 1),
    ]  # fmt: skip
    assert [r.because for r in state.tries["a"]] == ["try 1", "try 2"]
    assert [w for w in watch.of("a") if w in {"began", "retried", "ended"}] == [
        *["began", "retried"] * 2, "began", "ended",
    ]  # fmt: skip
    assert pipeline.show(tmp_path, "run_1") == state


def test_the_last_try_is_the_jobs_word(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "ledger", fails({"a": 9}))
    made = bench(tmp_path, runner)
    pipeline.create(made, flaky(jobs("a", "b: a")))
    state = pipeline.run(made, "run_1", FakeWatch())
    assert (state.phase, state.ended["a"].because) == ("failure", "try 3")
    assert state.ended["b"].outcome == "skipped"
    assert len(runner.seen) == 3


def test_who_rests_holds_no_place(tmp_path: Path) -> None:
    """One place: while `a` rests, `b` and `c` use it."""
    runner = FakeRunner(tmp_path / "ledger", fails({"a": 1}))
    made = bench(tmp_path, runner, jobs=1, clock=SystemClock())
    pipeline.create(made, flaky(jobs("a", "b", "c"), Retry(1, 0.3)))
    state = pipeline.run(made, "run_1", FakeWatch())
    assert state.phase == "success"
    assert [o.key for o, _ in runner.seen] == ["a", "b", "c", "a"]
    assert state.ended["a"].started_at >= state.tries["a"][0].finished_at


def test_what_deploys_runs_once(tmp_path: Path) -> None:
    text = jobs("a").replace("runs-on", "environment: production\n    runs-on", 1)
    runner = FakeRunner(tmp_path / "ledger", fails({"a": 1}))
    made = bench(tmp_path, runner)
    pipeline.create(made, flaky(text))
    assert pipeline.run(made, "run_1", FakeWatch()).phase == "failure"
    assert len(runner.seen) == 1


@pytest.mark.parametrize(
    ("error", "tries"), [(Refused("no podman here", code="x"), 1), (Failed("full", code="x"), 3)]
)
def test_what_cannot_run_here_is_not_tried_again(
    tmp_path: Path, error: Exception, tries: int
) -> None:
    def does(order: JobOrder, secrets: object) -> JobReport:
        raise error

    runner = FakeRunner(tmp_path / "ledger", does)
    made = bench(tmp_path, runner)
    pipeline.create(made, flaky(jobs("a")))
    assert pipeline.run(made, "run_1", FakeWatch()).phase == "failure"
    assert len(runner.seen) == tries


def test_a_cancel_ends_the_rest(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "ledger", fails({"a": 1}))
    made, watch = bench(tmp_path, runner, clock=SystemClock()), FakeWatch()
    pipeline.create(made, flaky(jobs("a", "b: a"), LATE))
    ended: list[str] = []
    driver = threading.Thread(
        target=lambda: ended.append(pipeline.run(made, "run_1", watch).phase), daemon=True
    )
    driver.start()
    until = time.monotonic() + 30
    while "retried" not in watch.of("a") and time.monotonic() < until:
        time.sleep(0.01)
    pipeline.cancel(tmp_path, "run_1", "ana", "enough")
    driver.join(30)
    assert ended == ["cancelled"]
    state = pipeline.show(tmp_path, "run_1")
    assert (state.ended["a"].outcome, state.ended["b"].outcome) == ("cancelled", "skipped")
    assert "enough" in state.ended["a"].because
    assert len(runner.seen) == 1


def test_a_cancel_ends_the_rest_of_a_run_that_nobody_drives(tmp_path: Path) -> None:
    events = resting(tmp_path)
    pipeline.cancel(tmp_path, "run_1", "ana", "")
    assert pipeline.show(tmp_path, "run_1").phase == "cancelled"
    assert not any(isinstance(e, Cancelled) for e in events)


def resting(home: Path) -> tuple[Event, ...]:
    """A run whose process died while `a` rested; gives its events."""
    runner = FakeRunner(home / "ledger", fails({"a": 1}))
    made, watch = bench(home, runner, clock=SystemClock()), FakeWatch()
    pipeline.create(made, flaky(jobs("a", "b: a"), Retry(1, 0.5)))

    class Gone(BaseException):
        pass

    def die(job: str, report: JobReport, due: float) -> None:
        raise Gone

    watch.job_retried = die  # type: ignore[method-assign]
    with pytest.raises(Gone):
        pipeline.run(made, "run_1", watch)
    return run_log.read(home, "run_1")


def test_a_try_that_is_owed_survives_a_kill(tmp_path: Path) -> None:
    resting(tmp_path)
    waits = pipeline.show(tmp_path, "run_1")
    assert (waits.phase, list(waits.due), waits.running) == ("running", ["a"], ())
    runner = FakeRunner(tmp_path / "ledger")
    made = bench(tmp_path, runner, clock=SystemClock())
    state = pipeline.run(made, "run_1", FakeWatch())
    assert state.phase == "success"
    assert [(o.key, o.attempt) for o, _ in runner.seen] == [("a", 2), ("b", 1)]
    assert state.ended["a"].started_at >= waits.due["a"]
    steps = runner.lines()
    assert steps.count("run_1.a.1/0") == steps.count("run_1.a.2/0") == 1


def test_a_retry_in_a_matrix_does_not_fail_fast(tmp_path: Path) -> None:
    text = "on: push\njobs:\n  a:\n    runs-on: x\n    strategy: {matrix: {n: [1, 2, 3]}}\n"
    text += "    steps: [{run: make}]\n"
    runner = FakeRunner(tmp_path / "ledger", fails({"a.1": 1}))
    made = bench(tmp_path, runner, jobs=1)
    pipeline.create(made, flaky(text))
    state = pipeline.run(made, "run_1", FakeWatch())
    assert state.phase == "success"
    assert {k: r.outcome for k, r in state.ended.items()} == dict.fromkeys(
        ("a.1", "a.2", "a.3"), "success"
    )


def test_a_repeated_run_counts_tries_anew(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "ledger", fails({"a": 4}))
    made = bench(tmp_path, runner)
    pipeline.create(made, flaky(jobs("a")))
    assert pipeline.run(made, "run_1", FakeWatch()).phase == "failure"
    again = pipeline.rerun(made, "run_1", failed_only=True)
    assert pipeline.run(made, again.spec.id, FakeWatch()).phase == "success"
    assert [(o.attempt, o.tries) for o, _ in runner.seen] == [
        (1, 1), (2, 2), (3, 3), (2, 1), (3, 2),
    ]  # fmt: skip
