"""Makes a home, and its database, of a backup. Called by cli/restore.py.

Everything is unpacked and checked beside the home; it takes its name when nothing can go wrong any
more. What is restored is held: it does nothing to the world until it is adopted (flows/adopt.py).
"""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

import sqlalchemy as sa

from headway.adapters.git.hosting import GitHosting
from headway.backup import archive, manifest
from headway.backup.archive import PIECE, hostile, safe
from headway.backup.manifest import Manifest, Part
from headway.backup.sealing import Lock
from headway.backup.verify import Checks, taking
from headway.model.errors import Drifted, Failed, Invalid, Refused
from headway.model.event import Fact
from headway.record import dataclass
from headway.store import database, installation, log, rows, rows_fill, tables
from headway.store.database import Tx
from headway.store.log import About
from headway.store.place import Place
from headway.store.rows_fill import Told
from headway.store.tables import metadata

RESERVE = 256 << 20
MOVED = frozenset({"repo", "address"})
"""Columns that may name a repository below the home."""

_NOTED = tables.installation.name

Prepare = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """`home` is held. `seconds` that it took."""

    home: Path
    manifest: Manifest
    seconds: float


@dataclass(frozen=True, slots=True)
class Wish:
    """Make `place` of the backup `file`. `prepare` makes the engine's tables at a URL; `by`: who
    asks.
    """

    file: Path
    place: Place
    lock: Lock | None
    prepare: Prepare
    by: str


def restore(wish: Wish) -> Restored:
    """Raises Refused (`not-empty`, `hostile`, `damaged`, `sealed`, `newer-schema`, `incomplete`,
    `cannot-keep`), Invalid (`no-backup`, `bad-manifest`, `bad-dump`), Failed (`storage-full`).
    """
    began = time.monotonic()
    home = wish.place.home
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise _not_empty(f"the folder {home}")
    with _beside(home) as staged, archive.opened(wish.file) as source:
        told = _unpack(wish, staged, source)
        if home.exists():
            home.rmdir()
        staged.rename(home)
    return Restored(home, told, round(time.monotonic() - began, 3))


def _not_empty(what: str) -> Refused:
    return Refused(
        f"{what} is not empty",
        why="a restore never replaces anything",
        next="headway restore FILE --home NEW_DIR",
        code="not-empty",
    )


@contextmanager
def _beside(home: Path) -> Iterator[Path]:
    """A folder of this process beside the home; what a killed one left is removed."""
    home.parent.mkdir(parents=True, exist_ok=True)
    staged = home.with_name(f".{home.name}.restoring")
    with home.with_name(f".{home.name}.restoring.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Drifted(
                f"{home} is being restored by another process", code="not-empty"
            ) from error
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(mode=0o700)
        try:
            yield staged
        finally:
            shutil.rmtree(staged, ignore_errors=True)
            Path(handle.name).unlink(missing_ok=True)


def _unpack(wish: Wish, staged: Path, source: BinaryIO) -> Manifest:
    file = wish.place.file
    inside = file is not None and file.is_relative_to(wish.place.home)
    url = f"sqlite:///{staged / file.name}" if inside and file else wish.place.database
    place = Place(staged, url)
    with _Tables(place, wish) as made:
        checks = Checks(made.fill)
        told = archive.read(source, wish.lock, _to(staged, checks))
        checks.ended(told)
        for part in told.parts:
            _settle(staged, part)
        made.finish(told)
    return told


def _to(staged: Path, checks: Checks) -> archive.Take:
    """Files go to disk, tables to the database, blobs to both disk and checks."""

    def keep(member: str, body: IO[bytes]) -> None:
        with _storing(), _new(staged, member) as out:
            _copy(body, out, staged)

    watched = taking(checks)

    def take(member: str, body: IO[bytes]) -> None:
        if member in {manifest.ROWS, manifest.SAMPLES}:
            watched(member, body)
            return
        keep(member, body)
        with (staged / member).open("rb") as again:
            watched(member, again)

    return take


def _new(staged: Path, member: str) -> IO[bytes]:
    path = staged / safe(member)
    if member.split("/", maxsplit=1)[0].endswith((".db", ".db-wal", ".db-shm")):
        raise hostile("a database's file")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def _copy(body: IO[bytes], out: IO[bytes], staged: Path) -> None:
    while piece := body.read(PIECE):
        if shutil.disk_usage(staged).free < RESERVE:
            raise OSError(errno.ENOSPC, "less than 256 MiB would be left")
        out.write(piece)
    out.flush()
    os.fsync(out.fileno())


@contextmanager
def _storing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failed(
            "the backup cannot be unpacked",
            why=error.strerror or str(error),
            next="free some space, or restore to another disk",
            code="storage-full",
        ) from error


def _settle(staged: Path, part: Part) -> None:
    """To its path, if the member had another name; a bundle becomes a repository."""
    if part.path in {manifest.ROWS, manifest.SAMPLES}:
        return
    path = staged / safe(part.path)
    if part.member:
        if path.exists():
            raise hostile("a path twice")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (staged / safe(part.member)).rename(path)
    if part.path.startswith("git/"):
        if path.suffix != manifest.BUNDLE or part.path.count("/") != 1:
            raise hostile("a file among the repositories")
        GitHosting(staged).unbundle(path.stem, path if part.size else None)
        path.unlink()
    if part.path.split("/")[0] in {"runs", "artifacts", "cas"}:
        path.chmod(0o644)


class _Tables:
    """The new databases, each one transaction from the first row to the last check."""

    def __init__(self, place: Place, wish: Wish) -> None:
        self._place, self._wish = place, wish
        self._open: list[tuple[sa.Engine, sa.Connection, dict[str, sa.Table]]] = []

    def __enter__(self) -> "_Tables":
        try:
            for url, own in rows.databases(self._place).items():
                for each in own:
                    database.prepare_for(url, each, "the database does not answer")
                if metadata in own:
                    self._wish.prepare(url)
                engine = database.connect(url)
                connection = engine.connect()
                database.lock(connection)
                known = rows.found(connection, own)
                self._open.append((engine, connection, known))
                self._must_be_empty(connection, own)
                rows_fill.clear(connection, {k: t for k, t in known.items() if k != _NOTED})
        except BaseException:
            self.close()
            raise
        return self

    def _must_be_empty(self, connection: sa.Connection, own: tuple[sa.MetaData, ...]) -> None:
        """But for what another restore has filled and nobody has adopted: it has done nothing."""
        if metadata in own and installation.get(connection, "held") is not None:
            return
        for table in (t for m in own for t in m.sorted_tables if t.name != _NOTED):
            if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
                raise _not_empty("the database")

    def fill(self, told: Told) -> None:
        """One table of the backup. What is noted of the old installation stays with it."""
        if told.name == _NOTED:
            return
        for _, connection, known in self._open:
            if told.name in known:
                rows_fill.fill(connection, known[told.name], told)
                return
        if next(told.rows, None) is None:
            return
        raise Invalid(
            f"the backup has a table {told.name[:80]!r} that this Headway does not know",
            next="install the version of Headway that made it",
            code="bad-dump",
        )

    def finish(self, told: Manifest) -> None:
        """Paths below the old home become paths below the new one; the hold is written; all is
        committed. Raises Refused (`damaged`) if the log reads otherwise than it was written.
        """
        _, connection, _ = self._open[0]
        if log.digest(connection, told.log.seq) != told.log.digest:
            raise Refused("the database does not give back what it was given", code="damaged")
        tx = Tx(connection, time.time())
        self._rename(tx, told.home)
        backup = {"made_at": told.made_at, "seq": told.log.seq, "digest": told.log.digest}
        installation.hold(tx, backup | {"home": told.home})
        fact = Fact("installation.restored", "installation", told.log.seq + 1,
                    {**backup, "by": self._wish.by})  # fmt: skip
        log.append(tx, About(), fact)
        for _, each, _ in self._open:
            each.commit()

    def _rename(self, tx: Tx, old: str) -> None:
        before, after = f"{old}/git/", f"{self._wish.place.home}/git/"
        for table in metadata.sorted_tables:
            for column in (c for c in table.columns if c.name in MOVED):
                rest = sa.func.substr(column, len(before) + 1)
                mine = sa.func.substr(column, 1, len(before)) == before
                tx.connection.execute(
                    table.update().where(mine).values({column.name: sa.literal(after) + rest})
                )

    def close(self) -> None:
        """Roll back what is not committed."""
        for engine, connection, _ in self._open:
            with suppress(sa.exc.DBAPIError):
                connection.close()
            engine.dispose()
        self._open = []

    def __exit__(self, *_: object) -> None:
        self.close()
