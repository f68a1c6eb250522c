"""Where one Headway lives. Used by wiring, and by commands that only read and need no wiring."""

import os
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
    given = environ.get("HEADWAY_DATABASE")
    return Place(folder, address(given) if given else f"sqlite:///{folder / 'headway.db'}")


def address(url: str) -> str:
    """A database's URL with the driver that Headway has: `postgresql://` and `postgres://` may be
    said short.
    """
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in {"postgresql", "postgres"} else url


def shown(url: str) -> str:
    """The URL without its password."""
    start, sep, rest = url.partition("://")
    who, at, where = rest.rpartition("@")
    return f"{start}{sep}{who.partition(':')[0]}{at}{where}"


def public_url(home: Path, environ: Mapping[str, str]) -> str:
    """Where people reach the pages of this home's server, without a slash at the end: what it said
    when it was last started (`--public-url`, else HEADWAY_PUBLIC_URL, else its own address); where
    none was started, HEADWAY_PUBLIC_URL. Empty if that is no http or https address.
    """
    found = (_announced(home) or environ.get("HEADWAY_PUBLIC_URL", "")).strip()
    return found.rstrip("/") if is_url(found) else ""


def announce(home: Path, url: str) -> None:
    """A server of this home says where people reach it; what it said before is replaced."""
    file = home / "public-url"
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(url)
    temporary.replace(file)


def is_url(text: str) -> bool:
    """Whether it is an http or https address to which a path can be added."""
    try:
        where = urlsplit(text)
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and not {*" <>|\"'"} & {*text}
    return plain and where.scheme in {"http", "https"} and bool(where.hostname) and not where.query


def _announced(home: Path) -> str:
    try:
        return (home / "public-url").read_text()
    except OSError:
        return ""
