"""A file that is made once and then stays: keys, tokens, names of a home.

Called by whoever keeps one: signer, runner, pipeline results, workers, server, wiring.
"""

import os
from collections.abc import Callable
from pathlib import Path


def once(file: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds. If it is not there it is made, whole or not at all, on the disk, for its
    owner only; of several processes that make it one is first, and all get its bytes.

    Raises OSError.
    """
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            _write(fresh, make())
            _name(fresh, file)
        finally:
            fresh.unlink(missing_ok=True)
    return file.read_bytes()


def _write(fresh: Path, data: bytes) -> None:
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def _name(fresh: Path, file: Path) -> None:
    """A link never replaces a file: who was first stays."""
    try:
        os.link(fresh, file)
    except FileExistsError:
        return
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
