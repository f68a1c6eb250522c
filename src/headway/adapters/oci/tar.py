"""Tar streams: written the same for the same files, read as hostile input.

`write` is used by pack, `read` by unpack. The reader accepts what the writer and common tools
write (ustar, pax names and sizes, GNU long names) and refuses all else, so that there is only one
way to understand an archive. Format: POSIX.1-2017 pax, "ustar Interchange Format".
"""

import gzip
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from io import RawIOBase
from pathlib import Path

from headway.artifact.members import Entry, Intake, Kind, Limits, Member, Refusal
from headway.artifact.strict import shown
from headway.model.errors import Failed, Invalid

BLOCK = 512
CHUNK = 1 << 20
MAX_HEADER_BYTES = 64 << 10

_KINDS: dict[bytes, Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "fifo",
    tarfile.GNUTYPE_SPARSE: "sparse",
}
_EXTENDED = {
    tarfile.XHDTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}
_TYPES = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE}


Source = Callable[[int], bytes]
Out = Callable[[bytes], object]


class Broken(Exception):
    """The stream is no sound archive, which was seen in or after the member `at` ("": none).

    The text is one plain sentence part.
    """

    def __init__(self, reason: str, at: str = "") -> None:
        super().__init__(reason)
        self.at = at


def write(folder: Path, out: Out, limits: Limits) -> int:
    """Write the folder's files as a tar; gives the bytes of their content.

    Sorted names, time 0, owner 0, modes 755 and 644: only names, contents, links and the owner's
    execute bit count. Raises Invalid (`unsafe-member`, `empty-artifact`), Failed (`changed`).
    """
    intake = Intake(limits)
    files = 0
    for path, member in _walk(folder):
        entry = intake.admit(member)
        if isinstance(entry, Refusal):
            raise _unsafe(member.name, entry.reason)
        out(_header(entry))
        if entry.kind == "file":
            _copy(path, entry.size, out)
        files += entry.kind != "folder"
    if not files:
        raise Invalid(
            f"the folder {folder} holds no files",
            why="an artifact without files cannot be run",
            next="let the workflow's upload step upload the folder with the built application",
            code="empty-artifact",
        )
    out(bytes(2 * BLOCK))
    return intake.total_bytes


def read(source: Source) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Each member and its content in pieces; what is not taken of it is skipped.

    Raises Broken, here or from the content: a bad header, an early end, or bytes after the end of
    the archive.
    """
    at = ""
    try:
        for member, content in _members(source):
            at = member.name
            yield member, _located(content, at)
    except Broken as broken:
        raise Broken(str(broken), at) from None


def _members(source: Source) -> Iterator[tuple[Member, Iterator[bytes]]]:
    extra: dict[str, str] = {}
    while any(block := _exactly(source, BLOCK)):
        info = _parse(block)
        if info.type in _EXTENDED:
            extra |= _extended(info.type, _record(source, info.size))
            continue
        member = _member(info, extra)
        content = _content(source, member.size)
        yield member, content
        for _ in content:
            pass
        extra = {}
    if extra:
        raise Broken("it ends after an extended header")
    _refuse_rest(source)


def gunzipped(raw: RawIOBase, limits: Limits) -> Source:
    """Reads the decompressed bytes of a gzip file. Its reads raise Broken: a bomb, or damage."""
    unzipped = gzip.GzipFile(fileobj=raw, mode="rb")
    total = 0

    def source(amount: int) -> bytes:
        nonlocal total
        try:
            chunk = unzipped.read(min(amount, CHUNK))
        except (OSError, EOFError, zlib.error):
            raise Broken("its compression is damaged") from None
        total += len(chunk)
        if total > max(limits.ratio_from_bytes, limits.ratio * raw.tell()):
            raise Broken(f"it unpacks to more than {limits.ratio} times its size")
        return chunk

    return source


def _member(info: tarfile.TarInfo, extra: dict[str, str]) -> Member:
    kind = _KINDS.get(info.type, "unknown")
    if any(key.startswith("GNU.sparse.") for key in extra):
        kind = "sparse"
    size = _size(extra["size"]) if "size" in extra else info.size
    name = extra.get("path", info.name)
    return Member(name, kind, size, info.mode, extra.get("linkpath", info.linkname))


def _located(content: Iterator[bytes], at: str) -> Iterator[bytes]:
    try:
        yield from content
    except Broken as broken:
        raise Broken(str(broken), at) from None


def _content(source: Source, size: int) -> Iterator[bytes]:
    left = size
    while left:
        chunk = _exactly(source, min(left, CHUNK))
        left -= len(chunk)
        yield chunk
    _padding(source, size)


def _extended(kind: bytes, data: bytes) -> dict[str, str]:
    if kind == tarfile.GNUTYPE_LONGNAME:
        return {"path": _utf8(data.removesuffix(b"\0"))}
    if kind == tarfile.GNUTYPE_LONGLINK:
        return {"linkpath": _utf8(data.removesuffix(b"\0"))}
    records = _pax(data)
    if kind != tarfile.XGLTYPE:
        return records
    if records.keys() - {"comment"}:
        raise Broken("a global header would change every member")
    return {}


def _walk(folder: Path) -> Iterator[tuple[Path, Member]]:
    if not folder.is_dir():
        raise Invalid(
            f"there is no folder {folder}",
            why="what the workflow uploaded is not there",
            next="deliver the commit again",
            code="missing-folder",
        )
    pending = _children(folder, "")
    while pending:
        path, name = pending.pop()
        member = _describe(path, name)
        yield path, member
        if member.kind == "folder":
            pending.extend(_children(path, name + "/"))


def _children(folder: Path, prefix: str) -> list[tuple[Path, str]]:
    names = sorted((name.name for name in folder.iterdir()), key=os.fsencode, reverse=True)
    return [(folder / name, prefix + name) for name in names]


def _describe(path: Path, name: str) -> Member:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return Member(name, "symlink", 0, 0o755, str(path.readlink()))
    if stat.S_ISDIR(found.st_mode):
        return Member(name, "folder", 0, 0o755)
    if stat.S_ISREG(found.st_mode):
        return Member(name, "file", found.st_size, found.st_mode & 0o777)
    return Member(name, "fifo" if stat.S_ISFIFO(found.st_mode) else "device")


def _header(entry: Entry) -> bytes:
    info = tarfile.TarInfo(entry.path)
    info.type = _TYPES[entry.kind]
    info.mode = entry.mode
    info.size = entry.size
    info.linkname = entry.target
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _copy(path: Path, size: int, out: Out) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    left = size
    with os.fdopen(descriptor, "rb") as file:
        while left and (chunk := file.read(min(left, CHUNK))):
            left -= len(chunk)
            out(chunk)
        if left or file.read(1):
            raise Failed(
                f"the file {path} changed while it was packed",
                why="something still writes into the folder",
                next="let the workflow's upload step be its last",
                code="changed",
            )
    out(bytes(-size % BLOCK))


def _parse(block: bytes) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except UnicodeDecodeError:
        raise Broken("a name is not UTF-8") from None
    except (tarfile.HeaderError, ValueError):
        raise Broken("a header is damaged") from None
    if info.size < 0:
        raise Broken("a size is negative")
    return info


def _record(source: Source, size: int) -> bytes:
    if size > MAX_HEADER_BYTES:
        raise Broken(f"an extended header is {size} bytes long, the limit is {MAX_HEADER_BYTES}")
    data = _exactly(source, size)
    _padding(source, size)
    return data


def _pax(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    while data:
        digits, _, _ = data.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < 8 else 0
        record = data[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not length or length > len(data) or not equals or not value.endswith(b"\n"):
            raise Broken("an extended header is damaged")
        found[_utf8(key)] = _utf8(value[:-1])
        data = data[length:]
    return found


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Broken(f"{shown(text)} is no size")
    return int(text)


def _utf8(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Broken("a name is not UTF-8") from None


def _exactly(source: Source, size: int) -> bytes:
    parts: list[bytes] = []
    left = size
    while left:
        chunk = source(left)
        if not chunk:
            raise Broken("it ends too early")
        parts.append(chunk)
        left -= len(chunk)
    return b"".join(parts)


def _padding(source: Source, size: int) -> None:
    _exactly(source, -size % BLOCK)


def _refuse_rest(source: Source) -> None:
    while chunk := source(CHUNK):
        if any(chunk):
            raise Broken("it goes on after its end")


def _unsafe(name: str, reason: str) -> Invalid:
    return Invalid(
        f"the file {shown(name)} cannot be packed",
        why=reason,
        next="leave it out of the upload, or copy what it links to",
        code="unsafe-member",
    )
