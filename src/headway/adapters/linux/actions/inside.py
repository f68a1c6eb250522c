"""Reads and writes files of a workspace whose steps may replace anything by a link at any moment.

Every folder on the way is opened without following links, from the top down, so that nothing
outside `top` is ever read or written. Called by uploads, downloads, archives and checkout.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from headway.adapters.linux.actions.acting import Acting
from headway.adapters.linux.trees import remove as remove  # noqa: PLC0414 - for those that write here too
from headway.model.errors import Failed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FICLONE = 0x40049409  # linux/fs.h, _IOW(0x94, 9, int)


@contextlib.contextmanager
def folder(top: Path, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
    """A descriptor of the folder `parts` below `top`. Raises OSError (ELOOP, ENOTDIR at a link)."""
    if any(part in {"", ".", ".."} or "/" in part for part in parts):
        raise OSError(errno.EINVAL, "no path inside the folder", "/".join(parts))
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=descriptor)
            below = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(top: Path, relative: Path) -> BinaryIO:
    """Open a regular file for reading. Raises OSError for anything else."""
    *above, name = relative.parts
    with folder(top, tuple(above)) as parent:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(relative))
    return os.fdopen(descriptor, "rb")


def is_executable(file: BinaryIO) -> bool:
    """Whether the owner may run it."""
    return bool(os.fstat(file.fileno()).st_mode & 0o100)


def write_file(top: Path, relative: Path, source: BinaryIO, *, executable: bool) -> None:
    """A new regular file; one that is there, or a link, is replaced. Folders are made."""
    *above, name = relative.parts
    with folder(top, tuple(above), make=True) as parent:
        _clear(name, parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=parent)
        with os.fdopen(descriptor, "wb") as target:
            copy(source, target)
            os.fchmod(target.fileno(), 0o755 if executable else 0o644)


def write_link(top: Path, relative: Path, target: str) -> None:
    """A new symbolic link; what is there is replaced. Check it afterwards with `stays_inside`."""
    *above, name = relative.parts
    with folder(top, tuple(above), make=True) as parent:
        _clear(name, parent)
        os.symlink(target, name, dir_fd=parent)


def copy(source: BinaryIO, target: BinaryIO) -> None:
    """All bytes from here on; shared with the source where the file system can do that."""
    try:
        if source.tell() == 0:
            fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
            return
    except OSError:
        pass  # another file system, or one without shared blocks: the bytes are copied
    shutil.copyfileobj(source, target, 1 << 20)


def stays_inside(link: Path, top: Path) -> bool:
    """Whether the link leads to a place below `top`, there or not; a loop leads nowhere."""
    try:
        return link.resolve(strict=True).is_relative_to(top)
    except FileNotFoundError:
        return link.resolve().is_relative_to(top)
    except (OSError, RuntimeError):
        return False


def tops(acting: Acting) -> tuple[Path, ...]:
    """The folders whose files are the job's own: workspace, temporary files, and last its home."""
    return acting.checkout, acting.temp, Path(acting.env.get("HOME", str(acting.temp)))


def place(path: str, base: Path, tops: tuple[Path, ...]) -> Path:
    """The path, from `base` if it is relative, links followed. Raises Failed (`outside`)."""
    if "\0" in path:
        raise Failed("a path holds a NUL", code="outside")
    found = (base / path).resolve()
    if not any(found.is_relative_to(top.resolve()) for top in tops):
        names = ", ".join(str(top) for top in tops)
        raise Failed(f"{path!r} is outside what a job may touch", why=names, code="outside")
    return found


def _clear(name: str, parent: int) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        pass
    except IsADirectoryError as error:
        raise Failed(f"{name!r} is a folder here and a file there", code="same-path") from error
