"""Writes the tree of one commit as files, byte for byte what was committed.

Blobs are read raw: `git archive` would obey export-ignore and export-subst, `git checkout` would
run filters and change line ends, so the tree is written here. Called by source_host.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from headway.adapters.git.command import conversation, expect, git
from headway.model.errors import Failed, Refused
from headway.record import dataclass

MAX_FILES = 300_000
MAX_BYTES = 8 * 1024**3
_CHUNK = 1 << 20
_MODES = {"100644": 0o644, "100664": 0o644, "100755": 0o755}
_LINK, _SUBMODULE = "120000", "160000"


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    sha: str
    size: int
    path: bytes


def write_tree(folder: Path, sha: str, into: Path) -> None:
    """Write the commit's files into the empty folder `into`; links last: none is written through.

    A submodule becomes an empty folder. Raises Refused (`hostile-tree`, `tree-too-large`) and names
    the path.
    """
    entries = tuple(_entries(folder, sha))
    _check_size(entries)
    for entry in entries:
        _check_path(entry)
    with conversation(folder, "cat-file", "--batch") as batch:
        try:
            _write_files(batch, entries, into)
        except (FileExistsError, NotADirectoryError) as error:
            raise Refused(
                "the commit holds one path as a file and as a folder",
                why=str(error.filename),
                code="hostile-tree",
            ) from error


def _write_files(batch: "subprocess.Popen[bytes]", entries: tuple[_Entry, ...], into: Path) -> None:
    links = []
    for entry in entries:
        path = into / os.fsdecode(entry.path)
        if entry.mode == _SUBMODULE:
            path.mkdir(parents=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.mode == _LINK:
            links.append((path, _blob_bytes(batch, entry)))
        else:
            _write_file(batch, entry, path)
    for path, target in links:
        path.symlink_to(os.fsdecode(target))
    for path, target in links:
        _check_link(path, target, into)


def _entries(folder: Path, sha: str) -> Iterator[_Entry]:
    listed = git(folder, "ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", sha)
    for line in expect(listed, f"the tree of {sha} cannot be read").split(b"\0")[:-1]:
        head, _, path = line.partition(b"\t")
        mode, _kind, blob, size = head.decode("ascii").split()
        yield _Entry(mode, blob, 0 if size == "-" else int(size), path)


def _check_size(entries: tuple[_Entry, ...]) -> None:
    if len(entries) > MAX_FILES or sum(entry.size for entry in entries) > MAX_BYTES:
        raise Refused(
            f"the commit's tree is larger than {MAX_FILES} files or {MAX_BYTES >> 30} GiB",
            code="tree-too-large",
        )


def _check_path(entry: _Entry) -> None:
    parts = entry.path.split(b"/")
    if any(part in {b"", b".", b".."} or part.lower() == b".git" for part in parts):
        raise _hostile(entry.path, "is no path inside the tree")
    if entry.mode not in {*_MODES, _LINK, _SUBMODULE}:
        raise _hostile(entry.path, f"has mode {entry.mode}")


def _check_link(path: Path, target: bytes, into: Path) -> None:
    name = os.fsencode(path.relative_to(into))
    inside = _stays_inside(path, into.resolve())
    if target.startswith(b"/") or not inside:
        raise _hostile(name, "is a symbolic link that leaves the tree")


def _stays_inside(link: Path, top: Path) -> bool:
    """Whether the link leads to a place below `top`, there or not; a loop leads nowhere."""
    try:
        return link.resolve(strict=True).is_relative_to(top)
    except FileNotFoundError:
        return link.resolve().is_relative_to(top)
    except (OSError, RuntimeError):
        return False


def _hostile(path: bytes, fault: str) -> Refused:
    shown = path.decode("utf-8", "replace")
    return Refused(f"{shown!r} {fault}", why="the commit's tree is refused", code="hostile-tree")


def _write_file(batch: "subprocess.Popen[bytes]", entry: _Entry, path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in _blob(batch, entry):
            file.write(chunk)
        os.fchmod(file.fileno(), _MODES[entry.mode])


def _blob_bytes(batch: "subprocess.Popen[bytes]", entry: _Entry) -> bytes:
    return b"".join(_blob(batch, entry))


def _blob(batch: "subprocess.Popen[bytes]", entry: _Entry) -> Iterator[bytes]:
    """One blob of the running `cat-file --batch`: it answers a head line, the bytes, a newline."""
    assert batch.stdin is not None
    assert batch.stdout is not None
    batch.stdin.write(f"{entry.sha}\n".encode("ascii"))
    batch.stdin.flush()
    head = batch.stdout.readline().split()
    if len(head) != 3 or int(head[2]) != entry.size:
        raise Failed(f"git could not read object {entry.sha}", code="git-failed")
    yield from _exactly(batch.stdout, entry.size)
    batch.stdout.read(1)


def _exactly(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        chunk = stream.read(min(size, _CHUNK))
        if not chunk:
            raise Failed("git stopped in the middle of a file", code="git-failed")
        size -= len(chunk)
        yield chunk
