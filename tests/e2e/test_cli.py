"""`headway` as a user runs it: real processes, a real repository, exit codes, two outputs."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support import forked

HEADWAY = Path(sys.executable).with_name("headway")
CONFIG = """\
service: hello
run: exec python3 app.py
health: /health
analysis: {pace: quick}
environments:
  staging:
    run: {instances: 1}
    rollout: {strategy: rolling, stability: 1s}
"""
APPROVAL = "    gates: {approval: {count: 1}}\n"
WORKFLOW = """\
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: COMMAND
      - uses: actions/upload-artifact@v4
        with: {name: app, path: dist}
"""
APP = """\
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["HEADWAY_RELEASE"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

print("hello \\x1b[31mfrom the application", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Hello).serve_forever()
"""
SECONDS = 60


@dataclass(frozen=True)
class User:
    """Somebody with a repository and a home of their own."""

    home: Path
    repo: Path

    def command(self, *args: str) -> list[str]:
        return [str(HEADWAY), *args, "--home", str(self.home)]

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        words = [*args, "--home", str(self.home)]
        return forked.run(words, cwd=self.repo, env=environment(), timeout=SECONDS)

    def json(self, *args: str) -> Any:
        return json.loads(self.run(*args, "--json").stdout)

    def commit(self, subject: str, config: str = CONFIG, build: str = "cp -r src dist") -> str:
        """Write the repository and commit it; gives the sha."""
        (self.repo / "headway.yaml").write_text(config)
        workflow = self.repo / ".github/workflows/deliver.yml"
        workflow.parent.mkdir(parents=True, exist_ok=True)
        workflow.write_text(WORKFLOW.replace("COMMAND", build))
        (self.repo / "src").mkdir(exist_ok=True)
        (self.repo / "src/app.py").write_text(f"# {subject!r}\n{APP}")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def git(self, *args: str) -> str:
        who = ["-c", "user.name=Eve\x1b[2J", "-c", "user.email=eve@example.com"]
        done = subprocess.run(
            ["git", *who, *args], cwd=self.repo, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HEADWAY")}
    return kept | {"GIT_CONFIG_GLOBAL": "/dev/null"}


@pytest.fixture
def user(short_home: Path, tmp_path: Path) -> User:
    made = User(short_home, tmp_path / "repo")
    made.repo.mkdir()
    made.git("init", "-q", "-b", "main")
    return made


@pytest.mark.seed("S-016", "S-053")
def test_from_a_commit_to_users_and_everything_one_can_ask_about_it(user: User) -> None:
    sha = user.commit("First \x1b[31mred\x1b[0m")
    ahead = user.run("plan")
    assert (ahead.returncode, ahead.stdout.splitlines()[-1]) == (0, "Nothing was changed.")
    assert "would be hello-1" in ahead.stdout

    done = user.run("deliver", str(user.repo / "src"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("✓ delivered: hello-1 in ")
    assert "staging     ✓ released hello-1 at http://127.0.0.1:" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr

    place = user.json("status")["places"][0]
    assert (place["release"], place["commit"]) == ("hello-1", sha)
    logs = user.run("logs", "hello", "--env", "staging")
    assert "hello from the application" in logs.stdout
    assert "\x1b" not in logs.stdout
    assert user.run("doctor").returncode in {0, 1}

    digest = place["digest"]
    good = user.json("verify", digest[:16], "--env", "staging")
    assert good["admitted"]
    assert {c["check"] for c in good["checks"]} >= {"content", "signature", "admission"}
    tamper(user.home, digest)
    bad = user.run("verify", digest, "--env", "staging")
    assert bad.returncode == 3
    assert "FAIL  content" in bad.stdout


def tamper(home: Path, digest: str) -> None:
    """Change one byte of the artifact's largest blob."""
    blobs = home / "artifacts" / "blobs" / "sha256"
    manifest = json.loads((blobs / digest.removeprefix("sha256:")).read_text())
    blob = blobs / manifest["layers"][0]["digest"].removeprefix("sha256:")
    blob.chmod(0o600)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)


def test_a_red_build_is_exit_1_and_a_broken_file_exit_2_with_nothing_changed(user: User) -> None:
    user.commit("Red", build="echo boom; exit 3")
    red = user.run("deliver", "--json")
    assert red.returncode == 1, red.stderr
    told = json.loads(red.stdout)
    assert told["outcome"] == "failed"
    assert told["jobs"][0]["steps"][1]["exit"] == 3
    shown = user.run("delivery", "show", told["id"][:12])
    assert "✗ failure build" in shown.stdout

    user.commit("Broken", config=CONFIG.replace("health", "heath"))
    broken = user.run("deliver")
    assert broken.returncode == 2
    first, *_, last = broken.stderr.strip().splitlines()
    assert first.startswith("headway.yaml:3:1: unknown key `heath`")
    assert last.endswith("Nothing was changed.")
    assert broken.stdout == ""
    assert len(user.json("delivery", "list")["items"]) == 1
    assert user.run("deliver", "--rev", "--upload-pack=x").returncode == 2
    unreachable = user.run("deliver", "--rev", "HEAD~1", "--no-wait")
    assert (unreachable.returncode, f"headway --home {user.home} server" in unreachable.stderr) == (
        6,
        True,
    )


@pytest.mark.soak
def test_detached_while_it_waits_then_approved_then_watched_to_its_end(user: User) -> None:
    user.commit("Careful", config=CONFIG + APPROVAL)
    # what runs in the background of a shell ignores SIGINT, and so would its children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    running = subprocess.Popen(
        user.command("deliver"), cwd=user.repo, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    seen = []
    for row in running.stderr:
        seen.append(row)
        if "waiting: approval" in row:
            break
    running.send_signal(signal.SIGINT)
    rest = running.stderr.read()
    assert running.wait(SECONDS) == 130, "".join(seen) + rest
    assert "detached" in rest
    assert "next: headway delivery watch del_" in rest

    ahead = user.run("plan")
    assert ahead.returncode == 5
    assert "headway approve hello-1 --env staging" in ahead.stdout
    still = user.run("delivery", "watch", "hello-1", "--here", "--timeout", "1s")
    assert still.returncode == 5, still.stderr
    assert "headway approve hello-1 --env staging" in still.stdout

    wrong = user.run("approve", "hello-1", "--env", "prod", "--reason", "x")
    assert wrong.returncode == 2
    approved = user.run("approve", "hello-1", "--env", "staging", "--reason", "looks good")
    assert approved.returncode == 0, approved.stderr
    watched = user.run("delivery", "watch", "--here", "--json")
    assert watched.returncode == 0, watched.stderr
    kinds = [json.loads(row)["kind"] for row in watched.stdout.splitlines()]
    assert kinds[0] == "delivery.requested"
    assert kinds[-1] == "delivery.finished"
    said = user.json("trace", "hello-1")["deliveries"][0]["visits"][0]["said"]
    assert [(s["verb"], s["reason"]) for s in said] == [("approve", "looks good")]


@pytest.mark.soak
def test_two_at_once_one_runs_and_the_other_follows(user: User) -> None:
    user.commit("One")
    first, second = (
        subprocess.Popen(
            user.command("deliver", "--quiet"), cwd=user.repo, env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(2)
    )  # fmt: skip
    ends = []
    for one in (first, second):
        text, _ = one.communicate(timeout=SECONDS)
        ends.append((one.returncode, text.partition(" in ")[0]))
    codes = sorted(code for code, _ in ends)
    assert codes in ([0, 0], [0, 7]), ends


def test_looking_makes_no_home(user: User) -> None:
    for args in (["--help"], ["status"], ["delivery", "list"], ["events"], ["doctor", "--json"]):
        assert user.run(*args).returncode in {0, 1}, args
    assert not (user.home / "headway.db").exists()
