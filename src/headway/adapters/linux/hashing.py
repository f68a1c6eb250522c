"""hashFiles: one hash over the files of the workspace that match. Called by expressions of steps.

As documented: SHA-256 over the SHA-256 of each file, in the order of their paths; empty for no
match. Patterns are relative to the workspace; `**`, `*`, `?`, `[…]`, and `!` to leave out again; a
folder means all in it. No link is followed, so that nothing outside is read.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from headway.adapters.linux.trees import walk
from headway.adapters.linux.workspace import open_regular
from headway.expression import ExpressionError, Value, text

_CHUNK = 1 << 20
MAX_FILES = 200_000


def hash_files(top: Path, *patterns: Value) -> str:
    """The hash in hex. Raises ExpressionError (`evaluation`)."""
    chosen = [line.strip() for given in patterns for line in text(given).splitlines()]
    rules = [_rule(top, p) for p in chosen if p and not p.startswith(("#", "--"))]
    total = hashlib.sha256()
    count = 0
    for relative in sorted(_files(top)):
        if _chosen(relative, rules):
            total.update(_digest(top / relative))
            count += 1
    return total.hexdigest() if count else ""


def _files(top: Path) -> Iterator[str]:
    """Regular files, as paths from the top with `/`."""
    count, skipped = 0, len(str(top)) + 1
    try:
        for _, entries in walk(str(top)):
            count += len(entries)
            if count > MAX_FILES:
                raise ExpressionError("evaluation", f"hashFiles: more than {MAX_FILES} files")
            files = (entry for entry in entries if entry.is_file(follow_symlinks=False))
            yield from (entry.path[skipped:] for entry in files)
    except OSError as error:
        raise ExpressionError("evaluation", f"hashFiles: {error.strerror}") from error


def _digest(path: Path) -> bytes:
    found = hashlib.sha256()
    try:
        with open_regular(path) as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    except OSError as error:
        raise ExpressionError("evaluation", f"hashFiles: {path.name}: {error.strerror}") from error
    return found.digest()


def _chosen(path: str, rules: list[tuple[bool, re.Pattern[str]]]) -> bool:
    """The last rule that matches the file, or a folder above it, decides."""
    parts = path.split("/")
    ways = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    found = False
    for takes, pattern in rules:
        if any(pattern.fullmatch(way) for way in ways):
            found = takes
    return found


def _rule(top: Path, pattern: str) -> tuple[bool, re.Pattern[str]]:
    takes = not pattern.startswith("!")
    bare = pattern.removeprefix("!").strip()
    bare = bare.removeprefix(f"{top}/").removeprefix("./").rstrip("/")
    if bare in (".", "", str(top)):
        bare = "**"
    if bare.startswith("/") or ".." in bare.split("/"):
        raise ExpressionError("evaluation", f"hashFiles: {bare[:80]!r} is outside the workspace")
    return takes, re.compile("".join(_pieces(bare.split("/"))))


def _pieces(parts: list[str]) -> Iterator[str]:
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            yield ".*" if last else "(?:[^/]+/)*"
        else:
            yield _segment(part) + ("" if last else "/")


def _segment(part: str) -> str:
    found = ""
    at = 0
    while at < len(part):
        end = part.find("]", at + 2) if part[at] == "[" else -1
        if end > 0:
            inner = part[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            found += f"[{'^' + inner[1:] if inner[0] in '!^' else inner}]"
            at = end
        else:
            found += {"*": "[^/]*", "?": "[^/]"}.get(part[at]) or re.escape(part[at])
        at += 1
    return found
