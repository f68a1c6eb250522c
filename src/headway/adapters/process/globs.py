"""Which files of a workspace the `path` of upload-artifact names. Called by uploads.

The rules are those of actions/upload-artifact (its README, "Upload using multiple paths"): one
pattern a line; a folder means all in it; the root of the upload is the folder itself, the part
before the first wildcard, or what several patterns have in common.
"""

import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headway.model.errors import Failed

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Found:
    """`files` are regular files and links, relative to `root`, sorted. `hidden` were left out."""

    root: Path
    files: tuple[Path, ...]
    hidden: int


def find(workspace: Path, patterns: str, *, hidden: bool) -> Found:
    """Every file that some pattern names. Raises Failed (`outside`, `bad-path`)."""
    lines = [line.strip() for line in patterns.split("\n")]
    roots: list[Path] = []
    files: set[Path] = set()
    left_out: set[Path] = set()
    for pattern in (p for p in lines if p and not p.startswith("#")):
        base, found = _expand(workspace.resolve(), pattern)
        roots.append(base)
        for path in found:
            shown = hidden or not _is_hidden(path.relative_to(base))
            (files if shown else left_out).add(path)
    root = Path(os.path.commonpath(roots)) if roots else workspace
    relative = sorted(path.relative_to(root) for path in files)
    return Found(root, tuple(relative), len(left_out - files))


def _expand(workspace: Path, pattern: str) -> tuple[Path, list[Path]]:
    if pattern.startswith("!") or "\0" in pattern:
        raise Failed(
            f"{pattern!r} is a pattern that is planned, not in this version", code="bad-path"
        )
    parts = _parts(workspace, pattern)
    wild = next((n for n, part in enumerate(parts) if _WILD.search(part)), None)
    base = _resolve(workspace, workspace.joinpath(*parts[:wild]))
    if wild is not None:
        rest = parts[wild:]
        return base, [p for p in _walk(base) if _named(p.relative_to(base).parts, rest)]
    if base.is_dir():
        return base, list(_walk(base))
    return base.parent, [base] if base.exists() else []


def _parts(workspace: Path, pattern: str) -> list[str]:
    """The pattern's parts below the workspace."""
    normal = os.path.normpath(workspace / pattern)
    if not Path(normal).is_relative_to(workspace):
        raise Failed(f"{pattern!r} is outside the workspace", code="outside")
    return list(Path(normal).relative_to(workspace).parts)


def _resolve(workspace: Path, base: Path) -> Path:
    found = base.resolve()
    if not found.is_relative_to(workspace):
        raise Failed(f"{base.name!r} leads out of the workspace", code="outside")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Every file and link below; links are named, never followed."""
    for parent, folders, names in os.walk(folder):
        for name in (*names, *(f for f in folders if (Path(parent) / f).is_symlink())):
            yield Path(parent) / name


def _named(parts: tuple[str, ...], pattern: list[str]) -> bool:
    """Whether the pattern names this path or a folder above it."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_named(parts[n:], pattern[1:]) for n in range(len(parts) + 1))
    return (
        bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _named(parts[1:], pattern[1:])
    )


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
