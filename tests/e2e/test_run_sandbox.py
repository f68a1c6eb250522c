"""`headway run --sandbox` on a real repository: steps really run, and nothing comes of it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SECONDS = 300.0
WORKFLOW = """
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: test "$HEADWAY_SANDBOX" = 1 && cp name.txt made.txt && cat made.txt
      - uses: actions/upload-artifact@v4
        with: {name: dist, path: made.txt}
  deploy:
    needs: build
    runs-on: ubuntu-latest
    environment: production
    strategy: {matrix: {n: %(counts)s}}
    steps:
      - run: |
          test -z "${{ secrets.TOKEN }}"
          echo ${{ matrix.n }} >> "%(top)s/world/deployed"
          rm "%(top)s/world/old" 2> /dev/null || true
          if timeout 9 bash -c 'echo > /dev/tcp/192.0.2.1/80'; then exit 9; fi
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """On a disk: what is written below /dev, memory too, is a sandbox's own, and not told."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="hw") as folder:
        yield Path(folder)


def desk(top: Path, counts: list[int]) -> Path:
    """A repository that is committed, and a world outside of it that a deploy changes."""
    repo, world = top / "shop", top / "world"
    (repo / ".github/workflows").mkdir(parents=True)
    world.mkdir()
    (world / "old").write_text("stays")
    (repo / "name.txt").write_text("widget")
    text = WORKFLOW % {"counts": counts, "top": top}
    (repo / ".github/workflows/ci.yml").write_text(text)
    person = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com")
    for words in (("init", "-q"), ("add", "-A"), (*person, "commit", "-qm", "First")):
        subprocess.run(["git", *words], cwd=repo, check=True)
    return repo


def play(repo: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    home = repo.parent / "home"
    command = [sys.executable, "-m", "headway", "run", "--sandbox", *more, "--home", str(home)]
    env = {**os.environ, "TOKEN": "hush-hush", "TMPDIR": str(repo.parent / "tmp")}
    (repo.parent / "tmp").mkdir(exist_ok=True)
    return subprocess.run(
        command, cwd=repo, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def files(top: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in top.rglob("*") if p.is_file()}


def unchanged(top: Path, before: dict[str, bytes]) -> None:
    """The repository, the world, and no scratch left; the home knows of no run."""
    after = files(top)
    assert {k: v for k, v in after.items() if "/home/" not in k} == before
    assert not list((top / "home/runs").glob("run_*"))
    assert not list((top / "home/cas").rglob("*.json"))
    assert list((top / "tmp").iterdir()) == []


def test_everything_runs_and_nothing_changes(tmp_path: Path) -> None:
    repo = desk(tmp_path, [1])
    before = files(tmp_path)
    done = play(repo, "--json", "--secret", "TOKEN")
    assert done.returncode == 0, done.stdout + done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert [s["outcome"] for j in seen["jobs"] for s in j["steps"]] == ["success"] * 4
    assert "widget" in seen["jobs"][0]["steps"][1]["tail"]
    told = seen["sandbox"]
    assert told["environments"] == {"deploy.1": "production"}
    assert told["secrets"] == ["TOKEN"]
    assert told["uploads"] == {"build": ["dist"]}
    assert told["network"] >= 1
    assert told["written"] == [f"{tmp_path}/world/deployed"]
    assert told["deleted"] == [f"{tmp_path}/world/old"]
    assert "hush-hush" not in done.stdout + done.stderr
    unchanged(tmp_path, before)


def test_red_in_a_sandbox(tmp_path: Path) -> None:
    repo = desk(tmp_path, [1])
    (repo / "name.txt").unlink()
    done = play(repo)
    assert done.returncode == 1
    assert "build > Run test" in done.stdout
    assert "nothing of this is kept" in done.stdout
    assert "headway pipeline" not in done.stdout
    assert "TOKEN" not in done.stdout, "the job that names it never ran"


@pytest.mark.soak
@pytest.mark.seed("S-040")
def test_a_hundred_deploys_are_simulated(tmp_path: Path) -> None:
    repo = desk(tmp_path, list(range(100)))
    before = files(tmp_path)
    done = play(repo, "--json")
    seen = json.loads(done.stdout)
    assert seen["state"] == "success", done.stderr[-2000:]
    assert seen["counts"] == {"success": 101}
    assert len(seen["sandbox"]["environments"]) == 100
    unchanged(tmp_path, before)
