"""Report files into records, and the verdict over them: the one way in for `headway test import`
and for flows.

All files are read before anything is kept: a broken one changes nothing.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from headway.model.errors import Invalid
from headway.model.verdict import Verdict
from headway.store import tests, tests_coverage
from headway.store.database import Tx
from headway.store.tests import Origin
from headway.testing import judge as judging
from headway.testing import kind
from headway.testing.coverage import Coverage, joined
from headway.testing.findings import Scan
from headway.testing.judge import Gates, Ruled, Stage
from headway.testing.kind import Read
from headway.testing.result import Report

CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class File:
    """A file as read. `digest`: `sha256:` of its bytes."""

    path: str
    digest: str
    read: Read


@dataclass(frozen=True, slots=True)
class Imported:
    """`stage`: all that is known of the origin's fingerprint now; `ruled`: what failed there;
    `verdict`: None if nothing was asked; `new`: for each report of tests, whether it was new.
    """

    stage: Stage
    ruled: tuple[Ruled, ...]
    verdict: Verdict | None
    new: tuple[bool, ...]


def read(path: str) -> File:
    """The file. Raises Invalid (`missing-file`, and whatever its reader says, with file:line)."""
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as stream:
            made = kind.read(_chunks(stream, digest), path)
    except OSError as error:
        raise Invalid(
            f"{path} cannot be read", why=error.strerror or str(error), code="missing-file"
        ) from error
    return File(path, f"sha256:{digest.hexdigest()}", made)


def _chunks(stream: BinaryIO, digest: "hashlib._Hash") -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
        yield chunk


def keep(
    tx: Tx, origin: Origin, files: Sequence[File], gates: Gates | None, *, more: bool = False
) -> Imported:
    """Record reports of tests and coverage, and judge them with the rest. `more`: further reports
    or tries may come. The same files again change nothing and are judged again. Raises Invalid
    (`same-file-twice`).
    """
    covered = joined(f.read for f in files if isinstance(f.read, Coverage))
    scans = tuple(f.read for f in files if isinstance(f.read, Scan))
    new = tuple(
        tests.record(tx, origin, f.read, f.digest) for f in files if isinstance(f.read, Report)
    )
    if covered is not None:
        tests_coverage.keep(tx, origin, covered, gates.coverage if gates else None)
        tests_coverage.prune(tx, tx.now - tests.KEEP_SECONDS)
    known = tests.stage(tx.connection, origin, tx.now)
    stage = Stage(known.tests, known.past, covered, scans)
    verdict = judging.judge(stage, gates, tx.now, more=more) if gates else None
    return Imported(stage, judging.rulings(stage, tx.now), verdict, new)
