"""Files that appear whole or not at all, and are on the disk when they do. Called by this folder.

A file has no name while it is written (O_TMPFILE), so that a process that is killed leaves nothing.
Where the file system cannot do that, it has a hidden name, which the next start removes.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from headway.model.errors import Failed

PART = ".part-"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Draft:
    """A file being written in `folder`; `publish` gives it its name, else it goes away."""

    def __init__(self, folder: Path) -> None:
        self._hidden: Path | None = None
        try:
            descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT}:
                raise
            self._hidden = folder / f"{PART}{os.getpid()}-{os.urandom(6).hex()}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(self._hidden, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        self.file: BinaryIO = os.fdopen(descriptor, "w+b")

    def publish(self, path: Path) -> None:
        """Sync the bytes and give them this name. Raises FileExistsError if it is taken."""
        self.file.flush()
        os.fchmod(self.file.fileno(), 0o644)
        os.fsync(self.file.fileno())
        make_folder(path.parent)
        if self._hidden:
            os.link(self._hidden, path)
        else:
            _name(self.file.fileno(), path)
        sync_folder(path.parent)

    def close(self) -> None:
        """Forget what was not published."""
        self.file.close()
        if self._hidden:
            self._hidden.unlink(missing_ok=True)


@contextlib.contextmanager
def draft(folder: Path) -> Iterator[Draft]:
    """A new file for this block. Raises Failed (`storage-full`, `storage-failed`)."""
    with storing(folder):
        make_folder(folder)
        made = Draft(folder)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def storing(folder: Path) -> Iterator[None]:
    """What the system says about a write, in our words. Names that are taken go through."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        full = error.errno in _FULL
        raise Failed(
            f"{folder} is full" if full else f"nothing can be written in {folder}",
            why=str(error),
            next="make room, or name another place with --home",
            code="storage-full" if full else "storage-failed",
        ) from error


def make_folder(folder: Path) -> None:
    """The folder and those above it, each on the disk."""
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_stale_parts(folder: Path) -> None:
    """Remove hidden files whose writer is gone (its lock went with it)."""
    for path in folder.glob(f"{PART}*"):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            path.unlink()


def _name(descriptor: int, path: Path) -> None:
    # os.link follows a link (AT_SYMLINK_FOLLOW) only if it is given a folder's descriptor.
    top = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=top, follow_symlinks=True)
    finally:
        os.close(top)
