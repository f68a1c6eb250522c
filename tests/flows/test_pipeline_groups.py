"""Concurrency groups: across runs of one home, of jobs, of called workflows; dead holders."""

import faulthandler
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.job_runner import FakeRunner, FakeWatch, bench
from tests.flows.test_pipeline_run import FILE, STEPS, _until, jobs, spec

from headway.flows import pipeline
from headway.flows.pipeline_groups import Groups
from headway.pipeline.run.groups import Group
from headway.pipeline.run.state import RunSpec, RunState
from headway.store import run_log

GROUP = "concurrency: deploy-${{ github.ref_name }}\n"
CANCEL = "concurrency: {group: Deploy-main, cancel-in-progress: true}\n"


class Going:
    """A run in a thread of its own."""

    def __init__(self, home: Path, made: RunSpec, **more: object) -> None:
        self.gate = threading.Event()
        self.runner = FakeRunner(home / made.id, gate=self.gate, **more)  # type: ignore[arg-type]
        self.bench = bench(home, self.runner)
        pipeline.create(self.bench, made)
        self.end: list[RunState] = []
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._go, args=(made.id,), daemon=True)
        self.thread.start()

    def _go(self, id: str) -> None:
        try:
            self.end.append(pipeline.run(self.bench, id, FakeWatch()))
        except BaseException as error:
            self.error = error

    def state(self) -> RunState:
        self.thread.join(60)
        if self.error is not None:
            raise self.error
        if not self.end:
            faulthandler.dump_traceback(all_threads=True)
            pytest.fail(f"it has not ended: {sorted(self.bench.home.rglob('*'))}")
        return self.end[0]

    def began(self) -> bool:
        return bool(self.runner.seen)


def waits(home: Path, run: str) -> Callable[[], bool]:
    def said() -> bool:
        return any(run in f.read_text() for f in (home / "groups").glob("*.json"))

    return said


def test_one_run_at_a_time_and_the_newest_waiter_wins(tmp_path: Path) -> None:
    text = GROUP + jobs("a")
    first = Going(tmp_path, spec(text, "r1"))
    _until(first.began)
    second = Going(tmp_path, spec(text, "r2"))
    _until(waits(tmp_path, "r2"))
    third = Going(tmp_path, spec(text, "r3"))
    assert second.state().phase == "cancelled"
    assert "r3" in second.state().cancelled
    assert not second.runner.seen
    assert not third.runner.seen
    other = Going(tmp_path, spec(text, "r4", ref="refs/heads/other"))
    other.gate.set()
    assert other.state().phase == "success"
    for going in (first, third):
        going.gate.set()
        assert going.state().phase == "success"


def test_cancel_in_progress(tmp_path: Path) -> None:
    first = Going(tmp_path, spec(CANCEL + jobs("a", "b | always()"), "r1"), free=("b",))
    _until(first.began)
    second = Going(tmp_path, spec(CANCEL + jobs("a"), "r2"))
    second.gate.set()
    assert first.state().phase == "cancelled"
    assert first.state().ended["a"].outcome == "cancelled"
    assert first.state().ended["b"].outcome == "success"
    assert second.state().phase == "success"


def test_jobs_of_a_group_take_turns_in_one_run_and_across(tmp_path: Path) -> None:
    text = jobs("a", "b").replace("    runs-on", "    concurrency: {group: db}\n    runs-on")
    one = Going(tmp_path, spec(text, "r1"))
    _until(one.began)
    two = Going(tmp_path, spec(text, "r2"))
    _until(waits(tmp_path, "r2"))
    one.gate.set()
    two.gate.set()
    ends = [one.state(), two.state()]
    assert one.runner.most == 1
    assert two.runner.most == 1
    outcomes = sorted(r.outcome for state in ends for r in state.ended.values())
    assert outcomes.count("success") >= 2
    assert set(outcomes) <= {"success", "cancelled"}


def test_a_job_does_not_wait_for_its_own_run(tmp_path: Path) -> None:
    called = "on: {workflow_call: }\nconcurrency: same\njobs:\n  x:\n" + STEPS
    text = "on: push\nconcurrency: Same\njobs:\n  call:\n    uses: ./.github/workflows/c.yml\n"
    going = Going(tmp_path, spec(text, texts={FILE: text, ".github/workflows/c.yml": called}))
    going.gate.set()
    state = going.state()
    assert state.ended["call"].outcome == "cancelled"
    assert "its own run" in state.ended["call"].because
    assert state.phase == "cancelled"


def test_a_called_workflow_holds_its_group_until_it_ends(tmp_path: Path) -> None:
    called = "on: {workflow_call: }\nconcurrency: inner\njobs:\n  x:\n" + STEPS
    text = (
        "on: push\njobs:\n  one:\n    uses: ./.github/workflows/c.yml\n"
        "  two:\n    uses: ./.github/workflows/c.yml\n"
    )
    going = Going(tmp_path, spec(text, texts={FILE: text, ".github/workflows/c.yml": called}))
    going.gate.set()
    assert going.state().phase == "success"
    assert going.runner.most == 1
    assert len(going.runner.seen) == 2


def test_a_dead_holder_loses_its_place(tmp_path: Path) -> None:
    for run in ("r1", "r2"):
        pipeline.create(bench(tmp_path), spec(jobs("a"), run))
    group = Group("g")
    dead = Groups(tmp_path, "/srv/shop.git", "r1")
    living = Groups(tmp_path, "/srv/shop.git", "r2")
    with run_log.drive(tmp_path, "r1"):
        assert dead.enter((group,)) == "held"
        with run_log.drive(tmp_path, "r2"):
            assert living.enter((group,)) == "wait"
    with run_log.drive(tmp_path, "r2"):
        assert living.enter((group,)) == "held"


def test_a_queue_keeps_its_order_up_to_a_hundred(tmp_path: Path) -> None:
    group = Group("g", all=True)
    names = [f"r{n}" for n in range(102)]
    for run in names:
        pipeline.create(bench(tmp_path), spec(jobs("a"), run))
    logs = [run_log.drive(tmp_path, run) for run in names]
    queue = [Groups(tmp_path, "/srv/shop.git", run) for run in names]
    answers = [one.enter((group,)) for one in queue]
    assert answers == ["held", *["wait"] * 100, "refused"]
    queue[0].leave_all()
    assert queue[2].enter((group,)) == "wait"
    assert queue[1].enter((group,)) == "held"
    for log in logs:
        log.close()
