"""A folder as a list of blobs: how uploads are kept and laid out. Called by up- and downloads.

The list is JSON, sorted, one way to say a thing, so that the same files have the same digest:
`[{"path", "digest", "executable"} | {"path", "link"}, …]`. It is read strictly: who can write
blobs must not write elsewhere.
"""

import errno
import io
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from headway.adapters.linux.actions import inside
from headway.model.errors import Failed
from headway.ports.blob_store import BlobStore

_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOENT, errno.EOPNOTSUPP}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file (`digest`) or symbolic link (`link`); `path` is relative, with `/`."""

    path: str
    digest: str = ""
    executable: bool = False
    link: str = ""


def dump(entries: Iterable[Entry]) -> bytes:
    """The list as bytes."""
    rows = [
        {"path": e.path, "link": e.link}
        if e.link
        else {"path": e.path, "digest": e.digest, "executable": e.executable}
        for e in sorted(entries, key=lambda e: os.fsencode(e.path))
    ]
    return json.dumps(rows, separators=(",", ":"), sort_keys=True).encode("ascii")


def load(data: bytes) -> list[Entry]:
    """The list. Raises Failed (`hostile-upload`) for what `dump` cannot have written."""
    try:
        entries = [_entry(row) for row in json.loads(data)]
    except (ValueError, TypeError, KeyError) as error:
        raise Failed(
            "the list of an upload is damaged", why=str(error), code="hostile-upload"
        ) from error
    if dump(entries) != data:
        raise Failed("the list of an upload is damaged", code="hostile-upload")
    return entries


def _entry(row: dict[str, Any]) -> Entry:
    path = str(row["path"])
    if Path(path).is_absolute() or any(p in {"", ".", ".."} for p in path.split("/")):
        raise ValueError(f"{path!r} is no path inside the upload")
    if "link" in row:
        return Entry(path, link=str(row["link"]))
    return Entry(path, digest=str(row["digest"]), executable=row["executable"] is True)


def lay_out(blobs: BlobStore, digest: str, into: Path, *, share: bool) -> int:
    """Write the files below the folder `into`; gives how many. Files that are there are replaced.

    `share`: plain files may be hard links to the blobs, because nobody will write to them. Raises
    Failed (`hostile-upload`, `damaged`, `same-path`), Invalid (`no-blob`).
    """
    with blobs.open(digest) as file:
        entries = load(file.read())
    try:
        for entry in (e for e in entries if not e.link):
            with blobs.open(entry.digest) as source:
                _write(source, into, entry, share=share)
        links = [e for e in entries if e.link]
        for entry in links:
            inside.write_link(into, Path(entry.path), entry.link)
    except OSError as error:
        raise Failed(
            f"the upload cannot be written to {into}", why=str(error), code="outside"
        ) from error
    for entry in links:
        _check_link(into, entry)
    return len(entries)


def _write(source: BinaryIO, into: Path, entry: Entry, *, share: bool) -> None:
    path = Path(entry.path)
    if not (share and not entry.executable and _linked(source, into, path)):
        inside.write_file(into, path, source, executable=entry.executable)


def _linked(source: BinaryIO, into: Path, path: Path) -> bool:
    """Give the blob's file a second name, if the store's files are files of this disk."""
    *above, name = path.parts
    try:
        number = source.fileno()
        with inside.folder(into, tuple(above), make=True) as parent:
            os.link(f"/proc/self/fd/{number}", name, src_dir_fd=parent, dst_dir_fd=parent)
    except io.UnsupportedOperation:
        return False
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True


def _check_link(into: Path, entry: Entry) -> None:
    path = into / entry.path
    if Path(entry.link).is_absolute() or not inside.stays_inside(path, into.resolve()):
        path.unlink()
        raise Failed(
            f"{entry.path!r} is a symbolic link that leaves the upload", code="hostile-upload"
        )
