"""`headway run` on a hostile repository, with the real runner: contained, and one clear error each.

Names of branches and files, titles and contents that are commands to a shell; links that lead out
of the workspace; bombs of YAML and of expressions. docs/explanation/job-runner.md has the list.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headway.cli.main import main

BRANCH = "x;touch${IFS}owned;$(touch${IFS}owned)`id`'&|"
TITLE = "t $(touch owned) `touch owned` \"'; touch owned; exit 1 #"
WORDS = "::set-env name=A::b\n::add-path::/x\n${{ secrets.K }} $(touch owned)\n"
NAMES = ("$(touch owned).txt", "-rf", "--help", "a 'b' \"c\"\nd", "`touch owned`", "x\x1b[31mred")
VALUES = """
on: push
jobs:
  values:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - name: ${{ github.ref_name }}
        env: {REF: "${{ github.ref_name }}", TITLE: "${{ github.event.head_commit.message }}"}
        run: |
          printf 'ref %s\\ntitle %s\\n' "$REF" "$TITLE"
          cat words
          for name in *; do test -e "$name" || test -L "$name"; done
      - run: echo "hashed [${{ hashFiles('leak', 'out/**') }}]"
      - {uses: actions/upload-artifact@v4, with: {name: good, path: words}}
"""
OUT = {
    "a file behind a link is uploaded": "upload-artifact@v4, with: {name: leak, path: leak}",
    "a folder behind a link is uploaded": "upload-artifact@v4, with: {name: o, path: out/kept}",
    "a folder behind a link is cached": "cache/save@v4, with: {key: k, path: out}",
    "an upload is written through a link": "download-artifact@v4, with: {name: good, path: out}",
    "a commit is written through a link": "checkout@v4, with: {path: out}",
}


@dataclass(frozen=True)
class Scene:
    repo: Path
    home: Path
    outside: Path

    def run(self, workflow: str) -> Result:
        (self.repo / ".github/workflows").mkdir(parents=True, exist_ok=True)
        (self.repo / ".github/workflows/ci.yml").write_text(workflow)
        return CliRunner().invoke(main, ["run", "--json", "--home", str(self.home)])

    def job(self, told: Result, key: str) -> tuple[dict[str, Any], str]:
        """Its report, and all of its logs."""
        run = json.loads(told.stdout)["run"]
        folder = self.home / "runs" / run / key
        last = json.loads((folder / "steps.jsonl").read_bytes().splitlines()[-1])
        logs = [path.read_text() for path in sorted(folder.glob("logs/*.log"))]
        return last["report"], "".join(logs)


@pytest.fixture
def scene(short_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(tmp_path / "shop", short_home, tmp_path / "outside")
    made.outside.mkdir()
    (made.outside / "kept").write_text("kept")
    made.repo.mkdir()
    for name in NAMES:
        (made.repo / name).write_text("x")
    (made.repo / "words").write_text(WORDS)
    (made.repo / "leak").symlink_to("/etc/passwd")
    (made.repo / "out").symlink_to(made.outside)
    who = ("-c", "user.name=A$(touch owned)", "-c", "user.email=a@b")
    for words in (("init", "-qb", BRANCH), ("add", "-A"), (*who, "commit", "-qm", TITLE)):
        subprocess.run(["git", *words], cwd=made.repo, check=True)
    monkeypatch.chdir(made.repo)
    return made


def nothing_happened(scene: Scene) -> None:
    assert [path.name for path in scene.outside.iterdir()] == ["kept"]
    assert (scene.outside / "kept").read_text() == "kept"
    for top in (scene.repo, scene.home):
        assert [folder for folder, *names in os.walk(top) if "owned" in chain(*names)] == []


def test_values_stay_values_and_links_lead_nowhere(scene: Scene) -> None:
    uses = [f"      - {{continue-on-error: true, uses: actions/{each}}}\n" for each in OUT.values()]
    told = scene.run(VALUES + "".join(uses))
    assert told.exit_code == 0, told.output
    report, logs = scene.job(told, "values")
    assert f"ref {BRANCH}\n" in logs
    assert f"title {TITLE}\n" in logs
    assert "${{ secrets.K }} $(touch owned)" in logs
    assert "hashed []" in logs
    assert "root:" not in logs
    assert BRANCH in [step["name"] for step in report["steps"]]
    tried = dict(zip(OUT, report["steps"][4:], strict=True))
    for attack, step in tried.items():
        assert step["outcome"] == "failure", attack
        (error,) = step["annotations"]
        assert "is outside what a job may touch" in error["message"], attack
    nothing_happened(scene)


BOMBS = {
    "aliases": (
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))
        + "on: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n"
    ),
    "depth": "on: push\njobs: " + "[" * 10_000,
    "size": "on: push\n# " + "x" * (2 << 20),
    "an alias of itself": "on: push\njobs: &a {a: *a}\n",
    "not UTF-8": "on: push\njobs: \udcff\n",
    "an expression's depth": (
        "on: push\njobs: {a: {runs-on: x, steps: [{run: 'true', if: \"${{ always() && "
        + "(" * 60 + "true" + ")" * 60 + ' }}"}]}}\n'
    ),
    "an expression's length": (
        "on: push\njobs: {a: {runs-on: x, steps: [{run: 'echo ${{ " + "1 || " * 9000 + "1 }}'}]}}\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_in_the_file_is_one_error_before_anything_runs(scene: Scene, kind: str) -> None:
    folder = scene.repo / ".github/workflows"
    folder.mkdir(parents=True)
    (folder / "ci.yml").write_bytes(os.fsencode(BOMBS[kind]))
    told = CliRunner().invoke(main, ["run", "--home", str(scene.home)])
    assert told.exit_code == 2, told.output
    assert ".github/workflows/ci.yml" in told.stderr
    assert len(told.stderr) < 2000
    assert "Traceback" not in told.output
    runs = scene.home / "runs"
    assert not runs.exists() or not [p for p in runs.iterdir() if p.name.startswith("run_")]


GROWING = """
on: push
jobs:
  grow:
    runs-on: ubuntu-latest
    steps:
      - id: a
        run: printf 'x=%s\\n' "$(head -c 900000 /dev/zero | tr '\\0' a)" >> "$GITHUB_OUTPUT"
      - id: filled
        env: {X: "FILL"}
        run: echo never
      - id: json
        if: always()
        run: echo ${{ toJSON(fromJSON(format('[{0}]', 'DEEP'))) }}
      - id: after
        if: always()
        run: echo fine
"""


def test_a_bomb_that_grows_while_it_runs_ends_its_step(scene: Scene) -> None:
    fill = "${{ steps.a.outputs.x }}" * 400
    told = scene.run(GROWING.replace("FILL", fill).replace("DEEP", "[" * 300 + "]" * 300))
    assert told.exit_code == 1
    report, logs = scene.job(told, "grow")
    steps = {step["id"]: step for step in report["steps"]}
    assert [s["outcome"] for s in steps.values()] == ["success", "failure", "failure", "success"]
    for name in ("filled", "json"):
        (error,) = steps[name]["annotations"]
        assert len(error["message"]) < 500
    assert "memory" in steps["filled"]["annotations"][0]["message"]
    assert "never" not in logs
