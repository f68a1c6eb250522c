"""The guide's workflow from build to an approved production, with declared substitutes.

The guide's own text, unchanged, where HEADWAY_GUIDE names the page that holds it.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import guide_shop
from tests.support.guide_shop import World

from headway.adapters.linux.actions import native

SECONDS = 600.0
pytestmark = pytest.mark.skipif(
    not native._installed_postgres(), reason="PostgreSQL is not installed"
)


class Desk:
    """A repository, a home, and the command."""

    def __init__(self, repo: Path, home: Path, world: World, scratch: Path) -> None:
        self.repo, self.home = repo, home
        hook = f"http://127.0.0.1:{world.ports['chat']}/hook"
        nowhere = scratch / "mirrors"
        nowhere.mkdir()
        self.env = {
            **os.environ,
            "PATH": guide_shop.path_without("podman", scratch / "bin"),
            "SLACK_WEBHOOK": hook,
            "HEADWAY_ACTIONS_BASE": str(nowhere),
        }

    def start(self, *words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "headway", *words, "--home", str(self.home)]
        log = (self.home / "said.txt").open("a")
        with log:
            return subprocess.Popen(
                command,
                cwd=self.repo,
                env=self.env,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def run(self, *words: str, code: int = 0) -> Any:
        process = self.start(*words, "--json")
        told, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == code, told + (self.home / "said.txt").read_text()
        return json.loads(told)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with guide_shop.world(tmp_path / "world") as made:
        yield made


def outcomes(run: dict[str, Any]) -> dict[str, str]:
    return {job["key"]: job["outcome"] for job in run["jobs"]}


def delivered(world: World, sha: str, run: dict[str, Any]) -> None:
    """Every job did what it says, and the report names what stood in for what."""
    jobs = ("build", "integration", "staging", "e2e", "production")
    assert outcomes(run) == dict.fromkeys(jobs, "success")
    assert len(world.pushed()) == 1
    assert world.runs("staging").endswith(f":{sha}")
    assert world.runs("production") == world.runs("staging")
    assert json.loads(world.told[0])["text"] == f"Deployed {sha} to production"
    assert len(world.told) == 1
    named = " ".join(run["substitutes"])
    for word in ("kubectl by ci/kubectl (sha256:", "cypress-io/github-action@v6 by ./ci/cypress"):
        assert word in named
    steps = {s["name"] for job in run["jobs"] for s in job["steps"]}
    assert any("substitute for docker/build-push-action@v5: ./ci/build-push" in s for s in steps)


@pytest.mark.soak
@pytest.mark.seed("S-026", "S-028")
def test_it_waits_for_production_across_a_kill(
    tmp_path: Path, short_home: Path, world: World
) -> None:
    sha = guide_shop.repository(tmp_path / "shop", world)
    desk = Desk(tmp_path / "shop", short_home, world, tmp_path)
    secret = ("--secret", "SLACK_WEBHOOK")
    declared = ("--substitutes", "headway.substitutes.yaml")
    refused = desk.run("run", *secret, *declared, "--no-input", code=3)
    assert refused["error"]["code"] == "needs-approval"
    assert not world.pushed()
    plan = desk.run("run", *secret, *declared, "--dry-run")
    assert [j["id"] for j in plan["jobs"] if j["asks_approval"]] == ["production"]
    assert len(plan["substitutes"]) == 8

    first = desk.start("run", *secret, *declared)
    try:
        run = waits(desk)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert world.runs("staging").endswith(f":{sha}")
    assert world.runs("production") == ""
    told = desk.run("pipeline", "approve", run, "--env", "production")
    assert told["driven"] is False
    began = {k: j["steps"] for k, j in jobs_of(desk, run).items()}
    delivered(world, sha, desk.run("pipeline", "resume", run, *secret))
    after = jobs_of(desk, run)
    assert all(after[key]["steps"] == steps for key, steps in began.items())
    assert "shop" not in {p.name for p in (short_home / "runs" / run).iterdir()}


def jobs_of(desk: Desk, run: str) -> dict[str, Any]:
    return {job["key"]: job for job in desk.run("pipeline", "show", run)["jobs"]}


def waits(desk: Desk) -> str:
    """The run, once it waits for production."""
    deadline = time.monotonic() + SECONDS
    while True:
        assert time.monotonic() < deadline, (desk.home / "said.txt").read_text()
        said = (desk.home / "said.txt").read_text()
        if "waiting for approval of production" in said:
            found = re.findall(r"^run (run_\w+)", said, re.MULTILINE)
            return str(found[-1])
        time.sleep(0.05)


@pytest.mark.seed("S-011")
@pytest.mark.skipif("HEADWAY_GUIDE" not in os.environ, reason="HEADWAY_GUIDE names no page")
def test_the_text_of_the_guide_runs_unchanged(
    tmp_path: Path, short_home: Path, world: World
) -> None:
    page = Path(os.environ["HEADWAY_GUIDE"]).read_text("utf-8")
    found = re.search(r"### GitHub Actions Example\n+```yaml\n(.*?)```", page, re.DOTALL)
    assert found, "the page has no such example"
    sha = guide_shop.repository(tmp_path / "shop", world, found[1])
    desk = Desk(tmp_path / "shop", short_home, world, tmp_path)
    words = ("run", "--secret", "SLACK_WEBHOOK", "--substitutes", "headway.substitutes.yaml")
    delivered(world, sha, desk.run(*words, "--yes"))
