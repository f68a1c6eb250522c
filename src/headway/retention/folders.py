"""Folders of ended runs, and unpacked artifacts that are gone. Called by round.py.

A folder is first moved to HOME/runs/.trash, at once; what is left there by a process that was
killed is removed by the next one (adapters/linux/trash.py).
"""

import re
from collections.abc import Iterator
from pathlib import Path

from headway.adapters.linux.trash import Trash
from headway.adapters.linux.trees import walk
from headway.flows import pipeline
from headway.model.errors import HeadwayError
from headway.store import run_log

_DIGEST = re.compile(r"[0-9a-f]{64}")


def ended_runs(home: Path, before: float, busy: frozenset[str]) -> list[Path]:
    """Runs whose log was written last before that Unix time and which have ended. `busy`: open
    deliveries, whose runs stay, and so do the folders of jobs that are theirs.
    """
    found = []
    for folder in sorted((home / "runs").glob("[!.]*")):
        mine = any(folder.name == one or folder.name.startswith(f"{one}-") for one in busy)
        if not mine and _last(folder) < before and _over(home, folder):
            found.append(folder)
    return found


def _last(folder: Path) -> float:
    log = folder / "log.jsonl"
    try:
        return (log if log.exists() else folder).stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _over(home: Path, folder: Path) -> bool:
    if not (folder / "log.jsonl").exists():
        return True
    try:
        known = pipeline.show(home, folder.name)
    except HeadwayError:
        return False
    return known.phase != "running" and not run_log.driven(home, folder.name)


def unpacked(home: Path, before: float, there: frozenset[str]) -> list[Path]:
    """Unpacked artifacts that are neither in the store (`there`, digests) nor young."""
    folder = home / "content"
    return [
        path
        for path in sorted(folder.glob("*"))
        if _DIGEST.fullmatch(path.name)
        and f"sha256:{path.name}" not in there
        and path.stat().st_mtime < before
    ]


def size(folder: Path) -> int:
    """Bytes of the files below."""
    return sum(sum(_sizes(entries)) for _, entries in walk(str(folder)))


def _sizes(entries: list) -> Iterator[int]:  # type: ignore[type-arg]
    for entry in entries:
        try:
            yield entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue


def remove(home: Path, gone: list[Path]) -> None:
    """Take the folders away, with the marks beside an unpacked artifact. Raises OSError."""
    trash = Trash(home / "runs" / ".trash")
    try:
        for folder in gone:
            trash.take(folder)
            for ending in (".digest", ".lock"):
                folder.with_name(folder.name + ending).unlink(missing_ok=True)
    finally:
        trash.close()
