"""headway.lock from the workflow to the run: what is pinned, also inside other actions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.actions_bench import commit, git

from headway.adapters.git.actions import GitActions
from headway.adapters.linux.actions.builtin import BUILTIN
from headway.flows.pipeline_pins import locked, pins, with_lock, with_pins
from headway.model.errors import Invalid, Unreachable
from headway.pipeline.run.state import RunSpec
from headway.pipeline.syntax.check import BUILT_IN

FILE = ".github/workflows/ci.yml"
WORKFLOW = """\
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: ./ci
      - uses: docker://alpine:3
      - uses: tools/outer/sub@v1
  b:
    uses: tools/shared/.github/workflows/x.yml@main
"""
COMPOSITE = """\
name: c
runs:
  using: composite
  steps:
    - uses: {uses}
"""
SHARED = "on: workflow_call\njobs: {a: {runs-on: x, steps: [{uses: tools/leaf@v1}]}}\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """mirrors/tools/{outer,inner,leaf,shared}, and a repository that uses them."""
    tools = tmp_path / "mirrors/tools"
    commit(tools / "leaf", {"action.yml": "name: l\nruns: {using: node20, main: m.js}\n"})
    commit(tools / "inner", {"action.yml": COMPOSITE.format(uses="tools/leaf@v1")})
    commit(tools / "outer", {"sub/action.yml": COMPOSITE.format(uses="tools/inner@v1")})
    commit(tools / "shared", {".github/workflows/x.yml": SHARED})
    for each in tools.iterdir():
        git(each, "tag", "v1")
    files = {FILE: WORKFLOW, "ci/action.yml": COMPOSITE.format(uses="tools/leaf@v1")}
    commit(tmp_path / "repo", files)
    yield tmp_path
    for parent, _, _ in os.walk(tmp_path):
        Path(parent).chmod(0o755)


def source(place: Path) -> GitActions:
    return GitActions(place / "home", str(place / "mirrors"))


def reader(place: Path):
    def read(path: str) -> str | None:
        file = place / "repo" / path
        return file.read_text() if file.is_file() else None

    return read


def sha(place: Path, name: str) -> str:
    return git(place / "mirrors/tools" / name, "rev-parse", "HEAD")


def test_every_action_is_pinned_also_inside_others(place: Path) -> None:
    found, failed = pins({FILE: WORKFLOW}, {}, source(place), reader(place))
    assert failed == {}
    assert found == {
        "tools/outer@v1": sha(place, "outer"),
        "tools/inner@v1": sha(place, "inner"),
        "tools/leaf@v1": sha(place, "leaf"),
        "tools/shared@main": sha(place, "shared"),
    }


def test_what_is_locked_stays_although_the_tag_moves(place: Path) -> None:
    before, _ = pins({FILE: WORKFLOW}, {}, source(place), reader(place))
    leaf = place / "mirrors/tools/leaf"
    commit(leaf, {"more": ""})
    git(leaf, "tag", "-f", "v1")
    assert pins({FILE: WORKFLOW}, before, source(place), reader(place))[0] == before
    now, _ = pins({FILE: WORKFLOW}, {}, source(place), reader(place))
    assert now["tools/leaf@v1"] == sha(place, "leaf") != before["tools/leaf@v1"]


def test_what_cannot_be_resolved_is_named_and_the_rest_is_pinned(place: Path) -> None:
    text = WORKFLOW.replace("tools/outer/sub@v1", "tools/none@v1")
    found, failed = pins({FILE: text}, {}, source(place), reader(place))
    assert set(failed) == {"tools/none@v1"}
    assert "tools/leaf@v1" in found
    offline = GitActions(place / "empty", "http://127.0.0.1:9")
    found, failed = pins({FILE: text}, {}, offline, reader(place))
    assert found == {}
    assert all(isinstance(error, Unreachable) for error in failed.values())


def test_actions_that_use_each_other_come_to_an_end(place: Path) -> None:
    tools = place / "mirrors/tools"
    commit(tools / "leaf", {"action.yml": COMPOSITE.format(uses="tools/leaf@v1")})
    git(tools / "leaf", "tag", "-f", "v1")
    found, _ = pins({FILE: WORKFLOW}, {}, source(place), reader(place))
    assert found["tools/leaf@v1"] == sha(place, "leaf")


def test_a_run_takes_its_commits_from_the_lock(place: Path) -> None:
    old = "1" * 40
    (place / "repo/headway.lock").write_text(f'version: 1\nactions: {{"tools/leaf@v1": "{old}"}}\n')
    plain = RunSpec("r", FILE, {FILE: WORKFLOW}, str(place / "repo"), "0" * 40, "refs/heads/main")
    spec = with_pins(plain, source(place), reader(place))
    assert spec.actions["tools/leaf@v1"] == old
    assert spec.actions["tools/inner@v1"] == sha(place, "inner")
    assert with_lock(plain, reader(place)).actions == {"tools/leaf@v1": old}
    (place / "repo/headway.lock").write_text("version: 1\n")
    with pytest.raises(Invalid, match=r"headway\.lock:1:1"):
        locked(reader(place))


def test_the_command_writes_the_file(place: Path) -> None:
    env = {**os.environ, "HEADWAY_ACTIONS_BASE": str(place / "mirrors")}
    argv = [sys.executable, "-m", "headway", "--home", str(place / "home"), "workflow", "lock"]

    def run(*more: str) -> str:
        done = subprocess.run(
            [*argv, *more], cwd=place / "repo", env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "tools/leaf@v1" in run()
    text = (place / "repo/headway.lock").read_text()
    assert locked(reader(place))["tools/leaf@v1"] == sha(place, "leaf")
    commit(place / "mirrors/tools/leaf", {"more": ""})
    git(place / "mirrors/tools/leaf", "tag", "-f", "v1")
    run()
    assert (place / "repo/headway.lock").read_text() == text
    assert " -> " in run("--update")
    assert locked(reader(place))["tools/leaf@v1"] == sha(place, "leaf")
    (place / "repo" / FILE).write_text(WORKFLOW.replace("- uses: tools/outer/sub@v1", "- run: x"))
    assert "tools/outer@v1  no longer used" in run()
    assert set(json.loads(run("--json"))["actions"]) == {"tools/leaf@v1", "tools/shared@main"}


def test_the_names_of_built_in_actions_are_the_same_everywhere() -> None:
    assert set(BUILT_IN) == set(BUILTIN)
