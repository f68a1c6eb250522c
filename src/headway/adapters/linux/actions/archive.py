"""Files of a job as one stream, and back: what caches are kept as. Called by caching.

A plain tar (POSIX.1-2001): what is cached is mostly packed already, and a disk is quick. Names
begin with the number of the folder they lie in (`0/` the workspace, `1/` temporary files, `2/` the
home), so that a cache fits any job. Only files and symbolic links; links are kept as they are and
never followed, in neither direction.
"""

import contextlib
import io
import os
import stat
import tarfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO, BinaryIO, cast

from headway.adapters.linux.actions import inside
from headway.model.errors import Failed

MAX_BYTES = 32 * 1024**3
MAX_FILES = 1_000_000
MAX_HEADER = 1 << 20
_CHUNK = 1 << 18


class Packed(io.RawIOBase):
    """The archive of these files, as bytes to read, made while it is read.

    `tops`: the folders that may hold them. Reading raises Failed (`too-large`, `changed`).
    """

    def __init__(self, files: Iterable[Path], tops: tuple[Path, ...]) -> None:
        super().__init__()
        read, write = os.pipe()
        self._pipe = os.fdopen(read, "rb", buffering=0)
        self._fault: Exception | None = None
        self._maker = threading.Thread(target=self._make, args=(write, files, tops), daemon=True)
        self._maker.start()

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises what making them raised."""
        data = self._pipe.read(size if size > 0 else _CHUNK) or b""
        if not data:
            self._maker.join()
            if self._fault:
                raise self._fault
        return data

    def close(self) -> None:
        """Stop making it."""
        self._pipe.close()
        self._maker.join()
        super().close()

    def _make(self, write: int, files: Iterable[Path], tops: tuple[Path, ...]) -> None:
        try:
            with os.fdopen(write, "wb") as out, _writing(out) as tar:
                size = 0
                for path in files:
                    size += _add(tar, path, tops)
                    if size > MAX_BYTES:
                        raise Failed(f"more than {MAX_BYTES >> 30} GiB", code="too-large")
        except BrokenPipeError:
            pass  # nobody reads any more
        except Exception as error:  # noqa: BLE001 - raised again where it is read
            self._fault = error


def unpack(source: BinaryIO, tops: tuple[Path, ...]) -> int:
    """Write the files back; gives how many. What is there is replaced.

    Raises Failed (`hostile-archive`) and names the member; what was written before stays.
    """
    count = size = 0
    at = ""
    writer = _Writer(tops)
    try:
        bounded = cast("BinaryIO", _Bounded(source))
        with tarfile.open(fileobj=bounded, mode="r:", errorlevel=2) as tar:
            for member in tar:
                at = member.name
                count, size = count + 1, size + member.size
                if count > MAX_FILES or size > MAX_BYTES:
                    raise ValueError("more files or bytes than a cache may have")
                writer.write(member, tar.extractfile(member) if member.isreg() else None)
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        raise Failed(
            f"the cache cannot be restored, at {at[:100]!r}",
            why=str(error),
            code="hostile-archive",
        ) from error
    finally:
        writer.close()
    return count


class _Bounded:
    """A file that never gives many bytes at once: tarfile would keep a header of any size."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.seek, self.tell = source.seek, source.tell

    def read(self, size: int = -1) -> bytes:
        """As a file. Raises ValueError for more than MAX_HEADER."""
        if not 0 <= size <= MAX_HEADER:
            raise ValueError("a header is too large")
        return self._source.read(size)


class _Writer:
    """Writes members below the tops. The folder of the last file stays open for the next."""

    def __init__(self, tops: tuple[Path, ...]) -> None:
        self._tops = tops
        self._where: tuple[str, ...] = ()
        self._folder = -1

    def write(self, member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        """One file or link. Raises ValueError, OSError."""
        *above, name = member.name.split("/")
        folder = self._open(tuple(above))
        if name in {"", ".", ".."}:
            raise ValueError("its name is no path")
        if member.issym():
            _clear(name, folder)
            os.symlink(member.linkname, name, dir_fd=folder)
        elif content is None or member.issparse():
            raise ValueError("it is neither a plain file nor a link")
        else:
            _clear(name, folder)
            _write(member, content, name, folder)

    def close(self) -> None:
        """Let go of the last folder."""
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def _open(self, above: tuple[str, ...]) -> int:
        if self._folder >= 0 and above == self._where:
            return self._folder
        self.close()
        number, *parts = above or ("",)
        if number not in {str(n) for n in range(len(self._tops))}:
            raise ValueError("its name does not say where it belongs")
        with inside.folder(self._tops[int(number)], tuple(parts), make=True) as found:
            self._folder = os.dup(found)
        self._where = above
        return self._folder


def _write(member: tarfile.TarInfo, content: IO[bytes], name: str, folder: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as out:
        while data := content.read(_CHUNK):
            out.write(data)
        out.flush()
        os.fchmod(descriptor, member.mode & 0o777)
        os.utime(descriptor, (member.mtime, member.mtime))


def _clear(name: str, folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _writing(out: BinaryIO) -> tarfile.TarFile:
    return tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_CHUNK)


def _add(tar: tarfile.TarFile, path: Path, tops: tuple[Path, ...]) -> int:
    """One file or link into the archive; gives its bytes. What vanished meanwhile is left out."""
    number, top = next((n, t) for n, t in enumerate(tops) if path.is_relative_to(t))
    relative = path.relative_to(top)
    info = tarfile.TarInfo(f"{number}/{relative}")
    try:
        if path.is_symlink():
            info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
            tar.addfile(info)
            return 0
        with inside.open_file(top, relative) as file:
            found = os.fstat(file.fileno())
            info.size, info.mtime = found.st_size, found.st_mtime
            info.mode = stat.S_IMODE(found.st_mode) & 0o777
            tar.addfile(info, file)
    except FileNotFoundError:
        return 0
    except (OSError, tarfile.TarError) as error:
        raise Failed(f"{path} cannot be kept", why=str(error), code="changed") from error
    return info.size
