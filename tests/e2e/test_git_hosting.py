"""Real `git` against the real HTTP door on loopback: pushes, clones, and what must not happen."""

import asyncio
import base64
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from starlette.requests import Request

from headway.adapters.git.hosting import GitHosting
from headway.api.git import git_app
from headway.model.errors import Invalid

TOKEN = "s3cret"
BASIC = "Basic " + base64.b64encode(f"x:{TOKEN}".encode()).decode()


def may_push(request: Request) -> bool:
    return request.headers.get("authorization") == BASIC


@dataclass
class Door:
    home: Path
    port: int

    def url(self, name: str, password: str = TOKEN) -> str:
        return f"http://x:{password}@127.0.0.1:{self.port}/{name}.git"

    def notes(self) -> list[dict[str, str]]:
        files = sorted((self.home / "pushes").glob("*.json"))
        return [json.loads(file.read_text()) for file in files]


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


@contextmanager
def opened() -> Iterator[Door]:
    """A server on a free port with a home of its own."""
    home = Path(tempfile.mkdtemp(prefix="hw"))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(git_app(home, may_push), lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield Door(home, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
        shutil.rmtree(home)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with opened() as found:
        yield found


def git(*arguments: str, cwd: Path | None = None, ok: bool = True) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "ana",
        "GIT_AUTHOR_EMAIL": "ana@example.com",
        "GIT_COMMITTER_NAME": "ana",
        "GIT_COMMITTER_EMAIL": "ana@example.com",
    }
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout.strip() if ok else done.stderr


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    git("init", "-q", "-b", "main", cwd=folder)
    (folder / "a.txt").write_text("one\n")
    git("add", ".", cwd=folder)
    git("commit", "-q", "-m", "first", cwd=folder)
    return folder


def ask(door: Door, text: bytes, parts: int = 1_000_000) -> bytes:
    """One raw request; the answer up to the close of the connection, or its first parts."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as connection:
        connection.sendall(text)
        answer = b""
        while parts and (chunk := connection.recv(65536)):
            answer += chunk
            parts -= 1
        return answer


def get(door: Door, path: str, *headers: str) -> tuple[int, bytes]:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    answer = ask(door, "\r\n".join(lines).encode())
    return int(answer.split()[1]), answer


@pytest.mark.seed("S-001")
def test_a_push_leaves_a_note_with_its_sha(door: Door, work: Path) -> None:
    repo = GitHosting(door.home).create("shop")
    before = len(door.notes())
    sha = git("rev-parse", "HEAD", cwd=work)
    start = time.monotonic()
    git("push", "-q", door.url("shop"), "main", cwd=work)
    wait_for(lambda: len(door.notes()) > before, 5)
    assert time.monotonic() - start < 20
    note = door.notes()[-1]
    assert note["new"] == sha
    assert note["old"] == "0" * 40
    assert note["ref"] == "refs/heads/main"
    assert note["repo"] == str(repo)
    assert note["at"].endswith("Z")
    assert GitHosting(door.home).heads("shop") == {"refs/heads/main": sha}


def test_clone_gives_what_was_pushed(door: Door, work: Path, tmp_path: Path) -> None:
    GitHosting(door.home).create("clone-me")
    git("push", "-q", door.url("clone-me"), "main", cwd=work)
    git("clone", "-q", door.url("clone-me"), str(tmp_path / "again"))
    assert (tmp_path / "again" / "a.txt").read_text() == "one\n"


def test_a_big_push_arrives_whole(door: Door, work: Path) -> None:
    GitHosting(door.home).create("big")
    (work / "big.bin").write_bytes(os.urandom(6_000_000))
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "big", cwd=work)
    git("push", "-q", door.url("big"), "main", cwd=work)
    repo = str(GitHosting(door.home).path("big"))
    assert git(f"--git-dir={repo}", "cat-file", "-s", "main:big.bin") == "6000000"
    git(f"--git-dir={repo}", "fsck", "--strict")


def test_every_pushed_ref_is_noted_and_hostile_names_stay_text(door: Door, work: Path) -> None:
    GitHosting(door.home).create("many")
    hostile = 'a"$(touch${IFS}x)`id`;&'
    git("branch", hostile, cwd=work)
    before = len(door.notes())
    git("push", "-q", door.url("many"), "main", f"refs/heads/{hostile}", cwd=work)
    refs = {note["ref"] for note in door.notes()[before:]}
    assert refs == {"refs/heads/main", f"refs/heads/{hostile}"}
    assert not list(door.home.rglob("x"))


def test_a_wrong_token_is_401_and_changes_nothing(door: Door, work: Path) -> None:
    GitHosting(door.home).create("locked")
    before = len(door.notes())
    said = git("push", "-q", door.url("locked", "wrong"), "main", cwd=work, ok=False)
    assert "Authentication failed" in said
    said = git("clone", "-q", door.url("locked", "wrong"), str(work / "c"), ok=False)
    assert "Authentication failed" in said
    assert GitHosting(door.home).heads("locked") == {}
    assert len(door.notes()) == before


def test_401_names_basic_and_comes_before_404(door: Door) -> None:
    query = "info/refs?service=git-receive-pack"
    for name in ("shop", "no-such-repository"):
        status, answer = get(door, f"/{name}.git/{query}")
        assert status == 401
        assert b'www-authenticate: Basic realm="headway"' in answer
    status, _ = get(door, f"/no-such-repository.git/{query}", f"Authorization: {BASIC}")
    assert status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../shop.git/info/refs?service=git-upload-pack",
        "/%2e%2e/shop.git/info/refs?service=git-upload-pack",
        "/x/../shop.git/info/refs?service=git-upload-pack",
        "/shop.git/../shop.git/info/refs?service=git-upload-pack",
        "/shop%2egit/info/refs?service=git-upload-pack",
        "/shop.git%2finfo/refs?service=git-upload-pack",
        "/sho%70.git/info/refs?service=git-upload-pack",
        "//shop.git/info/refs?service=git-upload-pack",
        "/shop.git//info/refs?service=git-upload-pack",
        "/shop.git/info/refs;x?service=git-upload-pack",
        "/shop.git/info/refs%00?service=git-upload-pack",
        "/shop.git/info/refs%0a?service=git-upload-pack",
        "/SHOP.git/info/refs?service=git-upload-pack",
        "/shop.git./info/refs?service=git-upload-pack",
        "/shop.git/HEAD",
        "/shop.git/config",
        "/shop.git/objects/info/packs",
        "/.git/info/refs?service=git-upload-pack",
        "/-x.git/info/refs?service=git-upload-pack",
        "/",
    ],
)
def test_no_other_spelling_reaches_git(door: Door, path: str) -> None:
    GitHosting(door.home).create("shop")
    status, _ = get(door, path, f"Authorization: {BASIC}")
    assert status == 404


def test_only_the_smart_protocol_and_its_methods(door: Door) -> None:
    GitHosting(door.home).create("shop")
    right = f"Authorization: {BASIC}"
    assert get(door, "/shop.git/info/refs", right)[0] == 403
    assert get(door, "/shop.git/info/refs?service=git-upload-archive", right)[0] == 403
    assert get(door, "/shop.git/git-receive-pack", right)[0] == 405
    assert get(door, "/shop.git/git-receive-pack", right, "X-HTTP-Method-Override: POST")[0] == 405
    assert get(door, "/shop.git/info/refs?service=git-upload-pack", right)[0] == 200


def test_a_gzip_body_is_understood(door: Door, work: Path) -> None:
    GitHosting(door.home).create("zipped")
    git("push", "-q", door.url("zipped"), "main", cwd=work)
    sha = git("rev-parse", "HEAD", cwd=work)
    plain = f"0032want {sha}\n00000009done\n".encode()
    body = gzip.compress(plain)
    head = (
        "POST /zipped.git/git-upload-pack HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: {BASIC}\r\nContent-Type: application/x-git-upload-pack-request\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = ask(door, head.encode() + body)
    assert answer.split()[1] == b"200"
    assert b"NAK\n" in answer
    assert b"PACK" in answer


def test_a_chunked_body_of_unknown_length_is_understood(door: Door, work: Path) -> None:
    GitHosting(door.home).create("chunked")
    (work / "more.bin").write_bytes(os.urandom(300_000))
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "more", cwd=work)
    git("-c", "http.postBuffer=1000", "push", "-q", door.url("chunked"), "main", cwd=work)
    sha = git("rev-parse", "HEAD", cwd=work)
    assert GitHosting(door.home).heads("chunked") == {"refs/heads/main": sha}


def receiving(name: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if f"PATH_INFO=/{name}.git/git-receive-pack\0".encode() in environment:
                found.append(folder.name)
    return found


def test_a_killed_push_leaves_nothing(door: Door, work: Path) -> None:
    repo = GitHosting(door.home).create("killed")
    before = len(door.notes())
    command = b"\0 report-status\n"
    line = b"0" * 40 + b" " + b"1" * 40 + b" refs/heads/main" + command
    pack = b"%04x" % (len(line) + 4) + line + b"0000" + b"PACK" + b"\0\0\0\2" + b"\0\0\0\1"
    head = (
        "POST /killed.git/git-receive-pack HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {BASIC}\r\nContent-Type: application/x-git-receive-pack-request\r\n"
        "Content-Length: 100000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", door.port)) as connection:
        connection.sendall(head.encode() + pack)
        wait_for(lambda: receiving("killed"))
    wait_for(lambda: not receiving("killed"))
    assert GitHosting(door.home).heads("killed") == {}
    assert len(door.notes()) == before
    assert not [p for p in (repo / "objects").rglob("*") if p.is_file()]


def half_a_push(name: str) -> bytes:
    return (
        f"POST /{name}.git/git-receive-pack HTTP/1.1\r\nHost: [::1]\r\nAuthorization: {BASIC}\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000\r\n\r\n0"
    ).encode()


def test_who_falls_silent_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.api.git.IDLE_SECONDS", 0.3)
    with opened() as door:
        GitHosting(door.home).create("silent")
        answer = ask(door, half_a_push("silent"))
        assert not answer.endswith(b"0\r\n\r\n")
        wait_for(lambda: not receiving("silent"))


def test_too_much_is_refused_at_once_or_while_it_comes(
    monkeypatch: pytest.MonkeyPatch, work: Path
) -> None:
    monkeypatch.setattr("headway.api.git.MAX_PUSH_BYTES", 500_000)
    (work / "big.bin").write_bytes(os.urandom(600_000))
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "big", cwd=work)
    with opened() as door:
        GitHosting(door.home).create("much")
        said = git("push", "-q", door.url("much"), "main", cwd=work, ok=False)
        assert "HTTP 413" in said
        chunked = ("-c", "http.postBuffer=1000")
        git(*chunked, "push", "-q", door.url("much"), "main", cwd=work, ok=False)
        assert GitHosting(door.home).heads("much") == {}
        wait_for(lambda: not receiving("much"))
        assert not list((door.home / "git" / "much.git" / "objects").rglob("tmp_*"))


def test_no_more_than_some_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.api.git.AT_ONCE", 1)
    monkeypatch.setattr("headway.api.git.BUSY_SECONDS", 0.3)
    with opened() as door:
        GitHosting(door.home).create("busy")
        address = "/busy.git/info/refs?service=git-upload-pack"
        with socket.create_connection(("127.0.0.1", door.port)) as first:
            first.sendall(half_a_push("busy"))
            wait_for(lambda: receiving("busy"))
            assert get(door, address, f"Authorization: {BASIC}")[0] == 503
        wait_for(lambda: get(door, address, f"Authorization: {BASIC}")[0] == 200)


def test_a_git_killed_in_mid_push_leaves_no_note(door: Door, work: Path) -> None:
    GitHosting(door.home).create("cut")
    (work / "big.bin").write_bytes(os.urandom(30_000_000))
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "big", cwd=work)
    before = len(door.notes())
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    pushing = subprocess.Popen(
        ["git", "push", "-q", door.url("cut"), "main"],
        cwd=work,
        env=env,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(lambda: receiving("cut") or pushing.poll() is not None)
    assert pushing.poll() is None, "the push was over before it could be killed"
    os.killpg(pushing.pid, signal.SIGKILL)
    pushing.wait()
    wait_for(lambda: not receiving("cut"))
    assert GitHosting(door.home).heads("cut") == {}
    assert len(door.notes()) == before


def test_branches_cannot_be_deleted_and_other_refs_not_pushed(door: Door, work: Path) -> None:
    GitHosting(door.home).create("kept")
    git("push", "-q", door.url("kept"), "main", cwd=work)
    git("push", "-q", door.url("kept"), ":main", cwd=work, ok=False)
    git("push", "-q", door.url("kept"), "main:refs/secret/x", cwd=work, ok=False)
    assert list(GitHosting(door.home).heads("kept")) == ["refs/heads/main"]


def test_a_push_by_path_is_noted_too(door: Door, work: Path) -> None:
    repo = GitHosting(door.home).create("by-path")
    before = len(door.notes())
    git("-c", "core.hooksPath=/nonexistent", "push", "-q", str(repo), "main", cwd=work)
    assert len(door.notes()) == before + 1


def test_a_spool_that_cannot_be_written_is_told_to_the_pusher(tmp_path: Path, work: Path) -> None:
    repo = GitHosting(tmp_path / "home").create("shop")
    (tmp_path / "home" / "pushes").write_text("in the way")
    pushed = subprocess.run(
        ["git", "push", str(repo), "main"], cwd=work, capture_output=True, check=False
    )
    assert pushed.returncode == 0
    assert b"was pushed but not noted" in pushed.stderr
    assert GitHosting(tmp_path / "home").heads("shop")


def test_create_is_idempotent_and_names_are_checked(tmp_path: Path) -> None:
    hosting = GitHosting(tmp_path)
    first = hosting.create("shop")
    (first / "hooks" / "post-receive").write_text("broken")
    assert hosting.create("shop") == first
    assert "pushes" in (first / "hooks" / "post-receive").read_text()
    assert hosting.names() == ("shop",)
    assert [p.name for p in (tmp_path / "git").iterdir()] == ["shop.git"]
    for bad in ("../x", "Shop", "-x", "x-", "s", "a/b", "a" * 41, "shop\n", ""):
        with pytest.raises(Invalid, match="cannot name a repository"):
            hosting.create(bad)
