"""Objects are read as git itself shows them, also while the repository changes."""

import os
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from headway.adapters.git import objects
from headway.adapters.git.objects import Objects
from headway.adapters.git.source_host import GitSourceHost

MESSAGES = (
    "one line",
    "\n\n  late, and indented  \nsecond line\n\nbody",
    "a title\n \nafter a line of spaces",
    "",
    "ümlaut ✓\n\nSigned-off-by: x",
)
ZONES = ("+0000", "-0330", "+1345")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


def git(folder: Path, *arguments: str, data: bytes | None = None, **more: str) -> bytes:
    known = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    facts = {"NAME": "Ana  B.", "EMAIL": "a@b", "DATE": "1700000000 +0000"}
    who = {f"GIT_{w}_{k}": v for w in ("AUTHOR", "COMMITTER") for k, v in facts.items()}
    done = subprocess.run(["git", "-C", str(folder), *arguments], env=known | who | more,
                          input=data, capture_output=True, check=True)  # fmt: skip
    return done.stdout


def write(repo: Path, raw: bytes) -> str:
    sha = git(repo, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=raw)
    return sha.decode().strip()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("message", MESSAGES)
def test_a_commit_is_read_as_git_shows_it(repo: Path, message: str, zone: str) -> None:
    tree = git(repo, "write-tree").decode().strip()
    sha = git(repo, "commit-tree", tree, data=message.encode(),
              GIT_COMMITTER_DATE=f"1700000000 {zone}").decode().strip()  # fmt: skip
    _same(repo, sha)


@pytest.mark.parametrize(
    "author",
    ["A <a@b> 1 +0000", " <> 1 +0000", "x 1 +0000", "A <a@b> -5 +0000", "a <b <c> 1 +9999", ""],
)
@pytest.mark.parametrize("more", ["", "encoding ISO-8859-1\n"])
def test_an_odd_commit_too(repo: Path, author: str, more: str) -> None:
    tree = git(repo, "write-tree").decode().strip()
    lines = f"tree {tree}\nauthor {author}\ncommitter C <c@d> 1700000000 +0100\n{more}\n"
    _same(repo, write(repo, lines.encode() + b"caf\xe9\n"))


def _same(repo: Path, sha: str) -> None:
    shown = git(repo, "show", "-s", "--format=%an <%ae>%x00%s%x00%cI", sha).decode(errors="replace")
    author, subject, at = shown.rstrip("\n").split("\0")
    found = GitSourceHost().commit(str(repo), sha)
    assert (found.author, found.subject) == (author, subject)
    assert datetime.fromisoformat(found.committed_at) == datetime.fromisoformat(at)


def test_what_comes_later_is_seen_and_what_moves_too(repo: Path) -> None:
    host = GitSourceHost()
    seen = []
    for n in range(3):
        (repo / "f").write_text(str(n))
        git(repo, "add", "-A")
        git(repo, "commit", "-q", "-m", str(n))
        if n == 1:
            git(repo, "gc", "-q", "--prune=now")
        at = host.commit(str(repo), "main")
        seen.append((at.subject, at.ref, host.read(str(repo), at.sha, "f")))
    assert seen == [(str(n), "main", str(n).encode()) for n in range(3)]


def test_nothing_is_left_when_nobody_asks(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "IDLE_SECONDS", 0.05)
    reader = Objects()
    blob = git(repo, "hash-object", "-w", "--stdin", data=b"0123456789").decode().strip()
    for most in (10, 9):
        found = reader.get(repo / ".git", blob, most)
        assert found is not None
        assert (found.size, found.content) == (10, b"0123456789" if most == 10 else b"")
    assert reader.get(repo / ".git", "0" * 40, 10) is None
    assert reader.get(repo / ".git", f"{blob}\n{blob}", 10) is None
    deadline = time.monotonic() + 30
    while reader._open:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_git_that_was_killed_is_started_again(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "KEPT_BYTES", 0)
    reader = Objects()
    blob = git(repo, "hash-object", "-w", "--stdin", data=b"x").decode().strip()
    reader.get(repo / ".git", blob, 10)
    (running,) = reader._open.values()
    running._git.kill()
    running._git.wait()
    found = reader.get(repo / ".git", blob, 10)
    assert found is not None
    assert found.content == b"x"
