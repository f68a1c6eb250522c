"""Which files a `path` input names, one pattern a line. Called by uploads and caching.

The rules are those of @actions/glob (its README, "Patterns") and actions/upload-artifact (README,
"Upload using multiple paths and exclusions"): later lines win, `!` takes out, a folder means all in
it, `#` begins a comment; the root of an upload is the folder itself, the part before the first
wildcard, or what several patterns have in common.
"""

import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headway.adapters.linux import trees
from headway.model.errors import Failed

MAX_FILES = 300_000
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Found:
    """`files` are regular files and links, relative to `root`, sorted. `hidden` were left out."""

    root: Path
    files: tuple[Path, ...]
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line. `base`: the folder (or file) before the first wildcard, links resolved."""

    base: Path
    rest: tuple[str, ...]
    leave_out: bool = False

    def names(self, path: Path) -> bool:
        """Whether it means this path, or a folder above it."""
        if not path.is_relative_to(self.base):
            return False
        return _named(path.relative_to(self.base).parts, self.rest)


def find(text: str, base: Path, tops: tuple[Path, ...], *, hidden: bool) -> Found:
    """Every file that the lines name, below one of `tops`. `~` is `tops[-1]`, the job's home.

    Raises Failed (`outside`, `bad-path`, `too-many-files`).
    """
    patterns = parse(text, base, tops)
    files: set[Path] = set()
    left_out: set[Path] = set()
    for pattern in patterns:
        if pattern.leave_out:
            files = {path for path in files if not pattern.names(path)}
            left_out = {path for path in left_out if not pattern.names(path)}
            continue
        for path in _expand(pattern):
            shown = hidden or not _is_hidden(path.relative_to(pattern.base), pattern)
            (files if shown else left_out).add(path)
            if len(files) > MAX_FILES:
                raise Failed(f"more than {MAX_FILES} files", code="too-many-files")
    root = _root([p for p in patterns if not p.leave_out], base)
    relative = sorted(path.relative_to(root) for path in files)
    return Found(root, tuple(relative), len(left_out - files))


def parse(text: str, base: Path, tops: tuple[Path, ...]) -> list[Pattern]:
    """The lines as patterns. Raises Failed (`outside`, `bad-path`)."""
    lines = [line.strip() for line in text.split("\n")]
    allowed = tuple(top.resolve() for top in tops)
    return [_pattern(line, base.resolve(), allowed) for line in lines if line and line[0] != "#"]


def walk(folder: Path) -> Iterator[Path]:
    """Every file and link below; links are named, never followed. Raises Failed (`bad-path`)."""
    try:
        for _, entries in trees.walk(str(folder)):
            yield from (Path(entry.path) for entry in entries)
    except OSError as error:
        raise Failed("a folder is too deep", why=str(error)[:200], code="bad-path") from error


def _pattern(line: str, base: Path, tops: tuple[Path, ...]) -> Pattern:
    if "\0" in line:
        raise Failed(f"{line!r} is no path", code="bad-path")
    leave_out = line.startswith("!")
    text = line.lstrip("!").strip()
    if text == "~" or text.startswith("~/"):
        text = str(tops[-1]) + text[1:]
    parts = Path(os.path.normpath(base / text)).parts
    wild = next((n for n, part in enumerate(parts) if _WILD.search(part)), len(parts))
    start = Path(*parts[:wild]).resolve()
    if not any(start.is_relative_to(top) for top in tops):
        raise Failed(f"{line[:80]!r} is outside what a job may touch", code="outside")
    return Pattern(start, tuple(parts[wild:]), leave_out)


def _expand(pattern: Pattern) -> Iterator[Path]:
    if pattern.base.is_dir():
        yield from (path for path in walk(pattern.base) if pattern.names(path))
    elif pattern.base.exists() and not pattern.rest:
        yield pattern.base


def _root(patterns: list[Pattern], base: Path) -> Path:
    roots = [p.base if p.base.is_dir() or p.rest else p.base.parent for p in patterns]
    return Path(os.path.commonpath(roots)) if roots else base


def _named(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether the pattern means this path or one above it; time grows with their product only."""
    at = _with_skips({0}, pattern)
    for part in parts:
        if len(pattern) in at:
            return True
        at = _with_skips(
            {n if pattern[n] == "**" else n + 1 for n in at if _one(part, pattern[n])}, pattern
        )
    return len(pattern) in at


def _with_skips(at: set[int], pattern: tuple[str, ...]) -> set[int]:
    """The places in the pattern that are reached; `**` may mean nothing."""
    reached = set(at)
    for n in range(len(pattern)):
        if n in reached and pattern[n] == "**":
            reached.add(n + 1)
    return reached


def _one(part: str, pattern: str) -> bool:
    return pattern == "**" or fnmatch.fnmatchcase(part, pattern)


def _is_hidden(path: Path, pattern: Pattern) -> bool:
    """As the action: a name below, or that of the pattern's own base, begins with a dot."""
    return any(part.startswith(".") for part in (pattern.base.name, *path.parts))
