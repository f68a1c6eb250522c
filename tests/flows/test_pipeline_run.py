"""A run from its creation to its end, with a runner that runs nothing."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.job_runner import FakeActions, FakeRunner, FakeWatch, bench

from headway.flows import pipeline
from headway.model.errors import Drifted, Invalid, Refused
from headway.model.job import JobOrder, JobReport
from headway.pipeline.run.state import RunSpec
from headway.pipeline.run.view import view
from headway.store import run_log

FILE = ".github/workflows/ci.yml"
STEPS = "    runs-on: ubuntu-latest\n    steps: [{run: make}, {run: make test}]\n"


def spec(text: str, id: str = "run_1", **more: object) -> RunSpec:
    base = RunSpec(id, FILE, {FILE: text}, "/srv/shop.git", "f" * 40, "refs/heads/main")
    return replace(base, **more)  # type: ignore[arg-type]


def jobs(*lines: str) -> str:
    """A workflow: `a`, `b: a` (b needs a), `c: a, b | always()`."""
    text = "on: push\njobs:\n"
    for line in lines:
        head, _, condition = line.partition("|")
        name, _, needs = head.partition(":")
        text += f"  {name.strip()}:\n"
        if needs.strip():
            text += f"    needs: [{needs.strip()}]\n"
        if condition.strip():
            text += f"    if: {condition.strip()}\n"
        text += STEPS
    return text


def red(*keys: str) -> object:
    def does(order: JobOrder, secrets: object) -> JobReport | None:
        return (
            JobReport(order.key, "failure", 0, 0, because="exit 1") if order.key in keys else None
        )

    return does


def test_a_diamond_runs_once_each_and_in_order(tmp_path: Path) -> None:
    made = bench(tmp_path)
    pipeline.create(made, spec(jobs("a", "b: a", "c: a", "d: b, c")))
    watch = FakeWatch()
    state = pipeline.run(made, "run_1", watch)
    assert state.phase == "success"
    keys = made.runner.keys  # type: ignore[attr-defined]
    assert sorted(keys) == ["a", "b", "c", "d"]
    assert keys[0] == "a"
    assert keys[-1] == "d"
    for key in keys:
        assert watch.of(key) == ["began", "step", "stepped", "step", "stepped", "ended"]
    assert pipeline.show(tmp_path, "run_1") == state


def test_red_job_skips_what_needs_it_and_failure_runs(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "ledger", red("a"))  # type: ignore[arg-type]
    made = bench(tmp_path, runner)
    text = jobs("a", "b: a", "c: b | failure()", "d: b", "e: b | always()", "f: a | success()")
    pipeline.create(made, spec(text))
    state = pipeline.run(made, "run_1", FakeWatch())
    outcomes = {key: report.outcome for key, report in state.ended.items()}
    assert outcomes == {
        "a": "failure",
        "b": "skipped",
        "c": "success",
        "d": "skipped",
        "e": "success",
        "f": "skipped",
    }
    assert state.phase == "failure"
    assert state.ended["b"].because == "`a`, which it needs, failed"
    assert state.ended["d"].because == "`a`, which it needs, failed"
    assert state.ended["f"].because == "`a`, which it needs, failed; its `if` is false: success()"


def test_a_job_may_fail_where_it_is_tolerated(tmp_path: Path) -> None:
    text = jobs("a", "b: a").replace("  a:\n", "  a:\n    continue-on-error: true\n")
    runner = FakeRunner(tmp_path / "ledger", red("a"))  # type: ignore[arg-type]
    made = bench(tmp_path, runner)
    pipeline.create(made, spec(text))
    state = pipeline.run(made, "run_1", FakeWatch())
    assert state.phase == "success"
    assert state.ended["a"].outcome == "failure"
    assert state.tolerated == {"a"}
    assert runner.seen[1][0].contexts["needs"]["a"]["result"] == "success"


def test_no_more_at_once_than_the_bench_has_places(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "ledger", lambda o, s: time.sleep(0.01))  # type: ignore[func-returns-value,arg-type,return-value]
    made = bench(tmp_path, runner, jobs=3)
    pipeline.create(made, spec(jobs(*(f"j{n}" for n in range(12)))))
    assert pipeline.run(made, "run_1", FakeWatch()).phase == "success"
    assert 1 < runner.most <= 3


def test_fail_fast_and_max_parallel(tmp_path: Path) -> None:
    text = (
        "on: push\njobs:\n  t:\n    strategy:\n      max-parallel: 1\n"
        "      matrix: {n: [1, 2, 3]}\n    name: t${{ matrix.n }}\n" + STEPS
    )
    runner = FakeRunner(tmp_path / "ledger", red("t.1"))  # type: ignore[arg-type]
    made = bench(tmp_path, runner)
    pipeline.create(made, spec(text))
    state = pipeline.run(made, "run_1", FakeWatch())
    assert runner.most == 1
    assert [r.outcome for r in state.ended.values()] == ["failure", "cancelled", "cancelled"]
    assert state.phase == "failure"
    slow = text.replace("      max", "      fail-fast: false\n      max")
    pipeline.create(made, spec(slow, "run_2"))
    state = pipeline.run(made, "run_2", FakeWatch())
    assert [r.outcome for r in state.ended.values()] == ["failure", "success", "success"]


def test_fail_fast_stops_those_that_run(tmp_path: Path) -> None:
    text = "on: push\njobs:\n  t:\n    strategy: {matrix: {n: [1, 2, 3]}}\n" + STEPS
    runner = FakeRunner(tmp_path / "ledger", red("t.1"), threading.Event(), ("t.1",))  # type: ignore[arg-type]
    made = bench(tmp_path, runner)
    pipeline.create(made, spec(text))
    state = pipeline.run(made, "run_1", FakeWatch())
    outcomes = {key: report.outcome for key, report in state.ended.items()}
    assert outcomes == {"t.1": "failure", "t.2": "cancelled", "t.3": "cancelled"}


def test_cancel_from_elsewhere_lets_always_finish(tmp_path: Path) -> None:
    gate = threading.Event()
    runner = FakeRunner(tmp_path / "ledger", gate=gate)
    made = bench(tmp_path, runner)
    pipeline.create(made, spec(jobs("a", "b: a", "c: a | always()", "d: a | cancelled()")))
    found = []
    thread = threading.Thread(
        target=lambda: found.append(pipeline.run(made, "run_1", FakeWatch())), daemon=True
    )
    thread.start()
    _until(lambda: runner.keys == ["a"])
    pipeline.cancel(tmp_path, "run_1", "ana", "wrong branch")
    _until(lambda: len(runner.keys) == 3)
    gate.set()
    thread.join(20)
    outcomes = {key: report.outcome for key, report in found[0].ended.items()}
    assert outcomes == {"a": "cancelled", "b": "skipped", "c": "success", "d": "success"}
    assert found[0].phase == "cancelled"
    assert "wrong branch" in found[0].cancelled


def test_cancel_of_a_run_nobody_drives_ends_it(tmp_path: Path) -> None:
    made = bench(tmp_path)
    pipeline.create(made, spec(jobs("a", "b: a | always()")))
    pipeline.cancel(tmp_path, "run_1", "ana", "")
    state = pipeline.show(tmp_path, "run_1")
    assert state.phase == "cancelled"
    assert {r.outcome for r in state.ended.values()} == {"skipped"}
    assert pipeline.run(made, "run_1", FakeWatch()) == state


def test_ctrl_c_of_the_watch_cancels(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "ledger", gate=threading.Event())
    made = bench(tmp_path, runner)
    pipeline.create(made, spec(jobs("a", "b: a")))
    watch = FakeWatch(stop=True)
    state = pipeline.run(made, "run_1", watch)
    assert state.phase == "cancelled"
    assert state.ended["a"].outcome == "cancelled"


def test_errors_of_the_runner_end_the_job_red(tmp_path: Path) -> None:
    def does(order: JobOrder, secrets: object) -> JobReport | None:
        if order.key == "a":
            raise Refused("no podman here", why="`container:` needs it", next="apt install podman")
        raise KeyError("bug")

    made = bench(tmp_path, FakeRunner(tmp_path / "ledger", does))
    pipeline.create(made, spec(jobs("a", "b")))
    state = pipeline.run(made, "run_1", FakeWatch())
    assert state.phase == "failure"
    assert "apt install podman" in state.ended["a"].because
    assert "a bug in Headway: KeyError" in state.ended["b"].because


def test_one_process_at_a_time(tmp_path: Path) -> None:
    made = bench(tmp_path)
    pipeline.create(made, spec(jobs("a")))
    with run_log.drive(tmp_path, "run_1"), pytest.raises(Drifted) as caught:
        pipeline.run(made, "run_1", FakeWatch())
    assert caught.value.code == "run-running"
    assert pipeline.run(made, "run_1", FakeWatch()).phase == "success"


def test_create_twice_gives_what_is_there(tmp_path: Path) -> None:
    made = bench(tmp_path)
    first = pipeline.create(made, spec(jobs("a")))
    pipeline.run(made, "run_1", FakeWatch())
    again = pipeline.create(made, spec(jobs("a", "b")))
    assert again.spec == first.spec
    assert again.phase == "success"


def test_unreadable_workflow_has_its_place(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        pipeline.create(bench(tmp_path), spec(jobs("a").replace("steps", "stepps")))
    assert caught.value.problems[0].line > 0
    text = jobs("a") + "  x:\n    uses: ./.github/workflows/gone.yml\n"
    with pytest.raises(Invalid) as caught:
        pipeline.create(bench(tmp_path), spec(text))
    assert caught.value.code == "unknown-workflow"
    assert run_log.runs(tmp_path) == ()


def test_only_takes_the_needs_along(tmp_path: Path) -> None:
    made = bench(tmp_path)
    pipeline.create(made, spec(jobs("a", "b: a", "c", "d: b"), only=("b",)))
    state = pipeline.run(made, "run_1", FakeWatch())
    assert list(state.ended) == ["a", "b"]


def test_untrusted_gets_no_secrets(tmp_path: Path) -> None:
    for trusted, seen in ((True, {"TOKEN": "s3cret"}), (False, {})):
        runner = FakeRunner(tmp_path / "ledger")
        made = bench(tmp_path, runner, secrets={"TOKEN": "s3cret"})
        pipeline.create(made, spec(jobs("a"), f"run_{trusted}", trusted=trusted))
        pipeline.run(made, f"run_{trusted}", FakeWatch())
        assert runner.seen[0][1] == seen
    assert "s3cret" not in (tmp_path / "runs/run_True/log.jsonl").read_text()


CALLED = """\
on:
  workflow_call:
    inputs: {size: {type: number, required: true}, name: {type: string, default: shop}}
    secrets: {KEY: {required: true}}
    outputs: {built: {value: "${{ jobs.inner.outputs.it }}"}}
jobs:
  inner:
    outputs: {it: "x"}
    strategy: {matrix: {n: [1, "${{ inputs.size }}"]}}
    runs-on: ubuntu-latest
    steps: [{run: make}]
  after:
    needs: inner
    runs-on: ubuntu-latest
    steps: [{run: make}]
"""
CALLER = """\
on: push
jobs:
  call:
    strategy: {matrix: {place: [eu, us]}}
    uses: ./.github/workflows/called.yml
    with: {size: 7}
    secrets: {KEY: "${{ secrets.A }}-${{ matrix.place }}"}
  end:
    needs: call
    if: needs.call.outputs.built == 'it of call.2.inner.2'
    runs-on: ubuntu-latest
    steps: [{run: make}]
"""


def test_called_workflow(tmp_path: Path) -> None:
    def does(order: JobOrder, secrets: object) -> JobReport | None:
        return JobReport(order.key, "success", 0, 0, outputs={"it": f"it of {order.key}"})

    runner = FakeRunner(tmp_path / "ledger", does)
    secrets = {"A": "a", "B": "b", "GITHUB_TOKEN": "t"}
    made = bench(tmp_path, runner, secrets=secrets, jobs=1)
    texts = {FILE: CALLER, ".github/workflows/called.yml": CALLED}
    pipeline.create(made, spec(CALLER, texts=texts))
    watch = FakeWatch()
    state = pipeline.run(made, "run_1", watch)
    assert state.phase == "success"
    by_key = {order.key: (order, given) for order, given in runner.seen}
    assert sorted(by_key) == [
        *("call.1.after", "call.1.inner.1", "call.1.inner.2"),
        *("call.2.after", "call.2.inner.1", "call.2.inner.2", "end"),
    ]
    order, given = by_key["call.2.inner.2"]
    assert order.id == "call.2 / inner"
    assert order.name == "call (us) / inner (7)"
    assert order.contexts["inputs"] == {"size": 7, "name": "shop"}
    assert given == {"KEY": "a-us", "GITHUB_TOKEN": "t"}
    assert by_key["end"][1] == secrets
    assert state.ended["call.1"].outputs == {"built": "it of call.1.inner.2"}
    assert watch.of("call.1") == []


def test_called_workflow_of_another_repository_is_pinned(tmp_path: Path) -> None:
    other = tmp_path / "other" / ".github" / "workflows"
    other.mkdir(parents=True)
    (other / "x.yml").write_text(
        "on: {workflow_call: }\njobs:\n  y:\n    uses: ./.github/workflows/z.yml\n"
    )
    (other / "z.yml").write_text("on: {workflow_call: }\njobs:\n  z:\n" + STEPS)
    sha = "a" * 40
    actions = FakeActions({"org/ci": tmp_path / "other"}, {"org/ci@v1": sha})
    made = bench(tmp_path, actions=actions)
    text = "on: push\njobs:\n  x:\n    uses: org/ci/.github/workflows/x.yml@v1\n"
    created = pipeline.create(made, spec(text))
    assert created.spec.actions == {"org/ci@v1": sha}
    (other / "z.yml").unlink()
    state = pipeline.run(made, "run_1", FakeWatch())
    assert state.phase == "success"
    assert "x.y.z" in state.ended


def test_a_run_that_cannot_be_written_stops_everything(tmp_path: Path) -> None:
    made = bench(tmp_path)
    pipeline.create(made, spec(jobs("a", "b: a")))
    log = tmp_path / "runs/run_1/log.jsonl"
    content = log.read_bytes()
    log.write_bytes(content[:20] + b"x" + content[21:])
    with pytest.raises(Exception, match="damaged") as caught:
        pipeline.run(made, "run_1", FakeWatch())
    assert getattr(caught.value, "code", "") == "damaged"


def _until(true: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def test_a_deprecated_input_is_told_where_the_run_begins(tmp_path: Path) -> None:
    text = (
        "on:\n  workflow_dispatch:\n    inputs:\n      old: {deprecationMessage: 'take new'}\n"
        "      new: {}\n      other: {default: x, deprecationMessage: gone}\njobs:\n  a:\n" + STEPS
    )
    given = {"old": "1", "new": "2", "other": ""}
    made = spec(text, event="workflow_dispatch", inputs=given)
    state = pipeline.create(bench(tmp_path), made)
    assert state.warned == ("the input `old` is deprecated: take new",)
    assert view(pipeline.show(tmp_path, made.id)).warned == state.warned
    pipeline.cancel(tmp_path, made.id, "ana", "enough")
    assert pipeline.rerun(bench(tmp_path), made.id).warned == state.warned


MAY = """\
on: push
permissions: WHOLE
jobs:
  plain: {runs-on: x, steps: [{run: x}]}
  none: {runs-on: x, permissions: {contents: none}, steps: [{run: x}]}
  some: {runs-on: x, permissions: {contents: read, packages: none}, steps: [{run: x}]}
  call: {uses: ./called.yml, permissions: {}, secrets: inherit}
"""
CALLED_ALL = """\
on: {workflow_call: }
jobs:
  inner: {runs-on: x, permissions: write-all, steps: [{run: x}]}
"""


@pytest.mark.parametrize(("whole", "have"), [("read-all", {"plain", "some"}), ("{}", {"some"})])
def test_a_job_that_may_nothing_gets_no_token(tmp_path: Path, whole: str, have: set[str]) -> None:
    runner = FakeRunner(tmp_path / "ledger")
    made = bench(tmp_path, runner, secrets={"A": "a", "GITHUB_TOKEN": "t"})
    text = MAY.replace("WHOLE", whole)
    pipeline.create(made, spec(text, texts={FILE: text, "called.yml": CALLED_ALL}))
    assert pipeline.run(made, "run_1", FakeWatch()).phase == "success"
    given = {order.key: secrets for order, secrets in runner.seen}
    assert {key for key, secrets in given.items() if "GITHUB_TOKEN" in secrets} == have
    assert len(given) == 4
    assert all(secrets["A"] == "a" for secrets in given.values())
