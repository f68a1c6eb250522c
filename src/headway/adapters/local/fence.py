"""One change at a time to a service in an environment, none from the past. Called by target.py.

The lock is the kernel's (flock), so a killed server lets go of it. generation.json is written
before anything is done: whoever comes later with an older generation is refused, even if the newer
order was cut short.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headway.adapters.local.shim import write_json
from headway.model.errors import Drifted

REMOVED = "removed"


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the service's lock; gives False at once, without it, if it is taken and not `wait`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(fd)
        yield False
        return
    try:
        yield True
    finally:
        os.close(fd)


def admit(folder: Path, generation: int, release: str, content: str) -> None:
    """Let this change in, or raise Drifted: `stale-generation` (a newer one was here) or
    `generation-reused` (this one was here with another content for the release). Needs the lock.
    """
    path = folder / "generation.json"
    known: dict[str, Any] = {"generation": -1, "orders": {}}
    if path.exists():
        known = json.loads(path.read_text())
    if generation < known["generation"]:
        raise Drifted(
            f"generation {generation} of {folder.name} is stale",
            why=f"generation {known['generation']} was applied already",
            code="stale-generation",
        )
    orders = known["orders"] if generation == known["generation"] else {}
    former = orders.get(release)
    if former not in (None, content) and content != REMOVED:
        raise Drifted(
            f"generation {generation} of {folder.name} was applied with another content",
            why=f"each change to {release} needs a generation of its own",
            code="generation-reused",
        )
    if generation > known["generation"] or former != content:
        write_json(str(path), {"generation": generation, "orders": orders | {release: content}})
