"""Rules of runs that only show where several of them meet."""

import threading
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.job_runner import FakeRunner, FakeTrees, FakeWatch, bench
from tests.flows.test_pipeline_run import FILE, STEPS, _until, jobs, red, spec

from headway.flows import pipeline
from headway.model.errors import Failed
from headway.model.job import JobOrder, JobReport
from headway.store import run_log

MATRIX = "on: push\njobs:\n  t:\n    strategy: {matrix: {n: [1, 2, 3]}}\n"
INNER = ".github/workflows/c.yml"


def test_the_last_output_of_a_matrix_that_is_not_empty_wins(tmp_path: Path) -> None:
    def does(order: JobOrder, secrets: object) -> JobReport:
        said = {"t.1": {"a": "1", "b": ""}, "t.2": {"a": "2", "b": "2"}, "t.3": {"a": "", "c": ""}}
        return JobReport(order.key, "success", 0, 0, outputs=said.get(order.key, {}))

    runner = FakeRunner(tmp_path / "l", does)
    made = bench(tmp_path, runner, jobs=1)
    pipeline.create(made, spec(MATRIX + STEPS + "  end:\n    needs: t\n" + STEPS))
    pipeline.run(made, "run_1", FakeWatch())
    outputs = runner.seen[-1][0].contexts["needs"]["t"]["outputs"]
    assert outputs == {"a": "2", "b": "2", "c": ""}


def test_a_tolerated_red_instance_does_not_fail_fast(tmp_path: Path) -> None:
    text = MATRIX + "    continue-on-error: ${{ matrix.n == 1 }}\n" + STEPS
    runner = FakeRunner(tmp_path / "l", red("t.1"))  # type: ignore[arg-type]
    made = bench(tmp_path, runner, jobs=1)
    pipeline.create(made, spec(text))
    state = pipeline.run(made, "run_1", FakeWatch())
    assert [r.outcome for r in state.ended.values()] == ["failure", "success", "success"]
    assert state.phase == "success"


def test_always_inside_a_called_workflow_runs_in_a_cancelled_run(tmp_path: Path) -> None:
    called = "on: {workflow_call: }\njobs:\n  x:\n" + STEPS
    called += "  y:\n    needs: x\n    if: always()\n" + STEPS
    text = f"on: push\njobs:\n  call:\n    uses: ./{INNER}\n"
    runner = FakeRunner(tmp_path / "l", gate=threading.Event())
    made = bench(tmp_path, runner)
    pipeline.create(made, spec(text, texts={FILE: text, INNER: called}))
    found: list[Any] = []
    thread = threading.Thread(
        target=lambda: found.append(pipeline.run(made, "run_1", FakeWatch())), daemon=True
    )
    thread.start()
    _until(lambda: runner.keys == ["call.x"])
    pipeline.cancel(tmp_path, "run_1", "ana", "")
    _until(lambda: "call.y" in runner.keys)
    runner.gate.set()  # type: ignore[union-attr]
    thread.join(20)
    outcomes = {key: report.outcome for key, report in found[0].ended.items()}
    assert outcomes == {"call.x": "cancelled", "call.y": "success", "call": "cancelled"}
    assert found[0].phase == "cancelled"


def test_what_a_job_gives_out_is_part_of_its_key(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "l")
    made = bench(tmp_path, runner, trees=FakeTrees())
    text = jobs("a")
    pipeline.create(made, spec(text))
    pipeline.run(made, "run_1", FakeWatch())
    other = text.replace("    runs-on", "    outputs: {o: new}\n    runs-on")
    pipeline.create(made, spec(other, "run_2"))
    pipeline.run(made, "run_2", FakeWatch())
    assert runner.keys == ["a", "a"]


def test_a_call_that_depends_on_a_red_job_is_run_again_inside(tmp_path: Path) -> None:
    called = "on: {workflow_call: }\njobs:\n  x:\n" + STEPS
    text = jobs("a") + f"  call:\n    needs: a\n    if: always()\n    uses: ./{INNER}\n"
    runner = FakeRunner(tmp_path / "l", red("a"))  # type: ignore[arg-type]
    made = bench(tmp_path, runner)
    pipeline.create(made, spec(text, texts={FILE: text, INNER: called}))
    assert pipeline.run(made, "run_1", FakeWatch()).ended["call.x"].outcome == "success"
    again = pipeline.rerun(made, "run_1", failed_only=True)
    pipeline.run(made, again.spec.id, FakeWatch())
    assert runner.keys == ["a", "call.x", "a", "call.x"]


def test_a_full_disk_stops_the_jobs_and_the_run_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = FakeRunner(tmp_path / "l", gate=threading.Event(), free=("a",))
    made = bench(tmp_path, runner)
    pipeline.create(made, spec(jobs("a", "b", "c: a")))
    real, calls = run_log.RunLog.append, []

    def append(log: run_log.RunLog, events: Any, *, sync: bool = True) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Failed("the log cannot be written", code="storage-full")
        real(log, events, sync=sync)

    with monkeypatch.context() as patch:
        patch.setattr(run_log.RunLog, "append", append)
        with pytest.raises(Failed, match="cannot be written"):
            pipeline.run(made, "run_1", FakeWatch())
    assert runner.running == 0
    runner.gate.set()  # type: ignore[union-attr]
    assert pipeline.run(made, "run_1", FakeWatch()).phase == "success"
