"""Who a worker is: an id and a key pair, made once in its home and kept there.

So a worker that is started again is the same one, and goes on with the jobs it held. One process
uses a home at a time. Called by cli/worker.
"""

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headway import typed
from headway.flows import pool_seal
from headway.model.errors import Drifted, Invalid
from headway.once import once

_POOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class Identity:
    """`private`: opens the secrets that are sealed for this worker; it never leaves the home."""

    id: str
    private: bytes


def checked(pool: str) -> str:
    """A name for a pool. Raises Invalid (`bad-pool`)."""
    if not _POOL.fullmatch(pool):
        raise Invalid(
            f"{pool[:80]!r} cannot name a pool",
            why="letters, digits and . _ - only, at most 40",
            next="headway worker --pool default",
            code="bad-pool",
        )
    return pool


@contextmanager
def held(home: Path) -> Iterator[Identity]:
    """The identity of this home, until the block ends. Raises Drifted (`worker-runs`)."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "worker.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Drifted(
                "a worker of this pool already runs in this home",
                why=f"{home}/worker.lock is locked",
                next="headway worker --home ANOTHER_DIR …, or give it more places with --jobs",
                code="worker-runs",
            ) from None
        yield _known(home / "worker.json")


def _known(file: Path) -> Identity:
    return typed.loads(once(file, _fresh), Identity)


def _fresh() -> bytes:
    host = re.sub(r"[^A-Za-z0-9-]+", "-", socket.gethostname())[:40] or "worker"
    made = Identity(f"{host}-{os.urandom(4).hex()}", pool_seal.make_key())
    return msgspec.json.encode(made)
