"""An archive becomes a folder: checked member by member, at once or not at all.

The tree is made beside its place and renamed into it. Beside the place lie `NAME.digest`, which
says what was unpacked there, and `NAME.lock`. The artifact store calls `ensure`.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path

from headway.adapters.oci import tar
from headway.adapters.oci.layout import storage_errors, tampered, write_synced
from headway.artifact.manifest import TAR_GZIP, Descriptor
from headway.artifact.members import Entry, Intake, Limits, Refusal
from headway.artifact.strict import shown
from headway.model.errors import Drifted, Refused


@dataclass(frozen=True, slots=True)
class Archive:
    """What is unpacked: the artifact's digest, its layer, and how many bytes it states to hold."""

    digest: str
    layer: Descriptor
    content_bytes: int
    limits: Limits
    open: Callable[[], BufferedReader]


def ensure(archive: Archive, into: Path) -> None:
    """Make `into` hold exactly the archive's members; files that were added there are left alone.

    If a member was changed or removed since, the whole folder is made anew. Raises Refused
    (`hostile-archive`, `tampered`), Drifted (`foreign-folder`), Failed (`storage-full`).
    """
    with storage_errors(f"the folder {into}"), _broken_is_hostile():
        into.parent.mkdir(parents=True, exist_ok=True)
        with _locked(into):
            _sweep(into)
            if _marked(into) == archive.digest and into.is_dir() and _same(archive, into):
                return
            _refuse_foreign(into)
            _replace(archive, into)


def measured(layer: Descriptor, limits: Limits, opened: Callable[[], BufferedReader]) -> int:
    """The bytes that a layer's files hold, every member looked at by the rules.

    Raises Refused (`hostile-archive`, `tampered`).
    """
    intake = Intake(limits)
    with _broken_is_hostile():
        for _ in _admitted(layer, intake, opened):
            pass
    return intake.total_bytes


def _replace(archive: Archive, into: Path) -> None:
    fresh = _beside(into, "new")
    try:
        fresh.mkdir(mode=0o755)
        _extract(archive, fresh)
        # The mark goes first: a folder is known by it, and its contents are compared anyway.
        mark = _beside(into, "mark")
        write_synced(mark, archive.digest.encode("ascii"))
        mark.replace(_mark(into))
        if into.exists():
            into.rename(_beside(into, "old"))
        fresh.rename(into)
    finally:
        _sweep(into)


def _extract(archive: Archive, root: Path) -> None:
    for entry, content in _entries(archive):
        path = root / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind == "folder":
            path.mkdir(exist_ok=True)
            path.chmod(entry.mode)
        elif entry.kind == "symlink":
            path.symlink_to(entry.target)
        elif entry.kind == "hardlink":
            os.link(root / entry.target, path, follow_symlinks=False)
        else:
            _write(path, entry.mode, content)


def _write(path: Path, mode: int, content: Iterator[bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        for chunk in content:
            file.write(chunk)
        os.fchmod(file.fileno(), mode)


def _same(archive: Archive, root: Path) -> bool:
    """Whether every member is still there as it was unpacked."""
    return all(_holds(root, entry, content) for entry, content in _entries(archive))


def _holds(root: Path, entry: Entry, content: Iterator[bytes]) -> bool:
    path = root / entry.path
    if entry.kind == "symlink":
        return path.is_symlink() and str(path.readlink()) == str(Path(entry.target))
    if path.is_symlink():
        return False
    if entry.kind == "folder":
        return path.is_dir()
    if not path.is_file():
        return False
    if entry.kind == "hardlink":
        return path.samefile(root / entry.target)  # which was compared before
    if path.stat().st_size != entry.size or (path.stat().st_mode & 0o777) != entry.mode:
        return False
    with path.open("rb") as file:
        return all(file.read(len(chunk)) == chunk for chunk in content)


def _entries(archive: Archive) -> Iterator[tuple[Entry, Iterator[bytes]]]:
    """Each member by the rules; at the end, that these were the bytes that were verified."""
    intake = Intake(archive.limits)
    yield from _admitted(archive.layer, intake, archive.open)
    if intake.total_bytes != archive.content_bytes:
        why = f"it holds {intake.total_bytes} bytes, its manifest says {archive.content_bytes}"
        raise _hostile("the archive is not what its manifest says", why)


def _admitted(
    layer: Descriptor, intake: Intake, opened: Callable[[], BufferedReader]
) -> Iterator[tuple[Entry, Iterator[bytes]]]:
    with opened() as file:
        hashed = _Hashed(file)
        zipped = layer.media_type == TAR_GZIP
        source = tar.gunzipped(hashed, intake.limits) if zipped else hashed.read
        for member, content in tar.read(source):
            entry = intake.admit(member)
            if isinstance(entry, Refusal):
                raise _hostile(f"the member {shown(entry.member)} is refused", entry.reason)
            yield entry, content
        if hashed.digest() != layer.digest:
            raise tampered(layer.digest, "it changed while it was unpacked")


class _Hashed(RawIOBase):
    """Reads a file and hashes what was read."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        return data

    def tell(self) -> int:
        return self._file.tell()

    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()


def _mark(into: Path) -> Path:
    return into.with_name(into.name + ".digest")


def _marked(into: Path) -> str:
    try:
        return _mark(into).read_text("ascii")
    except FileNotFoundError:
        return ""


def _beside(into: Path, what: str) -> Path:
    return into.with_name(f".{into.name}.{what}-{secrets.token_hex(8)}")


def _sweep(into: Path) -> None:
    """Remove what attempts left; called under the lock, so each of them is over."""
    for what in ("new", "old", "mark"):
        for path in into.parent.glob(f".{_glob(into.name)}.{what}-*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _glob(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


@contextmanager
def _locked(into: Path) -> Iterator[None]:
    path = into.with_name(into.name + ".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _refuse_foreign(into: Path) -> None:
    """Never replace a folder that was not unpacked here. An empty one is nobody's."""
    if into.is_symlink() or (into.exists() and not into.is_dir()):
        why = "it is no folder"
    elif into.is_dir() and not _marked(into) and any(into.iterdir()):
        why = "it holds files that were not unpacked here"
    else:
        return
    raise Drifted(
        f"{into} is in the way of unpacking",
        why=why,
        next=f"move {into} away, then deliver again",
        code="foreign-folder",
    )


@contextmanager
def _broken_is_hostile() -> Iterator[None]:
    try:
        yield
    except tar.Broken as broken:
        where = f"at the member {shown(broken.at)}" if broken.at else "at its first member"
        raise _hostile(f"the archive cannot be read {where}", str(broken)) from None


def _hostile(what: str, why: str) -> Refused:
    return Refused(
        what, why=why, next="build the artifact again from its commit", code="hostile-archive"
    )
