"""Names that point at blobs: one small file per name, HOME/cas/names/SCOPE/NAME. Used by DiskBlobs.

File names are the quoted names, so that a prefix is found without reading; a long one is cut and
ends in `~` and its hash. The file holds the digest, a newline, and the whole name.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from headway.adapters.disk.files import draft, storing, sync_folder
from headway.model.errors import Invalid
from headway.record import dataclass

_CUT = 150
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Pointer:
    """One name. `at`: Unix seconds when it was made."""

    name: str
    digest: str
    at: float
    file: Path


class Pointers:
    """Every scope below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self, scope: str, name: str, digest: str) -> bool:
        """Let the name mean the digest; False if it means something. Raises Failed, Invalid."""
        path = self._path(scope, name)
        with draft(self._folder) as made:
            with storing(path.parent):
                made.file.write(f"{digest}\n".encode("ascii") + _bytes(name))
            try:
                with storing(path.parent):
                    made.publish(path)
            except FileExistsError:
                return False
        return True

    def get(self, scope: str, name: str) -> Pointer | None:
        """What the name means."""
        return _read(self._path(scope, name))

    def find(self, scope: str, prefix: str) -> list[Pointer]:
        """Every name of the scope that begins so, newest first."""
        folder = self._folder / _quoted(scope)
        begin = _escaped(prefix)[:_CUT]
        files = [p for p in _listed(folder) if p.name.startswith(begin)]
        found = [p for file in files if (p := _read(file)) and p.name.startswith(prefix)]
        return sorted(found, key=lambda p: (-p.at, p.name))

    def scopes(self, prefix: str) -> Iterator[str]:
        """Every scope whose name begins so and was short enough to be kept whole."""
        for folder in _listed(self._folder):
            if folder.is_dir() and (scope := unquote(folder.name)).startswith(prefix):
                yield scope

    def remove(self, pointer: Pointer) -> None:
        """Forget the name."""
        with contextlib.suppress(FileNotFoundError):
            pointer.file.unlink()
            sync_folder(pointer.file.parent)

    def _path(self, scope: str, name: str) -> Path:
        for what in (scope, name):
            if not 0 < len(what) <= _LONGEST or "\0" in what:
                raise Invalid(f"{what[:80]!r} cannot name a blob", code="bad-name")
        if len(_escaped(scope)) > _CUT:
            raise Invalid(f"the scope {scope[:80]!r} is too long", code="bad-name")
        return self._folder / _quoted(scope) / _quoted(name)


def _listed(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if p.name[0] != "."] if folder.is_dir() else []


def _read(path: Path) -> Pointer | None:
    try:
        with path.open("rb") as file:
            data = file.read()
        at = path.stat().st_mtime
    except FileNotFoundError:
        return None
    digest, _, name = data.partition(b"\n")
    return Pointer(name.decode("utf-8", "surrogatepass"), digest.decode("ascii"), at, path)


def _quoted(text: str) -> str:
    escaped = _escaped(text)
    if len(escaped) <= _CUT:
        return escaped
    return f"{escaped[:_CUT]}~{hashlib.sha256(_bytes(text)).hexdigest()}"


def _escaped(text: str) -> str:
    return quote(_bytes(text), safe="").replace(".", "%2E").replace("~", "%7E")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
