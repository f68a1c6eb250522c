"""Folders that steps have filled: looked through and removed, however deep and odd they are.

Called by workspace, hashing and actions. Nothing recurses as deep as a folder may be, and links are
never followed. While a tree is removed, no process of the job lives any longer.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_DEEPEST = 64
_GONE = (FileNotFoundError, NotADirectoryError, PermissionError)


def walk(top: str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Every folder from `top` down, with what is in it that is no folder; links are none. A folder
    that is gone or may not be read is left out. Raises OSError, as for paths that are too long.
    """
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        with contextlib.suppress(*_GONE), os.scandir(folder) as found:
            entries = list(found)
            folders = [e.path for e in entries if e.is_dir(follow_symlinks=False)]
            waiting += sorted(folders, reverse=True)
            yield folder, [e for e in entries if not e.is_dir(follow_symlinks=False)]


def remove(folder: Path) -> None:
    """Remove a tree, a file or a link, also one with folders nobody may write to. None: nothing is
    done. Raises OSError.
    """
    try:
        os.rmdir(folder)  # noqa: PTH106 - most are empty
    except FileNotFoundError:
        return
    except NotADirectoryError:
        folder.unlink()
        return
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
    else:
        return
    try:
        top = _opened(str(folder), None)
    except FileNotFoundError:
        return
    try:
        while os.listdir(top):  # noqa: PTH208 - a descriptor; not empty: there was something deep
            _clear(top, top, 0)
    finally:
        os.close(top)
    folder.rmdir()


def _opened(name: str, above: int | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=above)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=above)
        return os.open(name, flags, dir_fd=above)


def _clear(folder: int, top: int, depth: int) -> None:
    """Remove what is in the folder; what is too deep is moved up, to be removed from there."""
    with os.scandir(folder) as found:
        entries = [(e.name, e.is_dir(follow_symlinks=False)) for e in found]
    for name, is_folder in entries:
        with contextlib.suppress(FileNotFoundError):
            try:
                _remove(name, folder, (top, depth), is_folder=is_folder)
            except PermissionError:
                os.fchmod(folder, 0o700)
                _remove(name, folder, (top, depth), is_folder=is_folder)


def _remove(name: str, folder: int, place: tuple[int, int], *, is_folder: bool) -> None:
    top, depth = place
    if not is_folder:
        os.unlink(name, dir_fd=folder)
        return
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
    else:
        return
    if depth == _DEEPEST:
        os.rename(name, os.urandom(16).hex(), src_dir_fd=folder, dst_dir_fd=top)
        return
    inner = _opened(name, folder)
    try:
        _clear(inner, top, depth + 1)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=folder)
