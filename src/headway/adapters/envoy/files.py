"""Files that are replaced at once or not at all, and locks that end with their holder.

Called by proxy, router and state. Envoy watches for renames in the folder, so a rename in place is
also what makes it load a file.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headway.adapters.envoy.admin import Json
from headway.model.errors import Unreachable


def replace(path: Path, text: str, *, synced: bool = False) -> None:
    """Write `text` under a temporary name in the same folder, then rename it over `path`.

    Killed at any point, the former or the new text is there. `synced`: even after a power cut; it
    costs milliseconds of every change, so only what a proxy starts from is synced.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as out:
        out.write(text)
        if synced:
            out.flush()
            os.fsync(out.fileno())
    temporary.replace(path)


def read_json(path: Path) -> Json | None:
    """The file's object, or None if there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    found: Json = json.loads(text)
    return found


def resources(path: Path) -> list[Json]:
    """The resources of a discovery file; none if there is no such file."""
    found = read_json(path)
    return [] if found is None else list(found["resources"])


def dump(document: object) -> str:
    """One canonical text for one content."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def short_digest(text: str) -> str:
    """12 hex digits of SHA-256: a version string that is a function of the content."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@contextmanager
def locked(path: Path, within_seconds: float = 60.0) -> Iterator[None]:
    """Hold an exclusive flock(2) on `path`; the kernel frees it when the holder dies.

    Raises Unreachable (`routing-locked`) if another one keeps it longer than that.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + within_seconds
        while not try_lock(fd):
            if time.monotonic() > deadline:
                raise Unreachable(
                    "Another process is changing this routing",
                    why=f"{path} has been locked for more than {within_seconds:.0f} s",
                    next="look for a second server on the same home",
                    code="routing-locked",
                )
            time.sleep(0.005)
        yield
    finally:
        os.close(fd)


def try_lock(fd: int) -> bool:
    """Take the lock if it is free."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
