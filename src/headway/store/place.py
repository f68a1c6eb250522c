"""Where one Headway lives. Used by wiring, and by commands that only read and need no wiring."""

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Its home folder and its database's URL."""

    home: Path
    database: str

    @property
    def file(self) -> Path | None:
        """The database's file, None if it is on a server."""
        path = self.database.removeprefix("sqlite:///")
        return None if path == self.database else Path(path)


def locate(home: str | None, environ: Mapping[str, str]) -> Place:
    """From `--home`, else HEADWAY_HOME, else ~/.headway; the database from HEADWAY_DATABASE, else a
    file in the home.
    """
    folder = Path(home or environ.get("HEADWAY_HOME") or Path.home() / ".headway").absolute()
    return Place(folder, environ.get("HEADWAY_DATABASE") or f"sqlite:///{folder / 'headway.db'}")


def public_url(home: Path, environ: Mapping[str, str]) -> str:
    """Where people reach the pages of this home's server, without a slash at the end: what
    HEADWAY_PUBLIC_URL says, else the running server (`--public-url`, else its own address). Empty
    if there is no server, or the text is no http or https address.
    """
    found = environ.get("HEADWAY_PUBLIC_URL") or _announced(home)
    where = urlsplit(found)
    known = where.scheme in {"http", "https"} and bool(where.hostname)
    return found.rstrip("/") if known and found.isprintable() and " " not in found else ""


def _announced(home: Path) -> str:
    try:
        state = json.loads((home / "server.json").read_text())
    except (OSError, ValueError):
        return ""
    return str(state.get("public") or state.get("address") or "")
