"""An upload as a zip, in pieces, for whoever downloads it. Called by api/v1/run_files.

At no time is more than a piece of a file in memory, besides the list of names. A zip from here can
be unpacked by any program on any system without a file that lands outside: names are made harmless,
a link must stay inside, and nothing is below a link.
"""

import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from headway.adapters.linux.actions.listing import Entry, load
from headway.model.errors import Failed
from headway.ports.blob_store import BlobStore

PIECE = 1 << 18
FIRST_YEAR = 1980  # of the format: APPNOTE.TXT 4.4.6
_UNSAFE = frozenset('\\:*?"<>|')


def entries(blobs: BlobStore, digest: str) -> list[Entry]:
    """What is in the upload. Raises Invalid (`no-blob`), Failed (`damaged`, `hostile-upload`)."""
    with blobs.open(digest) as file:
        found = load(file.read())
    links = {e.path for e in found if e.link}
    for entry in found:
        below = {str(p) for p in PurePosixPath(entry.path).parents} & links
        if below or (entry.link and not _stays(entry)):
            raise Failed(
                "this upload cannot be given as a zip",
                why=f"{entry.path[:80]!r} might be unpacked outside its folder",
                code="hostile-upload",
            )
    return found


def _stays(entry: Entry) -> bool:
    """Whether the link is `../` some times and then a plain path, and ends inside."""
    parts = entry.link.split("/")
    ups = next((n for n, part in enumerate(parts) if part != ".."), len(parts))
    plain = all(p not in {"", ".", ".."} and _part(p) == p for p in parts[ups:])
    return plain and ups < len(PurePosixPath(entry.path).parts)


def zipped(blobs: BlobStore, found: Sequence[Entry], at: float) -> Iterator[bytes]:
    """The zip, piece by piece; every file is of Unix time `at`. Breaks off with what opening a
    blob raises.
    """
    sink = _Sink()
    when = datetime.fromtimestamp(at, UTC)
    moment = (max(when.year, FIRST_YEAR), *when.timetuple()[1:6])
    with ZipFile(sink, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for name, entry in _named(found):
            info = ZipInfo(name, moment)
            info.compress_type = ZIP_DEFLATED
            info.external_attr = _mode(entry) << 16
            if entry.link:
                archive.writestr(info, entry.link)
            else:
                with blobs.open(entry.digest) as file:
                    yield from _member(archive, info, file, sink)
            yield sink.taken()
    yield sink.taken()


def _member(archive: ZipFile, info: ZipInfo, file: BinaryIO, sink: "_Sink") -> Iterator[bytes]:
    info.file_size = file.seek(0, 2)
    file.seek(0)
    with archive.open(info, "w") as out:
        while piece := file.read(PIECE):
            out.write(piece)
            yield sink.taken()


def _mode(entry: Entry) -> int:
    if entry.link:
        return stat.S_IFLNK | 0o777
    return stat.S_IFREG | (0o755 if entry.executable else 0o644)


def _named(found: Sequence[Entry]) -> Iterator[tuple[str, Entry]]:
    """Each with a name that means the same everywhere and is nobody else's."""
    used: set[str] = set()
    for entry in found:
        name = first = "/".join(map(_part, entry.path.split("/")))
        number = 1
        while name in used:
            number += 1
            name = f"{first}~{number}"
        used.add(name)
        yield name, entry


def _part(part: str) -> str:
    """Without what another system takes for a separator, a drive or the folder above."""
    plain = "".join("_" if c in _UNSAFE or not c.isprintable() else c for c in part)
    return plain.rstrip(" .") or "_"


class _Sink:
    """What was written and nobody has taken yet; it cannot go back, so that no zip waits for it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        """Keep it."""
        self._pieces.append(bytes(data))
        return len(data)

    def close(self) -> None:
        """There is nothing to close."""

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        """All of it, once."""
        found = b"".join(self._pieces)
        self._pieces.clear()
        return found
