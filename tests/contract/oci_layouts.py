"""An application to pack, and ways to look at what a store left on disk; for the store's tests."""

import hashlib
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headway.model.artifact import Envelope, Signature
from headway.model.errors import HeadwayError

STATEMENT = Envelope("application/vnd.in-toto+json", b"{}", (Signature("k", b"s"),))


def write_app(folder: Path) -> Path:
    (folder / "lib" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "run").write_bytes(b"#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "lib" / "deep" / "data").write_bytes(bytes(range(256)) * 20)
    (folder / "lib" / ("ü" * 90)).write_text("long")
    (folder / "lib" / "current").symlink_to("deep/data")
    (folder / "-rf *\n$(x)").write_text("strange")
    (folder / "none").touch()
    return folder


def files_of(folder: Path) -> dict[str, tuple[str, object]]:
    found: dict[str, tuple[str, object]] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            found[name] = ("folder", stat.S_IMODE(path.stat().st_mode))
        else:
            mode = stat.S_IMODE(path.stat().st_mode)
            found[name] = (f"{mode:o}", hashlib.sha256(path.read_bytes()).hexdigest())
    return found


def layout_of(root: Path) -> dict[str, tuple[str, object]]:
    return {name: one for name, one in files_of(root).items() if name != ".lock"}


def error(kind: type[HeadwayError], code: str, call: Callable[[], object]) -> HeadwayError:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.code == code
    assert caught.value.what
    return caught.value


def blob(root: Path, digest: str) -> Path:
    return root / "blobs" / "sha256" / digest.removeprefix("sha256:")


def statement(number: int) -> Envelope:
    return Envelope("application/vnd.in-toto+json", b'{"n":%d}' % number, STATEMENT.signatures)


_CHILD = """
import sys
from pathlib import Path
from headway.adapters.oci.artifact_store import OciLayout
from headway.model.artifact import Envelope
from headway.model.errors import HeadwayError
store = OciLayout(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    CODE
except HeadwayError as error:
    sys.exit(3 if error.code == "tag-exists" else str(error))
"""


def child(code: str, root: Path, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs `code` with `store` and `sys.argv[2:]` when told to go."""
    command = [sys.executable, "-c", _CHILD.replace("CODE", code), str(root), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(running: list[subprocess.Popen[str]]) -> None:
    """Let all begin at the same moment."""
    for process in running:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()


def ends(running: list[subprocess.Popen[str]]) -> list[int]:
    """Let all begin at the same moment; the exit status of each."""
    go(running)
    for process in running:
        process.communicate(timeout=120)
    return [process.returncode for process in running]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
