"""Killed at any point a run goes on where it was: no step twice, no finished job again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.fakes.job_runner import FakeRunner, FakeWatch, bench
from tests.fakes.memory_journal import Killed
from tests.flows.test_pipeline_run import FILE, STEPS, red, spec

from headway.flows import pipeline
from headway.model.errors import Drifted
from headway.pipeline.run.state import Event, RunState
from headway.store import run_log

CALLED = "on: {workflow_call: }\njobs:\n  one:\n" + STEPS + "  two:\n    needs: one\n" + STEPS
TEXT = (
    "on: push\njobs:\n  a:\n"
    + STEPS
    + "  t:\n    needs: a\n    strategy: {fail-fast: false, matrix: {n: [1, 2, 3]}}\n"
    + STEPS
    + "  call:\n    needs: a\n    uses: ./.github/workflows/called.yml\n"
    + "  skipped:\n    needs: t\n    if: failure() && needs.t.result == 'success'\n"
    + STEPS
    + "  end:\n    if: always()\n    needs: [t, call]\n"
    + STEPS
)
TEXTS = {FILE: TEXT, ".github/workflows/called.yml": CALLED}
INSTANCES = {"a", "t.1", "t.2", "t.3", "call.one", "call.two", "end"}


class Mortal:
    """Stands in for RunLog.append and dies at the n-th write: before, within or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runner: FakeRunner, at: int) -> None:
        self.left = at
        self.runner = runner
        self.real = run_log.RunLog.append
        mortal = self

        def append(log: run_log.RunLog, events: Iterable[Event], *, sync: bool) -> None:
            mortal.append(log, events)

        monkeypatch.setattr(run_log.RunLog, "append", append)

    def append(self, log: run_log.RunLog, events: Iterable[Event]) -> None:
        batch = list(events)
        if not batch:
            return
        where = self.left
        self.left -= 3
        if where < 0 or where > 2:
            self.real(log, batch)
            return
        if where == 2:
            self.real(log, batch)
        elif where == 1:
            self.real(log, batch[:-1])
            with (log.folder / "log.jsonl").open("ab") as file:
                file.write(b'{"n":99,"sum":"to')
        self.runner.dead.set()
        raise Killed("here")


@pytest.mark.parametrize("places", [1, 4])
def test_killed_at_every_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: int
) -> None:
    points = 0
    while True:
        home = tmp_path / str(points)
        first = FakeRunner(home / "ledger", red("t.2"))  # type: ignore[arg-type]
        pipeline.create(bench(home, first, jobs=places), spec(TEXT, texts=TEXTS))
        with monkeypatch.context() as patch:
            Mortal(patch, first, points)
            try:
                pipeline.run(bench(home, first, jobs=places), "run_1", FakeWatch())
            except Killed:
                pass
            else:
                break
        known = pipeline.show(home, "run_1")
        second = FakeRunner(home / "ledger", red("t.2"))  # type: ignore[arg-type]
        state = pipeline.run(bench(home, second, jobs=places), "run_1", FakeWatch())
        check(state, second, known)
        points += 1
    assert points >= 15


def test_power_is_lost_before_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs start while the disk still writes that they start; they are given again, no more."""
    points = 0
    while _lost_power(tmp_path / str(points), monkeypatch, points):
        points += 1
    assert points >= 5


def _lost_power(home: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> bool:
    """The log is as it was at the sync before this one; False if the run ended first."""
    first = FakeRunner(home / "ledger", red("t.2"))  # type: ignore[arg-type]
    pipeline.create(bench(home, first, jobs=2), spec(TEXT, texts=TEXTS))
    log = home / "runs/run_1/log.jsonl"
    safe, left = log.stat().st_size, after

    def sync(_log: run_log.RunLog) -> None:
        nonlocal safe, left
        left -= 1
        if left < 0:
            first.dead.set()
            raise Killed("no power")
        safe = log.stat().st_size

    with monkeypatch.context() as patch:
        patch.setattr(run_log.RunLog, "sync", sync)
        try:
            pipeline.run(bench(home, first, jobs=2), "run_1", FakeWatch())
        except Killed:
            os.truncate(log, safe)
        else:
            return False
    known = pipeline.show(home, "run_1")
    second = FakeRunner(home / "ledger", red("t.2"))  # type: ignore[arg-type]
    check(pipeline.run(bench(home, second, jobs=2), "run_1", FakeWatch()), second, known)
    return True


def check(state: RunState, runner: FakeRunner, before: RunState) -> None:
    assert state.phase == "failure"
    assert {k for k in state.ended if k not in {"call", "skipped"}} == INSTANCES
    assert state.ended["skipped"].outcome == "skipped"
    assert state.ended["call"].outcome == "success"
    steps = Counter(runner.lines())
    assert set(steps.values()) == {1}
    assert len(steps) == 2 * len(INSTANCES)
    assert not set(runner.keys) & set(before.ended)


def sweep(home: Path, rounds: int, dice: random.Random) -> int:
    """Real processes, really killed; gives how many were killed before the end."""
    killed = 0
    for number in range(rounds):
        run = f"run_{number}"
        runner = FakeRunner(home / "ledger")
        pipeline.create(bench(home, runner), spec(TEXT, run, texts=TEXTS))
        while pipeline.show(home, run).phase == "running":
            killed += _one_life(home, run, dice.uniform(0, 0.1))
        state = pipeline.show(home, run)
        assert state.phase == "success"
        assert {k for k in state.ended if k not in {"call", "skipped"}} == INSTANCES
    steps = Counter(FakeRunner(home / "ledger").lines())
    assert set(steps.values()) == {1}
    assert len(steps) == 2 * len(INSTANCES) * rounds
    return killed


def _one_life(home: Path, run: str, seconds: float) -> int:
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("pipeline_child.py")), str(home), run],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "drives\n"
        time.sleep(seconds)
        ended = child.poll()
        assert ended in {None, 0}, "it broke by itself"
        child.send_signal(signal.SIGKILL)
    return 1 if ended is None else 0


def test_killed_for_real(tmp_path: Path) -> None:
    assert sweep(tmp_path, 1, random.Random(7)) >= 1


@pytest.mark.soak
def test_killed_for_real_many_times(tmp_path: Path) -> None:
    assert sweep(tmp_path, 30, random.Random()) >= 20


def test_a_second_driver_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    pipeline.create(bench(tmp_path), spec(TEXT, texts=TEXTS))
    with run_log.drive(tmp_path, "run_1"), pytest.raises(Drifted):
        pipeline.run(bench(tmp_path), "run_1", FakeWatch())
