"""One lock for those who copy a home and those who take things out of it.

Called by backup/make.py and retention/.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headway.model.errors import Drifted


@contextmanager
def keeping(home: Path, *, alone: bool) -> Iterator[None]:
    """Backups hold this together, pruning holds it `alone`. Raises Drifted (`keeping`)."""
    with (home / "keep.lock").open("a") as handle:
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Drifted(
                "a backup is being made" if alone else "old things are being pruned",
                why="nothing may be taken away while it is copied",
                next="try again when it is done",
                code="keeping",
            ) from error
        yield
