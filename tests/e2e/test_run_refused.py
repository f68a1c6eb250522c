"""A container or service that cannot be had is refused before the run, where it is written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.contract.job_runs import repository

WORKFLOW = """\
on: push
jobs:
  first:
    runs-on: x
    steps: [{run: echo never}]
  a:
    needs: first
    runs-on: x
    services:
      queue: {image: example.org/q:1, options: --network host}
    steps: [{run: echo never}]
"""


def test_the_place_and_the_missing_thing_are_named(tmp_path: Path) -> None:
    repository(tmp_path / "r", {".github/workflows/ci.yml": WORKFLOW})
    words = [
        sys.executable,
        "-m",
        "headway",
        "--home",
        str(tmp_path / "h"),
        "run",
        str(tmp_path / "r"),
    ]
    told = subprocess.run(words, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert told.returncode == 3
    assert ".github/workflows/ci.yml:10:7: the service `queue` cannot be started" in told.stderr
    assert "never" not in told.stdout
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("git", "bash"):
        (bare / name).symlink_to(shutil.which(name) or "")
    env = {**os.environ, "PATH": str(bare)}
    told = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    assert told.returncode == 3
    assert "podman is not installed here" in told.stderr
    assert "apt-get install podman" in told.stderr
