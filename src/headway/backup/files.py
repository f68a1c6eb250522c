"""Which files of a home are its memory, and which can be made again. Called by make.py.

Whatever is not known to be made again is kept: a part that is added to Headway tomorrow is in
tomorrow's backups.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

LEFT = frozenset(
    {
        *("headway.db", "headway.db-wal", "headway.db-shm"),
        *("metrics.db", "metrics.db-wal", "metrics.db-shm"),
        *("engine.lock", "keep.lock", "server.json", "wake", "groups", "log", "tmp", "public-url"),
        *("git", "mirrors", "actions", "tools", "content", "worker"),
        *("instances", "envoy", "beside", "ledger"),
    }
)
"""Not copied as files: databases and repositories, which are copied in their own ways; what is
fetched or unpacked again; what runs, and what it says of itself.
"""
_ARTIFACTS = ("index.json", "oci-layout")
_CACHES = "cache%2F"


def kept(home: Path) -> Iterator[Path]:
    """Regular files, below the home. What is named comes after what names it: an index before its
    blobs, because blobs never change and are only added.
    """
    for entry in _listed(home):
        if entry.name in LEFT or entry.name.startswith("."):
            continue
        match entry.name:
            case "runs":
                yield from _runs(entry)
            case "artifacts":
                yield from (entry / name for name in _ARTIFACTS)
                yield from _walk(entry / "blobs")
            case "cas":
                names = _listed(entry / "names")
                yield from _all(n for n in names if not n.name.startswith(_CACHES))
                yield from _walk(entry / "sha256")
            case _:
                yield from _all([entry])


def _runs(folder: Path) -> Iterator[Path]:
    """Logs and boundaries; not the places where jobs work, nor locks."""
    for run in _listed(folder):
        if run.name.startswith("."):
            continue
        yield from (run / "log.jsonl", *_walk(run / "requests"))
        yield from _walk(run / ".tries")
        for job in _listed(run):
            if not job.name.startswith(".") and job.name != "requests":
                yield from (job / "steps.jsonl", *_walk(job / "logs"))


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _walk(folder: Path) -> Iterator[Path]:
    return _all(_listed(folder))


def _all(entries: Iterable[Path]) -> Iterator[Path]:
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)
        else:
            yield entry


def regular(path: Path) -> tuple[BinaryIO, int] | None:
    """The file and its size now; None: it is gone, or is no regular file. More may be written to
    its end meanwhile, which is not asked for.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb"), state.st_size
