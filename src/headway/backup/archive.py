"""The archive: gzip around tar, sealed if asked for. Written once, read as if an enemy had made it.

Members are regular files with short, plain names; a name that is long or strange is replaced by
`parts/NUMBER`, and the manifest says whose it is. Called by make.py, verify.py and restore.py.
"""

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Self

import msgspec

from headway import typed
from headway.backup import manifest
from headway.backup.manifest import Manifest, Part
from headway.backup.sealing import MAGIC, Lock, Opening, Sealing
from headway.model.errors import Invalid, Refused

PIECE = 1 << 20
MOST_PARTS = 5_000_000
MOST_MANIFEST = 1 << 30
RATIO, ALWAYS = 200, 1 << 28
"""A backup may hold so many times its own size, and so many bytes in any case."""

_PLAIN = re.compile(r"(?!parts/)[A-Za-z0-9_.%@=+-]+(/[A-Za-z0-9_.%@=+-]+)*")
_SHORT = 99
_TAR_ERRORS = (tarfile.TarError, gzip.BadGzipFile, EOFError, ValueError, OSError)


class Writer:
    """Puts parts into an archive; `finish` adds the manifest."""

    def __init__(self, tar: tarfile.TarFile, now: float) -> None:
        self._tar, self._now = tar, now
        self.parts: list[Part] = []

    def add(self, path: str, source: IO[bytes], size: int) -> Part:
        """Exactly `size` bytes of the source. Raises Invalid (`changed`) if it has fewer."""
        plain = len(path) <= _SHORT and _PLAIN.fullmatch(path)
        member = path if plain else f"parts/{len(self.parts):07d}"
        hashed = _Hashed(source, size)
        self._put(member, hashed, size)
        part = Part(path, size, hashed.digest.hexdigest(), "" if plain else member)
        self.parts.append(part)
        return part

    def finish(self, told: Manifest) -> None:
        """The last member."""
        text = msgspec.json.encode(told)
        self._put(manifest.NAME, io.BytesIO(text), len(text))

    def _put(self, member: str, source: io.RawIOBase | io.BytesIO, size: int) -> None:
        head = tarfile.TarInfo(member)
        head.size, head.mode, head.mtime = size, 0o600, int(self._now)
        self._tar.addfile(head, source)


class _Hashed(io.RawIOBase):
    def __init__(self, source: IO[bytes], size: int) -> None:
        self._source, self._left = source, size
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._source.read(min(len(view), self._left))
        if not data and self._left:
            raise Invalid("a file became shorter while it was copied", code="changed")
        self._left -= len(data)
        self.digest.update(data)
        view[: len(data)] = data
        return len(data)


@contextmanager
def writing(out: BinaryIO, lock: Lock | None, now: float) -> Iterator[Writer]:
    """An archive into `out`, which stays open."""
    sealed = Sealing(out, lock) if lock else None
    inner: IO[bytes] = io.BufferedWriter(sealed, PIECE) if sealed else out
    with (
        gzip.GzipFile(fileobj=inner, mode="wb", compresslevel=1, mtime=int(now)) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        yield Writer(tar, now)
    if sealed:
        inner.close()


Take = Callable[[str, IO[bytes]], object]
"""Given a member's name and its bytes, which must be read before the next member comes."""


class _Strict(tarfile.TarInfo):
    """A head of a member; anything but a regular file with a plain name is refused before tarfile
    acts on it.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """See TarInfo."""
        head = super().frombuf(buf, encoding, errors)
        named = _PLAIN.fullmatch(head.name) or re.fullmatch(r"parts/[0-9]{7,9}", head.name)
        dots = any(set(p) <= {"."} for p in head.name.split("/"))
        if head.type != tarfile.REGTYPE or not named or dots or head.size < 0:
            raise hostile(f"a member {head.name[:80]!r} of type {head.type!r}")
        return head


def read(source: BinaryIO, lock: Lock | None, take: Take) -> Manifest:
    """Read the whole archive; `take` gets every member but the manifest. Gives the manifest, whose
    parts are those that came.

    Raises Refused (`hostile`, `damaged`, `sealed`), Invalid (`no-backup`, `bad-manifest`).
    """
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    opened = _opened(source, lock)
    seen: dict[str, tuple[int, str]] = {}
    told: Manifest | None = None
    packed = _Bounded(gzip.GzipFile(fileobj=opened, mode="rb"), max(ALWAYS, RATIO * size))
    try:
        with tarfile.open(fileobj=packed, mode="r|", tarinfo=_Strict) as tar:
            for head in tar:
                body = tar.extractfile(head)
                if told is not None or body is None or head.name in seen:
                    raise hostile(f"a member {head.name[:80]!r} twice, or after the manifest")
                if len(seen) >= MOST_PARTS:
                    raise hostile("more files than any home has")
                if head.name == manifest.NAME:
                    told = _manifest(head, body)
                else:
                    seen[head.name] = _taken(head, body, take)
        while packed.read(PIECE):
            pass
    except _TAR_ERRORS as error:
        raise _damaged(str(error)) from error
    if told is None:
        raise _damaged("its end is missing")
    _compare(told, seen)
    return told


def _opened(source: BinaryIO, lock: Lock | None) -> IO[bytes]:
    start = source.read(len(MAGIC))
    if start == MAGIC:
        return io.BufferedReader(Opening(source, lock), PIECE)
    source.seek(0)
    if not start.startswith(b"\x1f\x8b"):
        raise Invalid("this is no backup of Headway", code="no-backup", next="headway backup FILE")
    return source


class _Bounded(io.RawIOBase):
    def __init__(self, source: gzip.GzipFile, most: int) -> None:
        self._source, self._left = source, most

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size if size >= 0 else PIECE)
        self._left -= len(data)
        if self._left < 0:
            raise hostile("it unpacks to far more than a backup of its size holds")
        return data


def _manifest(head: tarfile.TarInfo, body: IO[bytes]) -> Manifest:
    if head.size > MOST_MANIFEST:
        raise hostile("a manifest of more than 1 GiB")
    text = body.read()
    try:
        form = typed.loads(text, dict[str, object]).get("format")
        if form != manifest.FORMAT:
            raise Invalid(
                f"the backup has form {form!r}, this Headway reads {manifest.FORMAT}",
                next="install the version of Headway that made it",
                code="bad-manifest",
            )
        return typed.loads(text, Manifest)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Invalid("the backup's manifest cannot be read", why=str(error)[:200],
                      code="bad-manifest") from error  # fmt: skip


def _taken(head: tarfile.TarInfo, body: IO[bytes], take: Take) -> tuple[int, str]:
    hashed = _Hashed(body, head.size)
    with io.BufferedReader(hashed, PIECE) as reader:
        take(head.name, reader)
        while reader.read(PIECE):
            pass
    return head.size, hashed.digest.hexdigest()


def _compare(told: Manifest, seen: dict[str, tuple[int, str]]) -> None:
    listed = {p.member or p.path: (p.size, p.sha256) for p in told.parts}
    if len(listed) != len(told.parts) or listed.keys() != seen.keys():
        raise _damaged("its files are not those that its manifest lists")
    for name, found in seen.items():
        if found != listed[name]:
            raise _damaged(f"{name[:80]} is not as its manifest says")
    for part in told.parts:
        safe(part.path)


def safe(path: str) -> PurePosixPath:
    """A path below a home. Raises Refused (`hostile`) for any other."""
    pure = PurePosixPath(path)
    bad = pure.is_absolute() or not path or "\\" in path or any(ord(c) < 32 for c in path)
    if bad or str(pure) != path or any(p in {"", ".", ".."} for p in path.split("/")):
        raise hostile(f"a path {path[:80]!r}")
    return pure


def hostile(why: str) -> Refused:
    """No Headway made this."""
    return Refused("the backup is refused", why=f"it holds {why}", code="hostile")


def _damaged(why: str) -> Refused:
    return Refused("the backup is damaged", why=why[:200], next="use another copy", code="damaged")


def opened(file: Path) -> BinaryIO:
    """The file for reading. Raises Invalid (`no-backup`)."""
    try:
        return file.open("rb")
    except OSError as error:
        why = error.strerror or str(error)
        raise Invalid(f"{file} cannot be read", why=why, code="no-backup") from error
