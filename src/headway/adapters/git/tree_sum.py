"""The checksum of a folder of files: names, execute bits, contents and links. Used by actions."""

import hashlib
import os
from pathlib import Path

_CHUNK = 1 << 20


def tree_sum(top: Path) -> str:
    """`sha256:` over one line a file, sorted by name; empty folders do not count."""
    lines = sorted(_lines(top))
    return f"sha256:{hashlib.sha256(b''.join(lines)).hexdigest()}"


def _lines(top: Path) -> list[bytes]:
    found = []
    for parent, folders, names in os.walk(top):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for path in (Path(parent) / name for name in (*names, *links)):
            name = os.fsencode(path.relative_to(top))
            found.append(b"%s\0%s\n" % (name, _one(path)))
    return found


def _one(path: Path) -> bytes:
    if path.is_symlink():
        return b"link " + os.fsencode(path.readlink())
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        executable = os.fstat(file.fileno()).st_mode & 0o100
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
    return (b"run " if executable else b"file ") + hashed.hexdigest().encode("ascii")
