"""Jobs that wait for a person: held, approved, rejected, parked, and across a kill."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.job_runner import FakeWatch, bench
from tests.flows.test_pipeline_run import FILE, STEPS, _until, spec

from headway.flows import pipeline, pipeline_gates
from headway.model.errors import Invalid, Refused
from headway.model.service import ApprovalPolicy
from headway.pipeline.run.state import Decided, RunSpec, RunState

ROOT = Path(__file__).resolve().parents[2]
TEXT = f"""on: push
jobs:
  build:
{STEPS}  deploy:
    needs: build
    environment: Production
{STEPS}  tell:
    needs: deploy
    if: always()
{STEPS}"""
AUTHOR = {"head_commit": {"author": {"name": "Ana", "email": "ana@example.org"}}}


ONE = ApprovalPolicy()


def gated(policy: ApprovalPolicy = ONE, **more: object) -> RunSpec:
    return spec(TEXT, gates={"production": policy}, payload=AUTHOR, **more)


def word(by: str, *, approved: bool = True, at: float = 0.0) -> Decided:
    return Decided("production", by, approved, "because", at or time.time())


def parked(home: Path, made: RunSpec) -> RunState:
    desk = bench(home)
    pipeline.create(desk, made)
    return pipeline.run(desk, made.id, FakeWatch(), park=True)


def test_it_comes_back_where_only_a_person_can_go_on(tmp_path: Path) -> None:
    state = parked(tmp_path, gated())
    assert state.phase == "running"
    assert state.held == {"deploy": "Production"}
    assert list(state.ended) == ["build"]
    waits = pipeline_gates.waiting(state, 0.0)
    assert waits["Production"].because == "0 of 1"
    pipeline_gates.decide(tmp_path, "run_1", word("ben"))
    state = pipeline.run(bench(tmp_path), "run_1", FakeWatch(), park=True)
    assert state.phase == "success"
    assert [d.by for d in state.decided] == ["ben"]


def test_a_rejection_is_red_and_says_who(tmp_path: Path) -> None:
    parked(tmp_path, gated())
    pipeline_gates.decide(tmp_path, "run_1", word("ben", approved=False))
    state = pipeline.run(bench(tmp_path), "run_1", FakeWatch())
    assert state.phase == "failure"
    assert state.ended["deploy"].because == "Production: rejected by ben: because"
    assert state.ended["tell"].outcome == "success"


def test_rules_of_the_approval_hold(tmp_path: Path) -> None:
    parked(tmp_path, gated(ApprovalPolicy(count=2, by=("ana", "ben", "cem"))))
    with pytest.raises(Refused, match="author"):
        pipeline_gates.decide(tmp_path, "run_1", word("ana"))
    with pytest.raises(Refused, match="not one of"):
        pipeline_gates.decide(tmp_path, "run_1", word("eve"))
    pipeline_gates.decide(tmp_path, "run_1", word("ben"))
    state = pipeline.run(bench(tmp_path), "run_1", FakeWatch(), park=True)
    assert state.held
    assert pipeline_gates.waiting(state, 0.0)["Production"].because.startswith("1 of 2")
    pipeline_gates.decide(tmp_path, "run_1", word("cem"))
    assert pipeline.run(bench(tmp_path), "run_1", FakeWatch()).phase == "success"


def test_an_approval_that_is_too_old_does_not_count(tmp_path: Path) -> None:
    parked(tmp_path, gated(ApprovalPolicy(expires_seconds=60)))
    long_ago = bench(tmp_path).clock.now() - 61
    pipeline_gates.decide(tmp_path, "run_1", word("ben", at=long_ago))
    assert pipeline.run(bench(tmp_path), "run_1", FakeWatch(), park=True).held


def test_only_what_waits_can_be_decided(tmp_path: Path) -> None:
    desk = bench(tmp_path)
    pipeline.create(desk, gated())
    with pytest.raises(Invalid, match="nothing of run"):
        pipeline_gates.decide(tmp_path, "run_1", word("ben"))
    pipeline.run(desk, "run_1", FakeWatch(), park=True)
    with pytest.raises(Invalid, match="it waits for production"):
        pipeline_gates.decide(tmp_path, "run_1", replace(word("ben"), environment="staging"))


def test_a_cancelled_run_waits_for_nobody(tmp_path: Path) -> None:
    parked(tmp_path, gated())
    pipeline.cancel(tmp_path, "run_1", "ben", "enough")
    state = pipeline.show(tmp_path, "run_1")
    assert state.phase == "cancelled"
    assert state.ended["deploy"].outcome == "skipped"
    assert not state.held


def test_a_driven_run_hears_of_it(tmp_path: Path) -> None:
    desk, watch = bench(tmp_path), FakeWatch()
    pipeline.create(desk, gated())
    end: list[RunState] = []
    thread = threading.Thread(target=lambda: end.append(pipeline.run(desk, "run_1", watch)))
    thread.start()
    _until(lambda: ("waits", "deploy", "Production") in watch.told)
    pipeline_gates.decide(tmp_path, "run_1", word("ben"))
    thread.join(20)
    assert end[0].phase == "success"


def test_the_wait_outlives_a_kill(tmp_path: Path) -> None:
    pipeline.create(bench(tmp_path), gated())
    child = Path(__file__).with_name("pipeline_child.py")
    command = [sys.executable, str(child), str(tmp_path), "run_1"]
    first = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        _until(lambda: bool(pipeline.show(tmp_path, "run_1").held), 180.0)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    pipeline_gates.decide(tmp_path, "run_1", word("ben"))
    state = pipeline.run(bench(tmp_path), "run_1", FakeWatch())
    assert state.phase == "success"
    assert len(state.decided) == 1


HEADWAY = """service: shop
run: ./shop
environments:
  staging: {}
  production:
    gates: {approval: {count: 2}}
"""


def test_the_gates_are_those_of_headway_yaml() -> None:
    made = spec(TEXT)
    found = pipeline_gates.with_gates(made, {"headway.yaml": HEADWAY}.get)
    assert list(found.gates) == ["production"]
    assert found.gates["production"].count == 2
    assert pipeline_gates.with_gates(made, lambda _path: None).gates == {}
    plain = spec(TEXT.replace("    environment: Production\n", ""), texts={FILE: "on: push"})
    assert pipeline_gates.with_gates(plain, lambda _path: "nonsense: [").gates == {}
