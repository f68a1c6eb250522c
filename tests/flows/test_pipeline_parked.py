"""Runs of the server that wait without a process: when they stir, their groups, the last day."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.job_runner import FakeRunner, FakeWatch, Ticks, bench
from tests.flows.test_pipeline_gates import TEXT, gated, parked, word
from tests.flows.test_pipeline_retries import fails, flaky
from tests.flows.test_pipeline_run import STEPS, jobs, spec

from headway.flows import pipeline, pipeline_gates, pipeline_park
from headway.model.job_settings import Retry
from headway.pipeline.run.state import RunSpec, RunState
from headway.store import run_log, run_ticket

DAY = 86400.0
GROUP = "concurrency: {group: g, cancel-in-progress: false}\n"


def go(home: Path, made: RunSpec, at: float = 0.0, runner: FakeRunner | None = None) -> RunState:
    desk = bench(home, runner)
    if at:
        clock = Ticks()
        clock.at = at
        desk = replace(desk, clock=clock)
    pipeline.create(desk, made)
    return pipeline.run(desk, made.id, FakeWatch(), park=True)


def stirs(home: Path, run: str = "run_1", now: float = 0.0) -> bool:
    return pipeline_park.stirs(bench(home), run, now)


def test_it_stirs_when_somebody_has_said_something(tmp_path: Path) -> None:
    state = parked(tmp_path, gated(served=True))
    assert state.phase == "running"
    assert not run_log.driven(tmp_path, "run_1")
    assert pipeline.stands(tmp_path, state, 0.0) == "waiting"
    assert pipeline_park.words(bench(tmp_path), state) == "waits for approval of Production"
    assert not stirs(tmp_path)
    pipeline_gates.decide(tmp_path, "run_1", word("ben"))
    assert stirs(tmp_path)
    assert go(tmp_path, gated(served=True)).phase == "success"
    assert not run_ticket.waits(tmp_path, "run_1")


def test_without_a_ticket_it_is_looked_at_once_more(tmp_path: Path) -> None:
    parked(tmp_path, gated(served=True))
    ticket = tmp_path / "runs/run_1/parked"
    for damage in (lambda: ticket.write_text("{"), ticket.unlink):
        damage()
        assert stirs(tmp_path)
        assert go(tmp_path, gated(served=True)).held
        assert not stirs(tmp_path)


def test_a_run_of_a_terminal_leaves_no_ticket(tmp_path: Path) -> None:
    parked(tmp_path, gated())
    assert not run_ticket.waits(tmp_path, "run_1")


def test_after_thirty_days_it_is_red(tmp_path: Path) -> None:
    made = gated(served=True)
    go(tmp_path, made, at=DAY)
    assert not stirs(tmp_path, now=30.9 * DAY)
    assert stirs(tmp_path, now=31.1 * DAY)
    state = go(tmp_path, made, at=31.1 * DAY)
    assert state.phase == "failure"
    assert state.ended["deploy"].because == "Production: nobody approved it within 30 days"
    assert state.ended["tell"].outcome == "success"


def test_a_try_that_is_due_later_stirs_it(tmp_path: Path) -> None:
    made = flaky(jobs("a"), Retry(2, 300.0), served=True)
    state = go(tmp_path, made, at=DAY, runner=FakeRunner(tmp_path / "l", does=fails({"a": 1})))
    assert pipeline_park.words(bench(tmp_path), state) == "waits for its next try"
    assert not stirs(tmp_path, now=DAY + 299)
    assert stirs(tmp_path, now=DAY + 301)
    assert go(tmp_path, made, at=DAY + 301).phase == "success"


def test_a_cancel_is_left_to_who_drives_it_so_that_always_holds(tmp_path: Path) -> None:
    parked(tmp_path, gated(served=True))
    pipeline.cancel(tmp_path, "run_1", "ben", "enough")
    assert pipeline.show(tmp_path, "run_1").phase == "running"
    assert stirs(tmp_path)
    state = go(tmp_path, gated(served=True))
    assert state.phase == "cancelled"
    assert state.ended["tell"].outcome == "success"


def test_a_forced_cancel_ends_it_at_once(tmp_path: Path) -> None:
    parked(tmp_path, gated(served=True))
    pipeline.cancel(tmp_path, "run_1", "ben", "enough", forced=True)
    assert pipeline.show(tmp_path, "run_1").phase == "cancelled"
    assert stirs(tmp_path)


@pytest.mark.parametrize("forced", [False, True])
def test_the_group_is_the_waiting_runs_until_it_has_ended(tmp_path: Path, forced: bool) -> None:
    first = replace(gated(served=True), texts=dict.fromkeys(gated().texts, GROUP + TEXT))
    parked(tmp_path, first)
    second = spec(GROUP + jobs("a"), "r2", served=True)
    assert not go(tmp_path, second).planned
    assert not stirs(tmp_path, "r2")
    third = spec(GROUP + jobs("a"), "r3", served=True)
    assert not go(tmp_path, third).planned
    assert stirs(tmp_path, "r2")
    state = go(tmp_path, second)
    assert state.phase == "cancelled"
    assert "r3" in state.cancelled
    assert not state.orders
    pipeline.cancel(tmp_path, "run_1", "ben", "enough", forced=forced)
    go(tmp_path, first)
    assert stirs(tmp_path, "r3")
    assert go(tmp_path, third).phase == "success"


def test_a_newer_run_cancels_the_holder_that_waits(tmp_path: Path) -> None:
    text = GROUP.replace("false", "true") + TEXT
    first = replace(gated(served=True), texts=dict.fromkeys(gated().texts, text))
    parked(tmp_path, first)
    second = spec(GROUP.replace("false", "true") + jobs("a"), "r2", served=True)
    go(tmp_path, second)
    assert stirs(tmp_path)
    assert go(tmp_path, first).phase == "cancelled"
    assert go(tmp_path, second).phase == "success"


def test_jobs_wait_for_their_group_without_a_process(tmp_path: Path) -> None:
    call = "on: {workflow_call: }\nconcurrency: inner\njobs:\n  x:\n    environment: Production\n"
    file = ".github/workflows/c.yml"
    text = f"on: push\njobs:\n  one:\n    uses: ./{file}\n"
    first = gated(served=True)
    first = replace(first, texts={first.workflow: text, file: call + STEPS})
    assert parked(tmp_path, first).held
    alone = jobs("a").replace("    runs-on", "    concurrency: inner\n    runs-on")
    second = spec(alone, "r2", served=True)
    state = go(tmp_path, second)
    assert (
        pipeline_park.words(bench(tmp_path), state) == "waits for its turn in a concurrency group"
    )
    assert not state.orders
    assert not stirs(tmp_path, "r2")
    pipeline_gates.decide(tmp_path, "run_1", word("ben"))
    assert go(tmp_path, first).phase == "success"
    assert stirs(tmp_path, "r2")
    assert go(tmp_path, second).phase == "success"
