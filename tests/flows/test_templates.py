"""Templates over real repositories: who uses which version, who drifted; strict ends with 1."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.unit.pipeline_template.test_template_drift import COPY, TEMPLATE

from headway.cli.main import main

CALL = """\
on: push
jobs:
  build: {uses: org/templates/.github/workflows/build.yml@%s}
"""


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org")
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode().strip()


def commit(folder: Path, files: dict[str, str]) -> str:
    if not folder.is_dir():
        folder.mkdir()
        git(folder, "init", "-q", "-b", "main")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Change")
    return git(folder, "rev-parse", "HEAD")


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["template", *words, "--home", str(home)])


def document(home: Path, *words: str) -> Any:
    return json.loads(run(home, *words, "--json").stdout)


@pytest.fixture
def org(tmp_path: Path) -> Path:
    build = ".github/workflows/build.yml"
    first = commit(tmp_path / "templates", {build: TEMPLATE})
    git(tmp_path / "templates", "tag", "v1")
    commit(tmp_path / "templates", {build: TEMPLATE.replace("pytest -q", "pytest -q --strict")})
    git(tmp_path / "templates", "tag", "v2")
    work = ".github/workflows/ci.yml"
    commit(tmp_path / "shop", {work: CALL % "v2"})
    commit(tmp_path / "web", {work: CALL % "v1"})
    lock = f"version: 1\nactions:\n  org/templates@main: {first}\n"
    commit(tmp_path / "app", {work: CALL % "main", "headway.lock": lock})
    drifted = COPY.replace("pytest -q", "pytest -q --strict").replace('--strict"', '|| true"')
    commit(tmp_path / "old", {work: drifted, ".github/workflows/no.yml": "jobs: ["})
    return tmp_path


@pytest.mark.seed("S-005")
def test_who_uses_what_and_who_diverged(org: Path) -> None:
    repos = [str(org / name) for name in ("templates", "shop", "web")]
    calm = run(org / "h", "check", *repos[:2], "--strict")
    assert calm.exit_code == 0, calm.output
    assert "1 templates, 1 current uses, 0 old ones, 0 changed copies" in calm.output
    late = run(org / "h", "check", *repos, "--strict")
    assert late.exit_code == 1
    assert "web/.github/workflows/ci.yml:3: job `build` uses" in late.output
    assert run(org / "h", "check", *repos).exit_code == 0

    diverged = run(org / "h", "check", *repos[:2], str(org / "old"), "--strict")
    assert diverged.exit_code == 1
    where = "old/.github/workflows/ci.yml"
    assert f"{where}:3: job `ci` is a changed copy of job `build`" in diverged.output
    assert f"{where}:11: changed step" in diverged.output
    assert "`pip-audit --strict` became `pip-audit || true`" in diverged.output
    assert "old/.github/workflows/no.yml" in diverged.output


def test_versions_are_what_the_lock_says(org: Path) -> None:
    repos = [str(org / name) for name in ("templates", "shop", "web", "app")]
    found = document(org / "h", "list", *repos)
    states = {item["repository"]: (item["ref"], item["state"]) for item in found["items"]}
    assert states == {
        "shop": ("v2", "current"),
        "web": ("v1", "behind"),
        "app": ("main", "behind"),
    }
    commit(org / "web", {".github/workflows/ci.yml": CALL % "v9"})
    commit(org / "shop", {".github/workflows/ci.yml": (CALL % "v1").replace("build.yml", "x.yml")})
    found = document(org / "h", "list", *repos)
    states = {item["repository"]: item["state"] for item in found["items"]}
    assert (states["web"], states["shop"]) == ("unknown-version", "gone")


def test_hosted_repositories_are_looked_at_without_naming_them(org: Path) -> None:
    home = org / "h"
    for name in ("templates", "web"):
        (home / "git").mkdir(parents=True, exist_ok=True)
        git(org, "clone", "-q", "--bare", str(org / name), str(home / "git" / f"{name}.git"))
    found = document(home, "check", "--of", "templates")
    assert [u["state"] for u in found["usages"]] == ["behind"]
    assert run(home, "check", "--of", "nobody").exit_code == 2
    assert run(org / "empty", "check").exit_code == 2
