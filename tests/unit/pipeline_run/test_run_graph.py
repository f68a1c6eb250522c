"""The graph of a run's jobs: columns, rows, and how each job stands."""

from dataclasses import replace

from headway.model.job import JobOrder, JobReport, StepSpec
from headway.pipeline.run.graph import Node, graph
from headway.pipeline.run.state import Created, Ended, Planned, RunSpec, RunState, Started, fold

TEXT = """\
on: push
jobs:
  ship: {needs: [test, lint], runs-on: x, timeout-minutes: 1, steps: [{run: a}]}
  build: {runs-on: x, timeout-minutes: 1, steps: [{run: a}]}
  lint: {runs-on: x, name: Look at it, timeout-minutes: 1, steps: [{run: a}]}
  test:
    needs: build
    runs-on: x
    name: Test ${{ matrix.n }}
    timeout-minutes: 1
    strategy: {matrix: {n: [1, 2]}}
    steps: [{run: a}]
"""
SPEC = RunSpec("run_1", "ci.yml", {"ci.yml": TEXT}, "/r/shop.git", "a" * 40, "refs/heads/main")


def order(key: str, job: str) -> Started:
    steps = (StepSpec("s", line=1),)
    return Started(JobOrder("run_1", job, key, key, 1, "", "a" * 40, "", steps), 1.0)


def ended(key: str, job: str, outcome: str, at: float = 4.0) -> Ended:
    return Ended(job, JobReport(key, outcome, 1.0, at), at)  # type: ignore[arg-type]


def run(*events: object) -> RunState:
    return fold([Created(SPEC, 0.0), *events])  # type: ignore[list-item]


def by_id(state: RunState) -> dict[str, Node]:
    return {node.id: node for node in graph(state)}


def test_columns_follow_the_longest_way_and_rows_the_file() -> None:
    found = by_id(run())
    assert {i: (n.column, n.row) for i, n in found.items()} == {
        "build": (0, 0), "lint": (0, 1), "test": (1, 0), "ship": (2, 0),
    }  # fmt: skip
    assert {n.stands for n in found.values()} == {"waiting"}
    assert (found["lint"].name, found["test"].name) == ("Look at it", "test")
    assert found["ship"].needs == ("test", "lint")


def test_a_matrix_stands_as_its_worst_instance_and_has_no_time_before_all_ended() -> None:
    events = [
        Planned("build", ("build",), 1.0), order("build", "build"),
        ended("build", "build", "success"), Planned("test", ("test.1", "test.2"), 4.0),
        order("test.1", "test"), ended("test.1", "test", "success", 9.0),
    ]  # fmt: skip
    half = by_id(run(*events, order("test.2", "test")))
    assert (half["build"].stands, half["build"].seconds) == ("success", 3.0)
    assert (half["test"].stands, half["test"].seconds) == ("running", None)
    assert by_id(run(*events))["test"].stands == "waiting"
    red = ended("test.2", "test", "failure", 7.0)
    whole = by_id(run(*events, order("test.2", "test"), red))["test"]
    assert (whole.stands, whole.seconds, whole.keys) == ("failure", 8.0, ("test.1", "test.2"))
    kind = by_id(run(*events, order("test.2", "test"), replace(red, tolerated=True)))["test"]
    assert kind.stands == "success"


def test_of_a_part_only_the_part_is_shown() -> None:
    only = replace(run(), spec=replace(SPEC, only=("test",)))
    assert [n.id for n in graph(only)] == ["build", "test"]
