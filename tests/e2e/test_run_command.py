"""`headway run` and `headway pipeline` on real repositories with the real runner."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from headway.cli.main import main

SECONDS = 60.0
CI = """
on: {push: , workflow_dispatch: {inputs: {level: {type: choice, options: [minor, major]}}}}
jobs:
  build:
    runs-on: ubuntu-latest
    outputs: {v: "${{ steps.s.outputs.v }}"}
    steps:
      - id: s
        run: echo v=7 >> "$GITHUB_OUTPUT"
      - run: echo "level [${{ inputs.level }}] secret $TOKEN"
        env: {TOKEN: "${{ secrets.TOKEN }}"}
  test:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - name: Unit tests
        run: |
          echo "::group::Set up"
          echo inside
          echo "::endgroup::"
          echo "::error file=app.py,line=3,col=5::no good"
          echo "build ${{ needs.build.outputs.v }}"
          test ! -e red.txt
      - if: always()
        run: echo "# Tests" >> "$GITHUB_STEP_SUMMARY"
  deploy:
    needs: test
    runs-on: ubuntu-latest
    steps: [{run: echo deployed}]
"""
SLOW = """
on: push
jobs:
  wait:
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo waiting
          echo here > "$MARK"
          sleep 300 & sleep 301
        env: {MARK: "%s"}
      - if: always()
        run: echo cleaned > "%s"
"""


@dataclass(frozen=True)
class Desk:
    """A repository and a home."""

    repo: Path
    home: Path

    def write(self, name: str, text: str) -> None:
        (self.repo / ".github/workflows").mkdir(parents=True, exist_ok=True)
        (self.repo / ".github/workflows" / name).write_text(text)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, [*words, "--home", str(self.home)])

    def json(self, *words: str, code: int = 0) -> Any:
        done = self.run(*words, "--json")
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def start(self, *words: str, **more: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "headway", *words, "--home", str(self.home)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | more
        return subprocess.Popen(command, cwd=self.repo, **pipes)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit; every test works on a copy of it."""
    repo = tmp_path_factory.mktemp("committed") / "shop"
    Desk(repo, repo).write("ci.yml", CI)
    commit = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com", "commit", "-qm", "First")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), commit):
        subprocess.run(["git", *words], cwd=repo, check=True)
    return repo


@pytest.fixture
def desk(
    committed: Path, short_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Desk:
    repo = tmp_path / "shop"
    shutil.copytree(committed, repo, symlinks=True)
    monkeypatch.chdir(repo)
    return Desk(repo, short_home)


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_green_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "hush-hush-9")
    done = desk.run("run", "--secret", "TOKEN=OTHER")
    assert done.exit_code == 0, done.output
    assert "build | " in done.stderr
    assert "secret ***" in done.stderr
    assert "hush-hush-9" not in done.output
    assert "✓ success: .github/workflows/ci.yml on push, main" in done.stdout
    assert "app.py:3:5: error: no good" in done.stdout
    assert "# Tests" in done.stdout
    seen = desk.json("pipeline", "show", "last")
    assert seen["outcome"] == "success"
    assert [j["id"] for j in seen["jobs"]] == ["build", "test", "deploy"]
    assert seen["jobs"][0]["outputs"] == {"v": "7"}
    assert desk.json("pipeline", "list")["items"][0]["run"] == seen["run"]
    assert "differ" not in done.output
    check_logs(desk)
    check_completion(desk, monkeypatch)


def test_a_red_run_tells_what_and_how_to_go_on(desk: Desk) -> None:
    (desk.repo / "red.txt").write_text("dirty")
    done = desk.run("run")
    assert done.exit_code == 1
    assert "1 differ" in done.stderr
    assert "(1 file differs from it)" in done.stdout
    told = done.stdout
    assert "test > Unit tests  exit 1" in told
    assert "build 7" in told
    assert ".github/workflows/ci.yml:17" in told
    assert "□ deploy: " in told
    again = f"headway --home {desk.home}"
    assert f"{again} run --workflow .github/workflows/ci.yml --job test" in told
    run = desk.json("pipeline", "list")["items"][0]["run"]
    assert f"{again} pipeline rerun {run} --failed" in told
    assert f"{again} pipeline logs {run} test" in told
    check_only_what_failed_runs_again(desk, run)


@pytest.mark.seed("S-004")
def test_the_file_is_the_pipeline_and_an_old_run_replays_its_own(desk: Desk) -> None:
    first = desk.json("run")["run"]
    desk.write("ci.yml", CI.replace("echo deployed", "exit 9"))
    assert desk.json("run", code=1)["outcome"] == "failure"
    again = desk.json("pipeline", "rerun", first)
    assert again["outcome"] == "success"
    assert again["of"] == first
    assert again["attempt"] == 2


def check_only_what_failed_runs_again(desk: Desk, first: str) -> None:
    (desk.repo / "red.txt").unlink()
    again = desk.json("pipeline", "rerun", first, "--failed")
    assert again["outcome"] == "success"
    by_id = {j["id"]: j["reused"] for j in again["jobs"]}
    assert by_id == {"build": first, "test": "", "deploy": ""}
    refused = desk.run("pipeline", "rerun", again["run"], "--failed")
    assert refused.exit_code == 2
    assert "nothing failed" in refused.output


def check_logs(desk: Desk) -> None:
    told = desk.run("pipeline", "logs", "last", "test", "Unit tests").stdout
    assert told.splitlines() == [
        "▸ Unit tests",
        "  Set up",
        "    inside",
        "  no good",
        "  build 7",
    ]
    lines = [
        json.loads(t) for t in desk.run("pipeline", "logs", "last", "--json").stdout.splitlines()
    ]
    assert {t["job"] for t in lines} == {"build", "test", "deploy"}
    inside = next(t for t in lines if t["text"] == "inside")
    assert (inside["job"], inside["step"], inside["group"]) == ("test", 2, 1)
    raw = desk.run("pipeline", "logs", "last", "test", "2", "--raw")
    rest = desk.run("pipeline", "logs", "last", "test", "2", "--raw", "--offset", "4")
    assert rest.stdout == raw.stdout[4:]
    assert "offset" in raw.stderr


def test_dry_run_runs_nothing(desk: Desk) -> None:
    told = desk.json("run", "--dry-run")
    assert [(j["id"], j["wave"], j["needs"]) for j in told["jobs"]] == [
        ("build", 1, []), ("test", 2, ["build"]), ("deploy", 3, ["test"]),
    ]  # fmt: skip
    assert desk.json("pipeline", "list")["items"] == []
    assert "Nothing was run." in desk.run("run", "--dry-run").stdout


def test_what_cannot_run_here_is_refused_first(desk: Desk) -> None:
    desk.write("ci.yml", CI.replace("{run: echo deployed}", "{run: x, shell: 'nosuch {0}'}"))
    done = desk.run("run")
    assert done.exit_code == 3
    assert "nosuch" in done.output
    assert desk.json("pipeline", "list")["items"] == []
    assert desk.run("run", "--dry-run").exit_code == 3


BAD = {
    "no-such-file": (("--workflow", "cj"), "--workflow ci.yml"),
    "no-such-job": (("--job", "tests"), "--job test"),
    "no-such-event": (("--workflow", "ci", "--event", "release"), "--event push"),
    "no-trigger": (("--event", "schedule"), "--workflow .github/workflows/ci.yml"),
    "unknown-input": (("--event", "workflow_dispatch", "--input", "lvl=minor"), "lvl"),
    "bad-choice": (("--event", "workflow_dispatch", "--input", "level=tiny"), "minor"),
    "pairs": (("--var", "novalue"), "--var takes NAME=VALUE"),
    "no-secret": (("--secret", "NOT_IN_THE_ENVIRONMENT"), "--secret-file"),
    "event-file": (("--event-file", "none.json"), "none.json"),
}


@pytest.mark.parametrize(("words", "says"), BAD.values(), ids=BAD)
def test_bad_input(desk: Desk, words: tuple[str, ...], says: str) -> None:
    done = desk.run("run", *words)
    assert done.exit_code == 2, done.output
    assert says in done.output
    assert desk.json("pipeline", "list")["items"] == []


OLD = """\
on:
  workflow_dispatch:
    inputs: {size: {deprecationMessage: take level}}
jobs:
  a:
    runs-on: x
    environment: {name: staging, url: "https://shop.example/${{ steps.s.outputs.n }}"}
    steps: [{id: s, run: echo n=7 >> $GITHUB_OUTPUT}]
"""


def test_a_deprecated_input_and_an_address_are_told(desk: Desk) -> None:
    desk.write("old.yml", OLD)
    done = desk.run("run", "--workflow", "old", "--input", "size=5")
    assert done.exit_code == 0, done.output
    assert "warning: the input `size` is deprecated: take level" in done.stderr
    assert "  url   a: https://shop.example/7\n" in done.stdout
    seen = desk.json("pipeline", "show", "last")
    assert seen["jobs"][0]["url"] == "https://shop.example/7"
    assert "url https://shop.example/7" in desk.run("pipeline", "show", "last").stdout
    assert "deprecated" not in desk.run("run", "--workflow", "old").output


def test_several_workflows_and_none(desk: Desk) -> None:
    desk.write("nightly.yml", CI)
    done = desk.run("run")
    assert done.exit_code == 2
    assert "nightly.yml" in done.output
    assert "which-workflow" in done.output
    broken = desk.run("run", "--workflow", "nowhere/else")
    assert broken.exit_code == 2
    assert desk.run("run", "/").exit_code == 2


def test_a_broken_file_is_told_with_its_place(desk: Desk) -> None:
    desk.write("ci.yml", CI.replace("runs-on", "run-on", 1))
    done = desk.run("run")
    assert done.exit_code == 2
    assert ".github/workflows/ci.yml:5:5: " in done.output


def test_secret_files(desk: Desk) -> None:
    (desk.repo / "s.env").write_text('# mine\nexport TOKEN="pass\\nword-7"\nPEM<<END\na\nb\nEND\n')
    done = desk.run("run", "--secret-file", "s.env", "--job", "build")
    assert done.exit_code == 0
    assert "word-7" not in done.output
    (desk.repo / "s.env").write_text("good=1\nline without sense secret-text\n")
    broken = desk.run("run", "--secret-file", "s.env")
    assert broken.exit_code == 2
    assert "line 2 of s.env" in broken.output
    assert "secret-text" not in broken.output


@pytest.fixture
def slow(desk: Desk, tmp_path: Path) -> tuple[Desk, Path, Path]:
    mark, clean = tmp_path / "mark", tmp_path / "clean"
    desk.write("ci.yml", SLOW % (mark, clean))
    return desk, mark, clean


def survivors() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] in ([b"sleep", b"300"], [b"sleep", b"301"]):
            found.append(entry.parent.name)
    return found


def test_one_interrupt_cancels_in_order(slow: tuple[Desk, Path, Path]) -> None:
    desk, mark, clean = slow
    before = set(survivors())
    running = desk.start("run")
    try:
        eventually(mark.exists)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=SECONDS)
    finally:
        running.kill()
    assert running.returncode == 130
    assert "cancelled" in out
    assert clean.read_text() == "cleaned\n"
    assert set(survivors()) <= before
    assert desk.json("pipeline", "list")["items"][0]["outcome"] == "cancelled"


def test_two_interrupts_kill(slow: tuple[Desk, Path, Path]) -> None:
    desk, mark, clean = slow
    desk.write("ci.yml", (desk.repo / ".github/workflows/ci.yml").read_text().replace(
        "echo waiting", "trap '' INT TERM; echo waiting"
    ))  # fmt: skip
    before = set(survivors())
    running = desk.start("run")
    try:
        eventually(mark.exists)
        running.send_signal(signal.SIGINT)
        time.sleep(0.3)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=SECONDS)
    finally:
        running.kill()
    assert running.returncode == 130
    eventually(lambda: set(survivors()) <= before)
    assert not clean.exists()


def test_another_terminal_follows_and_cancels(slow: tuple[Desk, Path, Path]) -> None:
    desk, mark, clean = slow
    running = desk.start("run", "--json")
    follower = None
    try:
        eventually(mark.exists)
        follower = desk.start("pipeline", "logs", "last", "--follow")
        assert desk.json("pipeline", "show", "last")["outcome"] == ""
        assert desk.run("pipeline", "cancel", "last", "--reason", "wrong branch").exit_code == 0
        out, _ = running.communicate(timeout=SECONDS)
        told, _ = follower.communicate(timeout=SECONDS)
    finally:
        for process in (running, follower):
            if process is not None:
                process.kill()
    assert json.loads(out)["because"] == "wrong branch"
    assert running.returncode == 130
    assert "waiting" in told
    assert clean.exists()
    late = desk.run("pipeline", "cancel", "last")
    assert late.exit_code == 2
    assert "has ended" in late.output


HOSTILE = r"""
on: push
jobs:
  evil:
    runs-on: ubuntu-latest
    steps:
      - name: "bad \x1b]0;title\x07 name"
        run: |
          printf 'clear \033[2J \033]0;owned\007 home \033[1;1H end\n'
          sleep 0.4
          exit 3
"""


def test_the_live_tree_on_a_terminal(desk: Desk) -> None:
    desk.write("ci.yml", HOSTILE)
    mine, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    running = desk.start("run", stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    shown = _all_of(mine, running)
    assert running.wait(SECONDS) == 1
    assert "evil" in shown
    assert "1 running" in shown
    assert "clear" in shown
    for sequence in ("\x1b[2J", "\x1b]0;", "\x1b[1;1H"):
        assert sequence not in shown
    assert shown.count("\x1b[?25h") >= shown.count("\x1b[?25l") > 0


def _all_of(mine: int, running: "subprocess.Popen[str]") -> str:
    data = b""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        ready, _, _ = select.select([mine], [], [], 0.2)
        try:
            more = os.read(mine, 65536) if ready else b""
        except OSError:
            break
        data += more
        if not more and running.poll() is not None:
            break
    os.close(mine)
    return data.decode()


@pytest.mark.soak
def test_five_hundred_jobs_are_bounded(desk: Desk) -> None:
    job = """
    runs-on: ubuntu-latest
    strategy: {fail-fast: false, matrix: {n: %s}}
    steps: [{run: 'echo ${{ matrix.n }}'}]
""" % list(range(250))  # noqa: UP031  braces are the workflow's
    desk.write("ci.yml", f"on: push\njobs:\n  a:{job}  b:{job}")
    running = desk.start("run", "--quiet", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0
    assert usage.ru_maxrss < 150 * 1024, "KiB"
    assert desk.json("pipeline", "list")["items"][0]["counts"] == {"success": 500}


def check_completion(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_HOME", str(desk.home))
    asked = ShellComplete(main, {}, "headway", "_HEADWAY_COMPLETE")
    run = desk.json("pipeline", "list")["items"][0]["run"]
    assert [c.value for c in asked.get_completions(["pipeline", "show"], "")] == [run]
    jobs = [c.value for c in asked.get_completions(["pipeline", "logs", run], "")]
    assert jobs == ["build", "test", "deploy"]
