"""Makes a backup while everything goes on. Called by cli/backup.py.

The order is what makes it whole. Notes of pushes come first: one that is taken meanwhile is in the
database. Then the database, as of one moment. Then files: whatever a row names was there before the
row, and nothing is taken away meanwhile: pruning waits for the same lock (store/keeping.py).
Repositories last: a commit that no row knows yet is found by the server at its start.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from headway.adapters.git.hosting import GitHosting
from headway.backup import archive, files, manifest
from headway.backup.archive import Writer
from headway.backup.manifest import LogEnd, Manifest
from headway.backup.sealing import Lock
from headway.model.errors import Failed, Invalid
from headway.model.event import Fact
from headway.record import dataclass
from headway.store import database, log, rows, schema
from headway.store.database import Tx
from headway.store.keeping import keeping
from headway.store.log import About
from headway.store.place import Place
from headway.store.rows import Counted
from headway.store.tables import releases

PUSHES = "pushes"
SMALL = 1 << 20


@dataclass(frozen=True, slots=True)
class Made:
    """`seconds` that it took."""

    file: Path
    size: int
    seconds: float
    manifest: Manifest


def make(place: Place, target: Path, lock: Lock | None) -> Made:
    """Write a backup to `target` (in a folder: under a name by the time). The file appears whole,
    or not at all, and only its owner may read it.

    Raises Invalid (`no-home`, `exists`), Drifted (`keeping`), Refused (`newer-schema`), Failed
    (`storage-full`, `git-failed`), Unreachable.
    """
    began, now = time.monotonic(), time.time()
    if not place.home.is_dir():
        raise Invalid(f"there is no home {place.home}", next="headway --home DIR backup FILE",
                      code="no-home")  # fmt: skip
    database.prepare(place.database)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    file = target / f"headway-{stamp}.backup" if target.is_dir() else target
    with keeping(place.home, alone=False), _appearing(file) as out:
        told = _write(place, out, lock, now)
    _note(place, told, sealed=lock is not None)
    return Made(file, file.stat().st_size, round(time.monotonic() - began, 3), told)


def _note(place: Place, told: Manifest, *, sealed: bool) -> None:
    """That there is a backup is a fact of the log: it is in the next one."""
    engine = database.connect(place.database)
    try:
        with engine.begin() as connection:
            database.lock(connection)
            data = {"seq": told.log.seq, "digest": told.log.digest, "sealed": sealed}
            number = log.last_seq(connection) + 1
            fact = Fact("installation.copied", "installation", number, data)
            log.append(Tx(connection, told.made_at), About(), fact)
    finally:
        engine.dispose()


@contextmanager
def _appearing(file: Path) -> Iterator[BinaryIO]:
    """The file under a hidden name until the block has ended well."""
    if file.exists() or file.is_symlink():
        raise Invalid(f"{file} is there already", next="another name, or a folder", code="exists")
    hidden = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.link(hidden, file)
    except OSError as error:
        raise Failed(
            f"the backup {file} cannot be written",
            why=error.strerror or str(error),
            next="free some space, or name another place",
            code="storage-full",
        ) from error
    finally:
        hidden.unlink(missing_ok=True)


def _write(place: Place, out: BinaryIO, lock: Lock | None, now: float) -> Manifest:
    with archive.writing(out, lock, now) as writer, tempfile.TemporaryDirectory(
        prefix=".backup-", dir=place.home
    ) as scratch:  # fmt: skip
        _files(place.home, writer, sorted((place.home / PUSHES).glob("*.json")))
        told = _rows(place, writer, Path(scratch))
        _files(place.home, writer, _others(place.home))
        _repositories(place.home, writer, Path(scratch))
        done = Manifest(
            format=manifest.FORMAT,
            made_at=now,
            headway=version("headway"),
            schema=schema.VERSION,
            home=str(place.home),
            name=_name(place.home),
            database=told.dialect,
            log=told.log,
            tables=told.tables,
            absent=_absent(place.home, told.digests, {p.path for p in writer.parts}),
            parts=tuple(writer.parts),
        )
        writer.finish(done)
    return done


def _others(home: Path) -> Iterator[Path]:
    return (f for f in files.kept(home) if f.relative_to(home).parts[0] != PUSHES)


def _files(home: Path, writer: Writer, paths: "Iterator[Path] | list[Path]") -> None:
    for path in paths:
        found = files.regular(path)
        if found is not None:
            with found[0] as source:
                writer.add(str(path.relative_to(home)), source, found[1])


@dataclass(frozen=True, slots=True)
class _Rows:
    dialect: str
    log: LogEnd
    digests: tuple[str, ...]
    tables: dict[str, Counted]


def _rows(place: Place, writer: Writer, scratch: Path) -> _Rows:
    """The databases, each as of one moment; the one of the samples may be some moments younger."""
    held: dict[str, Counted] = {}
    first: tuple[str, LogEnd, tuple[str, ...]] | None = None
    names = (manifest.ROWS, manifest.SAMPLES)
    for name, (url, own) in zip(names, rows.databases(place).items(), strict=False):
        for each in own:
            database.prepare_for(url, each, "the database does not answer")
        engine = database.connect(url)
        try:
            with (scratch / name).open("w+b") as spool:
                with rows.snapshot(engine) as connection:
                    held |= rows.dump(connection, own, spool.write)
                    first = first or _moment(connection)
                size = spool.tell()
                spool.seek(0)
                writer.add(name, spool, size)
        finally:
            engine.dispose()
        (scratch / name).unlink()
    assert first is not None
    return _Rows(*first, held)


def _moment(connection: sa.Connection) -> tuple[str, LogEnd, tuple[str, ...]]:
    seq = log.last_seq(connection)
    digests = tuple(connection.execute(sa.select(releases.c.digest).distinct()).scalars())
    return connection.dialect.name, LogEnd(seq, log.digest(connection, seq)), digests


def _repositories(home: Path, writer: Writer, scratch: Path) -> None:
    """Each as one bundle; an empty file is an empty repository."""
    hosting = GitHosting(home)
    for name in hosting.names():
        file = scratch / "bundle"
        if not hosting.bundle(name, file):
            file.touch()
        with file.open("rb") as source:
            writer.add(f"git/{name}{manifest.BUNDLE}", source, file.stat().st_size)
        file.unlink()


def _name(home: Path) -> str:
    try:
        return (home / "name").read_text().strip()
    except FileNotFoundError:
        return ""


def _absent(home: Path, digests: tuple[str, ...], there: set[str]) -> tuple[str, ...]:
    """Releases whose artifact is not whole in the backup."""
    return tuple(sorted(d for d in digests if not _whole(home, d, there)))


def _whole(home: Path, digest: str, there: set[str]) -> bool:
    path = blob(digest)
    found = files.regular(home / path) if path in there else None
    if found is None:
        return False
    with found[0] as source:
        return all(blob(d) in there for d in named(source.read(SMALL)))


def blob(digest: str) -> str:
    """Where a digest's bytes are in a home."""
    return f"artifacts/blobs/{digest.replace(':', '/', 1)}"


def named(text: bytes) -> list[str]:
    """The digests of an image manifest's blobs; none if it is no manifest."""
    try:
        found = json.loads(text)
        return [str(one["digest"]) for one in [found["config"], *found["layers"]]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
