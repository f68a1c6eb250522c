"""Reads a backup to its end and says whether an installation can be made of it. Called by
cli/backup.py and, while it unpacks, by restore.py.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from headway.backup import archive, manifest
from headway.backup.archive import Take, hostile
from headway.backup.make import SMALL, blob, named
from headway.backup.manifest import Manifest
from headway.backup.sealing import Lock
from headway.model.errors import Refused
from headway.store import rows_fill, schema
from headway.store.rows import Counted
from headway.store.rows_fill import Told
from headway.store.tables import events, releases

LONGEST_LINE = 256 << 20
BLOBS = "artifacts/blobs/sha256/"

Fill = Callable[[Told], None]


class Checks:
    """What is looked at while the parts come by; `fill` gets each table."""

    def __init__(self, fill: Fill | None = None) -> None:
        self._fill = fill
        self._held: dict[str, Counted] = {}
        self._log = hashlib.sha256()
        self._seq = 0
        self._digests: set[str] = set()
        self._blobs: dict[str, list[str]] = {}

    def rows(self, body: IO[bytes]) -> None:
        """A part that holds tables."""
        for told in rows_fill.read(_lines(body), self._held):
            watched = Told(told.name, told.columns, self._watch(told))
            if self._fill:
                self._fill(watched)
            for _ in watched.rows:
                pass

    def _watch(self, told: Told) -> Iterator[bytes]:
        wanted = {events.name: "seq", releases.name: "digest"}.get(told.name)
        column = told.columns.index(wanted) if wanted in told.columns else -1
        for line in told.rows:
            if told.name == events.name:
                self._log.update(line + b"\n")
                self._seq = max(self._seq, int(rows_fill.value(line, column)))
            elif column >= 0:
                self._digests.add(str(rows_fill.value(line, column)))
            yield line

    def blob(self, name: str, body: IO[bytes]) -> None:
        """A blob of an artifact: its name is its digest."""
        start = body.read(SMALL)
        self._blobs[name] = named(start) if len(start) < SMALL else []
        hashed = hashlib.sha256(start)
        while piece := body.read(archive.PIECE):
            hashed.update(piece)
        if hashed.hexdigest() != name.removeprefix(BLOBS):
            raise Refused(
                "an artifact in the backup was changed",
                why=f"{name[:100]} has another digest",
                next="use another copy",
                code="tampered",
            )

    def ended(self, told: Manifest) -> None:
        """All has come. Raises Refused (`damaged`, `newer-schema`, `incomplete`)."""
        if told.schema > schema.VERSION:
            raise Refused(
                "the backup was made by a newer Headway",
                why=f"its schema is {told.schema}, this one knows up to {schema.VERSION}",
                next=f"install headway {told.headway[:20]}",
                code="newer-schema",
            )
        log = (self._seq, f"sha256:{self._log.hexdigest()}")
        if self._held != told.tables or log != (told.log.seq, told.log.digest):
            raise Refused(
                "the backup is damaged",
                why="its rows are not those that its manifest counts",
                next="use another copy",
                code="damaged",
            )
        lacking = {d for d in self._digests if not self._whole(d)} - set(told.absent)
        if lacking:
            raise Refused(
                "the backup is not complete",
                why=f"the artifact {min(lacking)[:80]} of a release is not in it",
                next="make another backup",
                code="incomplete",
            )

    def _whole(self, digest: str) -> bool:
        known = self._blobs.get(blob(digest))
        return known is not None and all(blob(d) in self._blobs for d in known)


def _lines(body: IO[bytes]) -> Iterator[bytes]:
    while line := body.readline(LONGEST_LINE):
        if not line.endswith(b"\n"):
            raise hostile("a row that is longer than any row is")
        yield line


def verify(file: Path, lock: Lock | None) -> Manifest:
    """Read it all. Raises as archive.read, Checks.ended and rows_fill.read."""
    checks = Checks()
    with archive.opened(file) as source:
        told = archive.read(source, lock, taking(checks))
    checks.ended(told)
    return told


def taking(checks: Checks, otherwise: Take | None = None) -> Take:
    """Give tables and blobs to the checks; `otherwise` gets all but tables before them."""

    def take(member: str, body: IO[bytes]) -> None:
        if member in {manifest.ROWS, manifest.SAMPLES}:
            checks.rows(body)
        elif member.startswith(BLOBS):
            checks.blob(member, body)
        elif otherwise:
            otherwise(member, body)

    return take
