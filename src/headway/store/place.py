"""Where one Headway lives. Used by wiring, and by commands that only read and need no wiring."""

from collections.abc import Mapping
from pathlib import Path

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
