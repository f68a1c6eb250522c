"""Passwords as argon2id (RFC 9106), the second recommended parameters: 64 MiB, 3 passes.

Called by flows/login and flows/accounts. Never inside a transaction: a hash takes a good part of a
second and would hold every writer up. Hashes at once are bounded, because each takes its memory.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import argon2
from argon2.profiles import RFC_9106_LOW_MEMORY

from headway.model.errors import Unreachable

PARAMETERS = RFC_9106_LOW_MEMORY
AT_ONCE = 2
PATIENCE_SECONDS = 10.0
MOST_WAITING = 8
"""Who waits here holds a thread of the server; so not many may."""
_PLACES = threading.BoundedSemaphore(AT_ONCE)
_WAITING = threading.BoundedSemaphore(MOST_WAITING)


@contextmanager
def place() -> Iterator[None]:
    """One of the few that hash now. Raises Unreachable (`busy`)."""
    busy = Unreachable("too many log in at once", next="try again", code="busy")
    if not _WAITING.acquire(blocking=False):
        raise busy
    try:
        if not _PLACES.acquire(timeout=PATIENCE_SECONDS):
            raise busy
    finally:
        _WAITING.release()
    try:
        yield
    finally:
        _PLACES.release()


def hashed(password: str) -> str:
    """What may be stored: parameters, salt and hash in one text."""
    return _hasher(PARAMETERS).hash(password)


def matches(stored: str, password: str) -> bool:
    """Whether it is the one; without a stored one the answer is no, after the same work."""
    hasher = _hasher(PARAMETERS)
    if not stored:
        hasher.hash(password)
        return False
    try:
        return hasher.verify(stored, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def outdated(stored: str) -> bool:
    """Whether it was made with other parameters than today's."""
    return _hasher(PARAMETERS).check_needs_rehash(stored)


def _hasher(parameters: argon2.Parameters) -> argon2.PasswordHasher:
    return argon2.PasswordHasher.from_parameters(parameters)
