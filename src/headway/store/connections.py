"""The named outside systems of this home: one file each in HOME/connections, readable by its owner.

Files and not rows, because they hold secrets and a database is copied about. Used by wiring and
cli/connection.
"""

import os
import re
from pathlib import Path

import msgspec

from headway import typed
from headway.model.connection import Connection
from headway.model.errors import Invalid

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")


def get(home: Path, name: str) -> Connection:
    """The connection of that name. Raises Invalid (`unknown-connection`)."""
    file = _file(home, name)
    if not file.exists():
        known = ", ".join(c.name for c in every(home)) or "none"
        raise Invalid(
            f"there is no connection `{name}`",
            why=f"known: {known}",
            next="headway connection add --help",
            code="unknown-connection",
        )
    return typed.loads(file.read_bytes(), Connection)


def every(home: Path) -> list[Connection]:
    """All of them, by name."""
    files = sorted((home / "connections").glob("*.json"))
    return [typed.loads(f.read_bytes(), Connection) for f in files]


def put(home: Path, connection: Connection) -> None:
    """Write it, whole or not at all; the same name again replaces it."""
    file = _file(home, connection.name)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_bytes(msgspec.json.encode(connection))
    temporary.replace(file)


def remove(home: Path, name: str) -> None:
    """Forget it. Raises Invalid (`unknown-connection`)."""
    get(home, name)
    _file(home, name).unlink()


def _file(home: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"`{name}` is not a name for a connection",
            why="letters, digits and . _ @ - only",
            code="connection-name",
        )
    return home / "connections" / f"{name}.json"
