"""Actions' parts in order, and secrets in everything that leaves a job."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contract.job_runs import QUICK, Seen, order, short_home

from headway.adapters.linux.actions.acting import Acting, Composed, Direct, Found
from headway.adapters.linux.runner import LinuxRunner
from headway.model.errors import Failed, Refused
from headway.model.job import JobOrder, StepSpec, Upload
from headway.pipeline.syntax.action import read_action
from headway.workbench import load

COMPOSITE = """
name: around
inputs: {x: {default: dx}}
outputs: {o: {value: "${{ steps.in.outputs.got }}"}}
runs:
  using: composite
  steps:
    - {id: in, uses: "own/act@v1", with: {x: "${{ inputs.x }}"}}
"""
DECLARED = """
name: act
inputs: {x: {default: "d-${{ github.job }}"}, y: {}}
runs: {using: node20, main: m.js}
"""
SECRET = "correct-horse-battery"


class Table:
    """A Finder of actions that note what is done with them."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def find(self, order: JobOrder, uses: str, checkout: Path) -> Found:
        if uses == "own/around@v1":
            return Composed(read_action(COMPOSITE, "action.yml"), checkout)
        if uses == "own/missing@v1":
            raise Refused("no such thing here", code="no-such")
        action = read_action(DECLARED, "action.yml")
        fails = uses.partition("@")[2]
        return Direct(
            self._part("main", fails),
            self._part("pre", fails),
            self._part("post", fails),
            post_if="success()" if fails == "only-green" else "always()",
            action=action,
        )

    def _part(self, name: str, fails: str) -> Callable[[Acting], int]:
        def part(acting: Acting) -> int:
            x = acting.inputs.get("x", "")
            state = "".join(f" {k}={v}" for k, v in acting.state.items())
            self.notes.append(f"{name} {acting.step.id} {x}{state} {acting.green}")
            acting.outputs["got"] = f"<{x}>"
            acting.state[name] = "1"
            if name == "main":
                acting.added_env["FROM"] = x
                acting.uploads.append(Upload(acting.step.id, "/nowhere"))
                acting.hands.run(
                    ["sh", "-c", "echo state=s >> $GITHUB_STATE"], acting.env, acting.checkout
                )
            if fails == name:
                raise Failed(f"{name} of {x} is broken", code="broken")
            return 3 if fails == f"{name}-code" else 0

        return part


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with short_home() as folder:
        yield folder


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def runner(home: Path, table: Table) -> Iterator[LinuxRunner]:
    blobs = load("headway.blob_stores", "disk")(home)
    made = LinuxRunner(home, load("headway.source_hosts", "git")(), table, blobs, QUICK)
    yield made
    made.close()


def use(id: str, uses: str = "own/act@v1", **more: str) -> StepSpec:
    return StepSpec(id, uses=uses, inputs=more)


def test_pre_main_post_with_state_and_defaults(runner: LinuxRunner, table: Table) -> None:
    report = runner.run(
        order("parts", use("a", X="1"), use("b"), StepSpec("e", run="test $FROM = d-parts")),
        {},
        Seen(),
    )
    assert report.outcome == "success"
    assert table.notes == [
        *("pre a 1 True", "pre b d-parts True", "main a 1 pre=1 True"),
        "main b d-parts pre=1 True",
        *("post b d-parts pre=1 main=1 state=s True", "post a 1 pre=1 main=1 state=s True"),
    ]
    assert [s.name for s in report.steps[:2]] == ["Pre Run own/act@v1"] * 2
    assert [u.name for u in report.uploads] == ["a", "b"]


def test_post_parts_come_after_failure_too(runner: LinuxRunner, table: Table) -> None:
    report = runner.run(
        order("red", use("a"), use("g", "own/act@only-green"), use("b", "own/act@main"), use("c")),
        {},
        Seen(),
    )
    outcomes = {s.id: s.outcome for s in report.steps}
    assert outcomes["b"] == "failure"
    assert outcomes["c"] == "skipped"
    assert [s.id for s in report.steps][-3:] == ["__post_b", "__post_g", "__post_a"]
    assert outcomes["__post_g"] == "skipped"
    assert [n for n in table.notes if n.startswith("post")][-1].endswith("False")
    assert "main of d-red is broken" in report.steps[-5].tail


def test_actions_inside_composite_ones(runner: LinuxRunner, table: Table) -> None:
    report = runner.run(
        order(
            "deep",
            use("o", "own/around@v1", x="7"),
            StepSpec("e", run="echo '${{ steps.o.outputs.o }}'"),
            outputs={"o": "${{ steps.o.outputs.o }}"},
        ),
        {},
        Seen(),
    )
    assert report.outputs == {"o": "<7>"}
    assert [s.id for s in report.steps] == ["__pre_o.in", "o", "e", "__post_o.in"]
    assert table.notes[-1] == "post in 7 pre=1 main=1 state=s True"


def test_a_bad_exit_code_and_unknown_inputs(runner: LinuxRunner) -> None:
    report = runner.run(order("code", use("a", "own/act@main-code", z="1")), {}, Seen())
    (main,) = [s for s in report.steps if s.id == "a"]
    assert (main.outcome, main.exit_code) == ("failure", 3)
    assert main.annotations[0].message == "`own/act@main-code` has no input `z`"


def test_what_is_missing_is_told_before_anything_runs(runner: LinuxRunner, table: Table) -> None:
    with pytest.raises(Refused, match="no such thing"):
        runner.run(order("miss", use("a"), use("b", "own/missing@v1")), {}, Seen())
    assert table.notes == []


def test_a_condition_that_cannot_be_evaluated_fails_its_step(runner: LinuxRunner) -> None:
    report = runner.run(
        order(
            "cond",
            StepSpec("a", run="true", condition="fromJSON('{') == 1"),
            StepSpec("b", run="echo ${{ fromJSON('') }}", condition="always()"),
            StepSpec("c", run="true", timeout_minutes="soon", condition="always()"),
        ),
        {},
        Seen(),
    )
    assert [s.outcome for s in report.steps] == ["failure"] * 3
    assert "soon" in report.steps[2].tail


def test_no_secret_leaves_a_job(runner: LinuxRunner, home: Path) -> None:
    seen = Seen()
    report = runner.run(
        order(
            "leak",
            StepSpec(
                "a",
                name="uses ${{ secrets.S }}",
                run="echo ${{ secrets.S }}; "
                "echo out=x${{ secrets.S }} >> $GITHUB_OUTPUT; printf '%s' \"$B\" | base64;"
                "echo '# '$B >> $GITHUB_STEP_SUMMARY; echo KEEP=$B >> $GITHUB_ENV;"
                'echo "::error file=$B,title=$B::$B"; echo "::group::$B";'
                "for i in 1 2 3; do printf '%s' \"$B\" | cut -c1-9 | tr -d '\\n';"
                "printf '%s' \"$B\" | cut -c10-; sleep 0.02; done",
                env={"B": "${{ secrets.S }}"},
            ),
            StepSpec(
                "b",
                run="test $KEEP = ${{ secrets.S }}; test '${{ steps.a.outputs.out }}' = "
                "x$KEEP; echo '${{ toJSON(secrets) }}' >&2; exit 4",
            ),
            StepSpec("c", run="true", working_directory="/${{ secrets.S }}", condition="always()"),
            outputs={"leak": "${{ steps.a.outputs.out }}", "fine": "${{ steps.a.outcome }}"},
        ),
        {"S": SECRET},
        seen,
    )
    assert [s.outcome for s in report.steps] == ["success", "failure", "failure"]
    assert report.steps[1].exit_code == 4
    assert report.outputs == {"fine": "success"}
    assert "`leak`" in report.summary
    assert SECRET not in repr(report) + repr(seen.lines) + repr(seen.began) + repr(seen.ended)
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
