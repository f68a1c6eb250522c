"""upload-artifact and download-artifact: files between the workspace and the run. Called by runner.

An upload appears whole or not at all. Who made it is recorded first, so that two jobs can never
share a name, and a repeated job replaces exactly its own.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from headway.adapters.process.globs import Found, find
from headway.adapters.process.workspace import Workspace, open_regular, remove
from headway.model.errors import Failed
from headway.model.pipeline import Upload

Say = Callable[[str], None]
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DEFAULT_NAME = "artifact"


def forget(place: Workspace) -> None:
    """Remove what an earlier attempt of this job uploaded."""
    owners = _owners(place)
    for owner in owners.iterdir() if owners.is_dir() else ():
        if owner.read_text("utf-8") == place.folder.name:
            remove(_uploads(place) / owner.name)
            owner.unlink()


def upload(place: Workspace, inputs: dict[str, str], say: Say) -> Upload:
    """Copy what `path` names to the run. Raises Failed and says why; then nothing was uploaded."""
    name = _checked(inputs.get("name", _DEFAULT_NAME))
    hidden = inputs.get("include-hidden-files") == "true"
    found = find(place.checkout, inputs.get("path", ""), hidden=hidden)
    if not found.files:
        where = " ".join(inputs.get("path", "").split())
        raise Failed(f"nothing was found at {where!r}", code="nothing-found")
    if found.hidden:
        say(f"{found.hidden} hidden files left out (include-hidden-files: true takes them)")
    _claim(place, name)
    staging = _uploads(place) / f".{name}.part"
    remove(staging)
    _copy(found, staging)
    staging.rename(_uploads(place) / name)
    say(f"{len(found.files)} files uploaded as {name}")
    return Upload(name, str(_uploads(place) / name))


def download(place: Workspace, inputs: dict[str, str], say: Say) -> None:
    """Copy one upload of the run, or all, into the workspace. Raises Failed."""
    into = _inside(place.checkout, inputs.get("path", "."))
    name = inputs.get("name")
    names = [_checked(name)] if name is not None else _all_names(place)
    for each in names:
        source = _uploads(place) / each
        if not source.is_dir():
            raise Failed(f"no job of this run has uploaded {each!r}", code="no-upload")
        count = _merge(source, into if name is not None else into / each, place.checkout)
        say(f"{count} files of {each}")


def _claim(place: Workspace, name: str) -> None:
    _owners(place).mkdir(parents=True, exist_ok=True)
    path = _owners(place) / name
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(place.folder.name)
    except FileExistsError as error:
        owner = path.read_text("utf-8")
        raise Failed(f"job {owner!r} has uploaded {name!r} already", code="same-upload") from error


def _copy(found: Found, into: Path) -> None:
    into.mkdir(parents=True)
    into.chmod(0o755)
    links = []
    for relative in found.files:
        source, target = found.root / relative, into / relative
        _make_folders(target.parent, into)
        if source.is_symlink():
            target.symlink_to(source.readlink())
            links.append(target)
        else:
            _copy_file(source, target)
    for link in links:
        _check_link(link, into)


def _make_folders(folder: Path, top: Path) -> None:
    missing = [f for f in (folder, *folder.parents) if f.is_relative_to(top) and not f.exists()]
    for each in reversed(missing):
        each.mkdir()
        each.chmod(0o755)


def _copy_file(source: Path, target: Path) -> None:
    """A regular file only; owner, times and special bits stay behind."""
    with open_regular(source) as reader, target.open("xb") as writer:
        mode = os.fstat(reader.fileno()).st_mode
        shutil.copyfileobj(reader, writer, 1 << 20)
        os.fchmod(writer.fileno(), 0o755 if mode & 0o100 else 0o644)


def _check_link(link: Path, top: Path) -> None:
    if link.readlink().is_absolute() or not _stays_inside(link, top.resolve()):
        raise Failed(
            f"{str(link.relative_to(top))!r} is a symbolic link that leaves the upload",
            code="hostile-upload",
        )


def _stays_inside(link: Path, top: Path) -> bool:
    """Whether the link leads to a place below `top`, there or not; a loop leads nowhere."""
    try:
        return link.resolve(strict=True).is_relative_to(top)
    except FileNotFoundError:
        return link.resolve().is_relative_to(top)
    except (OSError, RuntimeError):
        return False


def _merge(source: Path, into: Path, top: Path) -> int:
    count = 0
    for path in _files(source):
        target = into / path.relative_to(source)
        _inside(top, str(target.parent))
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() or target.is_file():
            target.unlink()
        if path.is_symlink():
            target.symlink_to(path.readlink())
        else:
            _copy_file(path, target)
        count += 1
    return count


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        for name in (*names, *(f for f in folders if (Path(parent) / f).is_symlink())):
            yield Path(parent) / name


def _inside(top: Path, path: str) -> Path:
    """The path in the workspace, links followed. Raises Failed (`outside`)."""
    found = (top / path).resolve()
    if not found.is_relative_to(top.resolve()):
        raise Failed(f"{path!r} is outside the workspace", code="outside")
    return found


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Failed(f"{name[:80]!r} cannot name an upload", code="bad-name")
    return name


def _all_names(place: Workspace) -> list[str]:
    folder = _uploads(place)
    names = [p.name for p in folder.iterdir() if p.name[0] != "."] if folder.is_dir() else []
    return sorted(names)


def _uploads(place: Workspace) -> Path:
    return place.run / "uploads"


def _owners(place: Workspace) -> Path:
    return _uploads(place) / ".jobs"
