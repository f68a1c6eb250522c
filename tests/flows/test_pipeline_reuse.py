"""A job whose content key has a valid result is not run again; what must change a key does."""

import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.job_runner import FakeBlobs, FakeRunner, FakeTrees, FakeWatch, bench, upload
from tests.flows.test_pipeline_run import FILE, STEPS, jobs, red, spec

from headway.adapters.disk.blob_store import DiskBlobs
from headway.adapters.git.source_trees import GitTrees
from headway.flows import pipeline
from headway.flows.pipeline import Bench
from headway.model.errors import Drifted, Invalid
from headway.model.job import JobOrder, JobReport
from headway.pipeline.run.state import RunSpec, RunState

TEXT = jobs("a", "b: a", "c")


def go(made: Bench, made_spec: RunSpec) -> tuple[RunState, list[str]]:
    """The run's end, and the keys of what was really run."""
    runner = made.runner
    assert isinstance(runner, FakeRunner)
    before = len(runner.seen)
    pipeline.create(made, made_spec)
    state = pipeline.run(made, made_spec.id, FakeWatch())
    return state, sorted(runner.keys[before:])


def bench_of(home: Path, **more: Any) -> Bench:
    return bench(home, trees=FakeTrees(), **more)


def test_the_same_again_runs_nothing(tmp_path: Path) -> None:
    made = bench_of(tmp_path)
    assert go(made, spec(TEXT))[1] == ["a", "b", "c"]
    state, ran = go(made, spec(TEXT, "run_2", sha="e" * 40, ref="refs/heads/other"))
    assert ran == []
    assert state.phase == "success"
    assert {r.reused for r in state.ended.values()} == {"run_1"}
    assert go(made, spec(TEXT, "run_3"))[0].ended["a"].reused in {"run_1", "run_2"}


@pytest.mark.parametrize(
    ("change", "ran"),
    [
        ({"texts": {FILE: TEXT.replace("make test", "make tests", 1)}}, ["a"]),
        ({"event": "schedule"}, ["a", "b", "c"]),
        ({"event": "workflow_dispatch"}, ["a", "b", "c"]),
        ({"fresh": True}, ["a", "b", "c"]),
        ({"trusted": False}, ["a", "b", "c"]),
        ({"network": False}, ["a", "b", "c"]),
        ({"vars": {"UNUSED": "x"}}, []),
        ({"payload": {"after": "x"}}, []),
    ],
)
def test_what_changes_a_key(tmp_path: Path, change: Mapping[str, Any], ran: list[str]) -> None:
    made = bench_of(tmp_path)
    go(made, spec(TEXT))
    changed = {"event": "push"} | dict(change)
    assert go(made, spec(TEXT, "run_2", **changed))[1] == ran


def test_tools_and_trees_change_every_key(tmp_path: Path) -> None:
    made = bench_of(tmp_path)
    go(made, spec(TEXT))
    newer = replace(made, tools=lambda: {"node": "22"})
    assert go(newer, spec(TEXT, "run_2"))[1] == ["a", "b", "c"]
    other = replace(made, trees=FakeTrees({"": "tree-2"}))
    assert go(other, spec(TEXT, "run_3"))[1] == ["a", "b", "c"]


NAMED = """\
on: push
jobs:
  plain:
    runs-on: x
    steps: [{run: make}]
  ref:
    runs-on: x
    steps: [{run: 'echo "$GITHUB_REF_NAME"'}]
  sha:
    runs-on: x
    steps: [{run: echo, if: "github.sha != ''"}]
  all:
    runs-on: x
    env: {ALL: "${{ toJSON(github) }}"}
    steps: [{run: make}]
  var:
    runs-on: x
    steps: [{run: make, env: {V: "${{ vars.V }}"}}]
  secret:
    runs-on: x
    steps: [{run: make, env: {S: "${{ secrets.S }}"}}]
  history:
    runs-on: x
    steps: [{uses: actions/checkout@v4, with: {fetch-depth: 0}}]
  other:
    runs-on: x
    steps: [{uses: actions/checkout@v4, with: {repository: a/b}}]
  deploy:
    runs-on: x
    environment: staging
    steps: [{run: make}]
  asks:
    runs-on: x
    environment: {name: staging, deployment: false}
    steps: [{run: make}]
"""
ALWAYS = ["all", "asks", "deploy", "other"]


@pytest.mark.parametrize(
    ("change", "ran"),
    [
        ({}, ALWAYS),
        ({"ref": "refs/heads/x"}, [*ALWAYS, "history", "ref"]),
        ({"sha": "e" * 40}, [*ALWAYS, "history", "sha"]),
        ({"vars": {"V": "2"}}, [*ALWAYS, "var"]),
        ({"vars": {"V": "1", "W": "2"}}, ALWAYS),
    ],
)
def test_only_what_a_job_names_counts(tmp_path: Path, change: Any, ran: list[str]) -> None:
    made = bench_of(tmp_path, secrets={"S": "one", "T": "two"})
    go(made, spec(NAMED, vars={"V": "1"}))
    changed = {"vars": {"V": "1"}} | dict(change)
    assert go(made, spec(NAMED, "run_2", **changed))[1] == sorted(ran)


def test_a_changed_secret_changes_the_key_and_is_nowhere(tmp_path: Path) -> None:
    made = bench_of(tmp_path, secrets={"S": "one-secret", "T": "two"})
    go(made, spec(NAMED))
    assert go(replace(made, secrets={"S": "one-secret", "T": "new"}), spec(NAMED, "run_2"))[1] == (
        sorted(ALWAYS)
    )
    assert "secret" in go(replace(made, secrets={"S": "new"}), spec(NAMED, "run_3"))[1]
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.name != "results.key":
            assert b"one-secret" not in file.read_bytes()
    assert (tmp_path / "results.key").stat().st_mode & 0o077 == 0


def test_a_fork_may_take_and_never_give(tmp_path: Path) -> None:
    made = bench_of(tmp_path)
    fork = {"trusted": False}
    assert go(made, spec(TEXT, **fork))[1] == ["a", "b", "c"]
    assert go(made, spec(TEXT, "run_2"))[1] == ["a", "b", "c"]
    assert go(made, spec(TEXT, "run_3", **fork))[1] == []


def test_red_is_never_reused(tmp_path: Path) -> None:
    made = bench_of(tmp_path, runner=FakeRunner(tmp_path / "l", red("a")))  # type: ignore[arg-type]
    go(made, spec(TEXT))
    assert go(made, spec(TEXT, "run_2"))[1] == ["a"]


def test_outputs_of_needs_are_part_of_the_key(tmp_path: Path) -> None:
    value = ["1"]

    def does(order: JobOrder, secrets: object) -> JobReport | None:
        return JobReport(order.key, "success", 0, 0, outputs={"v": value[0]})

    made = bench_of(tmp_path, runner=FakeRunner(tmp_path / "l", does))
    go(made, spec(TEXT))
    value[0] = "2"
    changed = TEXT.replace("make test", "make tests", 1)
    assert go(made, spec(changed, "run_2"))[1] == ["a", "b"]


def test_uploads_must_be_there_and_sound(tmp_path: Path) -> None:
    blobs = FakeBlobs()

    def does(order: JobOrder, secrets: object) -> JobReport | None:
        made = upload(blobs, tmp_path / order.run, "dist", {"app.py": "v1", "lib/x": "y"})
        return JobReport(order.key, "success", 0, 0, uploads=(made,) if order.key == "a" else ())

    made = bench_of(tmp_path, blobs=blobs, runner=FakeRunner(tmp_path / "l", does))
    go(made, spec(TEXT))
    state, ran = go(made, spec(TEXT, "run_2"))
    assert ran == []
    assert list(blobs.pointed("uploads/run_2", "")) == [
        ("dist", state.ended["a"].uploads[0].digest, 0.0)
    ]
    (tmp_path / "run_1/dist/app.py").write_text("v2")
    assert go(made, spec(TEXT, "run_3"))[1] == ["a"]
    (tmp_path / "run_3/dist/lib/x").unlink()
    (tmp_path / "run_1/dist/app.py").unlink()
    assert go(made, spec(TEXT, "run_4"))[1] == ["a"]


def test_rerun_of_failed_keeps_what_stands(tmp_path: Path) -> None:
    text = jobs("a", "b: a", "c: b", "d: a", "e: c, d | always()")
    runner = FakeRunner(tmp_path / "ledger", red("b"))  # type: ignore[arg-type]
    made = bench(tmp_path, runner)
    go(made, spec(text))
    runner.does = lambda order, secrets: None
    new = pipeline.rerun(made, "run_1", failed_only=True)
    assert (new.spec.id, new.spec.attempt, new.spec.of) == ("run_1.2", 2, "run_1")
    before = len(runner.seen)
    state = pipeline.run(made, new.spec.id, FakeWatch())
    assert state.phase == "success"
    assert runner.keys[before:] == ["b", "c", "e"]
    assert {order.attempt for order, _ in runner.seen[before:]} == {2}
    assert state.ended["a"].reused == "run_1"
    assert runner.seen[-1][0].contexts["github"]["run_attempt"] == "2"
    with pytest.raises(Invalid) as caught:
        pipeline.rerun(made, "run_1.2", failed_only=True)
    assert caught.value.code == "nothing-failed"
    assert pipeline.rerun(made, "run_1.2").spec.id == "run_1.3"


def test_rerun_of_chosen_jobs_and_of_all(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "ledger")
    made = bench(tmp_path, runner, trees=FakeTrees())
    go(made, spec(jobs("a", "b: a", "c")))
    again = pipeline.rerun(made, "run_1", jobs=("b",))
    state = pipeline.run(made, again.spec.id, FakeWatch())
    assert state.ended["a"].reused == state.ended["c"].reused == "run_1"
    whole = pipeline.rerun(made, "run_1")
    before = len(runner.seen)
    pipeline.run(made, whole.spec.id, FakeWatch())
    assert sorted(runner.keys[before:]) == ["a", "b", "c"]
    with pytest.raises(Invalid, match="no job 'x'"):
        pipeline.rerun(made, "run_1", jobs=("x",))
    pipeline.create(made, spec(TEXT, "run_9"))
    with pytest.raises(Drifted):
        pipeline.rerun(made, "run_9")


def test_rerun_keeps_the_green_instances_of_a_red_matrix(tmp_path: Path) -> None:
    called = "on: {workflow_call: }\njobs:\n  x:\n" + STEPS + "  y:\n" + STEPS
    text = (
        "on: push\njobs:\n  t:\n    strategy: {fail-fast: false, matrix: {n: [1, 2, 3]}}\n"
        + STEPS
        + "  call:\n    uses: ./.github/workflows/c.yml\n  after:\n    needs: call\n"
        + STEPS
    )
    runner = FakeRunner(tmp_path / "ledger", red("t.2", "call.y"))  # type: ignore[arg-type]
    made = bench(tmp_path, runner)
    go(made, spec(text, texts={FILE: text, ".github/workflows/c.yml": called}))
    runner.does = lambda order, secrets: None
    new = pipeline.rerun(made, "run_1", failed_only=True)
    before = len(runner.seen)
    state = pipeline.run(made, new.spec.id, FakeWatch())
    assert state.phase == "success"
    assert sorted(runner.keys[before:]) == ["after", "call.y", "t.2"]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


PACKAGES = 50


def monorepo(folder: Path) -> str:
    for number in range(PACKAGES):
        place = folder / f"pkg{number:02}"
        place.mkdir(parents=True)
        (place / "main.py").write_text(f"print({number})\n")
    (folder / "lib").mkdir()
    (folder / "lib/shared.py").write_text("x = 1\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return git(folder, "rev-parse", "HEAD")


@pytest.mark.seed("S-007")
def test_only_what_is_affected_in_a_monorepo(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    first = monorepo(repo)
    names = [f"pkg{n:02}" for n in range(PACKAGES)]
    text = jobs(*names)
    sources = {name: (f"{name}/**", "lib/**") for name in names}
    home = tmp_path / "home"
    home.mkdir()
    made = bench(home, blobs=DiskBlobs(home), trees=GitTrees(), jobs=4)

    def of(id: str, sha: str) -> RunSpec:
        return spec(text, id, repo=str(repo), sha=sha, sources=sources)

    assert go(made, of("run_1", first))[1] == names
    (repo / "pkg07/main.py").write_text("print('new')\n")
    git(repo, "commit", "-qam", "one package")
    second = git(repo, "rev-parse", "HEAD")
    pipeline.create(made, of("run_2", second))
    began = time.perf_counter()
    state = pipeline.run(made, "run_2", FakeWatch())
    seconds = time.perf_counter() - began
    ran = [key for key, report in state.ended.items() if not report.reused]
    assert ran == ["pkg07"]
    print(f"decided and ran in {seconds * 1000:.0f} ms")
    (repo / "lib/shared.py").write_text("x = 2\n")
    git(repo, "commit", "-qam", "the library")
    assert go(made, of("run_3", git(repo, "rev-parse", "HEAD")))[1] == names
