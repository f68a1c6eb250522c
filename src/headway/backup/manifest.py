"""What a backup says of itself: its last member, `manifest.json`. Written by make.py, judged by
archive.py and verify.py.
"""

from headway.record import dataclass
from headway.store.rows import Counted

FORMAT = 1
NAME = "manifest.json"
ROWS = "database.jsonl"
SAMPLES = "samples.jsonl"
"""Not there if the samples are in the same database."""
BUNDLE = ".bundle"


@dataclass(frozen=True, slots=True)
class Part:
    """One file. `path`: where it belongs in a home; `member`: its name in the archive, if that is
    another; `size` in bytes, `sha256` in hex.
    """

    path: str
    size: int
    sha256: str
    member: str = ""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The event log: its last number, and the digest up to there (store/log.py: digest)."""

    seq: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`made_at`: Unix seconds. `home`: its folder then; `name`: what it calls itself.

    `absent`: digests of releases whose artifact was not there any more when the backup was made.
    """

    format: int
    made_at: float
    headway: str
    schema: int
    home: str
    name: str
    database: str
    log: LogEnd
    tables: dict[str, Counted]
    absent: tuple[str, ...]
    parts: tuple[Part, ...]
