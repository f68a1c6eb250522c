"""`headway demo` for real. `make test` interrupts its first half; `make soak` runs it whole."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headway.demo import stage

DEMO = [sys.executable, "-m", "headway", "demo"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, because of Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="hd-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def run(*arguments: str, seconds: float = 120) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*DEMO, *arguments], capture_output=True, text=True, timeout=seconds, check=False
    )


def processes_of(folder: Path) -> list[str]:
    """Every living process that was started with the folder in its arguments or environment."""
    found, name = [], os.fsencode(folder)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            if words and (name in words or name in (entry / "environ").read_bytes()):
                found.append(f"{entry.name}: {words.replace(bytes(1), b' ').decode()}")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def wait_for(what: str, log: Path, process: "subprocess.Popen[bytes]", seconds: float) -> None:
    until = time.monotonic() + seconds
    while what not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)


@pytest.mark.soak
def test_interrupted_with_users_at_work_it_leaves_nothing_running(folder: Path) -> None:
    """Server, remote, git push, build, staging, production and users are real until here."""
    home, log = folder / "home", folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*DEMO, "--home", str(home)], stdout=out, stderr=out, start_new_session=True
        )
    try:
        wait_for("users come to http://127.0.0.1:", log, process, 240)
        wait_for("v2: git push headway main", log, process, 60)
        assert processes_of(home), "the demo has no processes?"
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(120)
    assert code == 130, log.read_text()
    assert "nothing of the demo runs any more" in log.read_text()
    assert processes_of(home) == []
    counted = json.loads((home / "demo" / "users.json").read_text())
    assert counted["final"]
    assert counted["total"]["requests"] > 0
    assert (home / "headway.db").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--rate", "100"], "below 400"),
        (["--rate", "nan"], "below 400"),
        (["--low-traffic", "--rate", "500"], "leave out --rate"),
        (["--fault", "fire"], "fire"),
        (["--report", "/nowhere/at/all.json"], "no folder /nowhere/at"),
        (["--stop"], "there is no demo to stop"),
    ],
)
def test_nonsense_is_refused_before_anything_is_started(arguments: list[str], word: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr


def test_a_home_in_use_is_left_alone(folder: Path) -> None:
    (folder / "headway.db").write_text("mine")
    done = run("--home", str(folder))
    assert done.returncode == 2
    assert "is in use" in done.stderr
    assert [f.name for f in folder.iterdir()] == ["headway.db"]


def test_another_headway_of_the_caller_is_never_touched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in stage.OWN:
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("NO_PROXY", "example.com")
    made = stage.prepare(folder / "home")
    given = stage.environment(made)
    assert not set(stage.OWN) & set(given)
    assert given["NO_PROXY"] == "example.com,127.0.0.1,localhost"
    code = "import sys; print(sys.executable)"
    found = subprocess.run(
        ["python3", "-c", code], env=given, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == sys.executable


def test_stop_ends_only_the_server_of_that_home(folder: Path) -> None:
    """The number in server.json may belong to somebody else by now."""
    stage.prepare(folder / "home")
    other = subprocess.Popen(["sleep", "600"])
    try:
        state = {"pid": other.pid, "address": "http://127.0.0.1:1", "started_at": 0.0}
        (folder / "home" / "server.json").write_text(json.dumps(state))
        done = run("--stop", "--home", str(folder / "home"))
        assert done.returncode == 0, done.stderr
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def reported(folder: Path, *arguments: str) -> dict[str, Any]:
    file = folder / "report.json"
    done = run("--home", str(folder / "home"), "--report", str(file), *arguments, seconds=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert processes_of(folder / "home") == []
    found: dict[str, Any] = json.loads(file.read_text())
    assert found["summary"]["lost"] == 0
    assert [d["requests_failed_by_delivery"] for d in found["deliveries"]] == [0] * len(
        found["deliveries"]
    )
    return found


def outcomes(found: dict[str, Any]) -> list[str]:
    return [d["outcome"] for d in found["deliveries"]]


@pytest.mark.soak
@pytest.mark.seed("S-105")
@pytest.mark.parametrize("fault", ["both", "errors", "latency", "leak"])
def test_a_bad_version_is_caught_and_rolled_back(folder: Path, fault: str) -> None:
    found = reported(folder, "--fault", fault)
    assert outcomes(found) == ["delivered", "promoted", "rolled_back"]
    third = found["deliveries"][2]
    assert third["detect_seconds"] > 0
    assert third["rollback_ms"] > 0
    assert 0 < third["exposed_share"] < 1
    assert third["recovery"] == "PASS"
    assert found["summary"]["rate_answered"] >= 400


@pytest.mark.soak
def test_a_good_third_version_is_promoted(folder: Path) -> None:
    assert outcomes(reported(folder, "--fault", "none")) == ["delivered", "promoted", "promoted"]


@pytest.mark.soak
def test_killed_in_both_canaries_it_ends_the_same(folder: Path) -> None:
    found = reported(folder, "--chaos")
    assert outcomes(found) == ["delivered", "promoted", "rolled_back"]
    assert [kill["version"] for kill in found["summary"]["server_kills"]] == ["v2", "v3"]


@pytest.mark.soak
def test_what_is_kept_runs_on_until_it_is_stopped(folder: Path) -> None:
    home, file = folder / "home", folder / "report.json"
    done = run("--home", str(home), "--report", str(file), "--keep", seconds=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "demo --stop --home" in done.stdout
    found = json.loads(file.read_text())
    with urllib.request.urlopen(f"{found['evidence']['production']}/version", timeout=10) as answer:
        assert json.load(answer)["version"] == 2
    assert run("--stop", "--home", str(home)).returncode == 0
    assert processes_of(home) == []


@pytest.mark.soak
def test_with_hardly_any_users_nothing_is_promoted(folder: Path) -> None:
    found = reported(folder, "--low-traffic")
    assert outcomes(found) == ["delivered", "held"]
    assert "insufficient data" in found["deliveries"][1]["why"]
