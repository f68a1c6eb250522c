"""A `headway run` that was killed: what is said of it, and going on, ending it, beginning anew."""

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headway.cli.main import main
from headway.store import run_log

SECONDS = 60.0
CI = """
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps: [{run: 'echo build >> "%(top)s/ledger"'}]
  test:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - run: echo before >> "%(top)s/ledger"
      - run: |
          touch "%(top)s/waits"
          until test -e "%(top)s/gate"; do sleep 0.05; done
          echo after >> "%(top)s/ledger"
"""


@dataclass(frozen=True)
class Wreck:
    """A repository, and a home with a run that was killed in the second step of `test`."""

    top: Path
    home: Path

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, [*words, "--home", str(self.home)])

    def json(self, *words: str, code: int = 0) -> Any:
        done = self.run(*words, "--json")
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def ledger(self) -> list[str]:
        return (self.top / "ledger").read_text().split()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wreck]:
    top = Path(tempfile.mkdtemp(prefix="hwi"))
    wreck = Wreck(top, top / "home")
    flows = top / "shop/.github/workflows"
    flows.mkdir(parents=True)
    (flows / "ci.yml").write_text(CI % {"top": top})
    person = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com")
    for words in (("init", "-q"), ("add", "-A"), (*person, "commit", "-qm", "First")):
        subprocess.run(["git", *words], cwd=top / "shop", check=True)
    command = [sys.executable, "-m", "headway", "run", "-q", "--home", str(wreck.home)]
    running = subprocess.Popen(command, cwd=top / "shop")
    try:
        deadline = time.monotonic() + SECONDS
        while not (top / "waits").exists():
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.02)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    yield wreck
    shutil.rmtree(top)


@pytest.fixture
def wreck(killed: Wreck) -> Iterator[Wreck]:
    """The home as the kill left it."""
    copy = Wreck(killed.top, Path(tempfile.mkdtemp(prefix="hwi")) / "home")
    shutil.copytree(killed.home, copy.home, symlinks=True)
    before = set(killed.top.iterdir())
    ledger = (killed.top / "ledger").read_text()
    yield copy
    (killed.top / "ledger").write_text(ledger)
    for new in set(killed.top.iterdir()) - before:
        new.unlink()
    shutil.rmtree(copy.home.parent, ignore_errors=True)  # its trash may still be being emptied


def on_a_terminal(command: list[str]) -> tuple[int, str]:
    """Exit code and everything that was shown."""
    mine, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "24"}
    running = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    data = b""
    with contextlib.suppress(OSError):  # EIO: nobody writes any more
        while more := os.read(mine, 65536):
            data += more
    os.close(mine)
    return running.wait(SECONDS), data.decode()


def test_nobody_drives_it_and_that_is_said(wreck: Wreck) -> None:
    one = wreck.json("pipeline", "list", "--state", "interrupted")["items"][0]
    assert (one["state"], one["outcome"], one["changed"]) == ("interrupted", "", 0)
    assert one["counts"] == {"success": 1, "interrupted": 1}
    told = wreck.run("pipeline", "list").stdout
    assert "interrupted" in told
    assert (
        told.splitlines()[-1] == f"next   headway --home {wreck.home} pipeline resume {one['run']}"
    )
    shown = wreck.run("pipeline", "show", "last").stdout
    assert f"next   headway --home {wreck.home} pipeline resume {one['run']}" in shown
    assert "running" not in shown
    followed = wreck.run("pipeline", "logs", "last", "--follow")
    assert f"headway --home {wreck.home} pipeline resume" in followed.stderr
    with run_log.drive(wreck.home, one["run"]):
        assert wreck.json("pipeline", "show", "last")["state"] == "running"
        refused = wreck.run("pipeline", "resume", "last")
        assert refused.exit_code != 0
        assert "run-running" in refused.output


def test_it_goes_on_where_it_stood(wreck: Wreck) -> None:
    (wreck.top / "gate").touch()
    command = [sys.executable, "-m", "headway", "pipeline", "resume", "last"]
    code, shown = on_a_terminal([*command, "--home", str(wreck.home)])
    assert code == 0, shown
    assert "goes on: 1 jobs had ended, 1 had begun" in shown
    assert "2 jobs done" in shown
    assert wreck.ledger() == ["build", "before", "after"]
    seen = wreck.json("pipeline", "show", "last")
    assert (seen["state"], seen["attempt"]) == ("success", 1)
    assert [s["outcome"] for j in seen["jobs"] for s in j["steps"]] == ["success"] * 3
    late = wreck.run("pipeline", "resume", "last")
    assert late.exit_code == 2
    assert f"headway --home {wreck.home} pipeline rerun" in late.output


def test_it_can_be_ended(wreck: Wreck) -> None:
    done = wreck.run("pipeline", "cancel", "last", "--reason", "no longer wanted")
    assert "it had been interrupted" in done.stdout
    seen = wreck.json("pipeline", "show", "last")
    assert (seen["state"], seen["because"]) == ("cancelled", "no longer wanted")
    assert seen["counts"] == {"success": 1, "cancelled": 1}


def test_what_had_not_ended_can_be_begun_anew(wreck: Wreck) -> None:
    (wreck.top / "gate").touch()
    first = wreck.json("pipeline", "list")["items"][0]["run"]
    again = wreck.json("pipeline", "rerun", "last", "--failed")
    assert (again["state"], again["of"], again["attempt"]) == ("success", first, 2)
    assert wreck.ledger() == ["build", "before", "before", "after"]
    old = wreck.json("pipeline", "show", first)
    assert (old["state"], old["because"]) == (
        "cancelled",
        "the process that drove it ended before it did",
    )


def test_the_server_goes_on_with_its_own(wreck: Wreck) -> None:
    log = next((wreck.home / "runs").glob("*/log.jsonl"))
    first, *rest = run_log.read(wreck.home, log.parent.name)
    spec = json.loads(log.read_text().splitlines()[0])["event"]["spec"]
    assert spec["served"] is False
    made = type(first.spec)  # type: ignore[union-attr]
    owned = made(**{**{f: getattr(first.spec, f) for f in spec}, "id": "run_9", "served": True})  # type: ignore[union-attr]
    run_log.create(wreck.home, [type(first)(owned, first.at), *rest])  # type: ignore[call-arg]
    assert wreck.json("pipeline", "show", "run_9")["state"] == "interrupted"
    assert "the server goes on with it" in wreck.run("pipeline", "show", "run_9").stdout
    refused = wreck.run("pipeline", "resume", "run_9")
    assert refused.exit_code == 3
    assert "belongs to the server" in refused.output
