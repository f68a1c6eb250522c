"""Safe hands for JSON from strangers: every step says what it wants, and gets it or nothing.

A payload is authenticated, but its text is other people's. Called by the readers beside this file.
"""

from typing import Any

from headway.pipeline.trigger.event import NOTHING, is_ref, is_sha

MOST_NAME = 500
MOST_MESSAGE = 65_536


class Unreadable(ValueError):
    """The payload is not what its event promises; the text is a whole sentence."""


def find(payload: object, *path: str) -> object:
    """What lies at the path of keys, or None."""
    found = payload
    for key in path:
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def text(payload: object, *path: str, most: int = MOST_NAME) -> str:
    """The text at the path, cut at `most`; "" for anything else. NUL and lone surrogates turn into
    `?`.
    """
    found = find(payload, *path)
    if not isinstance(found, str):
        return ""
    return found[:most].replace("\0", "?").encode("utf-8", "replace").decode()


def number(payload: object, *path: str) -> int:
    """The whole number at the path; 0 for anything else."""
    found = find(payload, *path)
    good = isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**53
    return found if good and isinstance(found, int) else 0


def flag(payload: object, *path: str) -> bool:
    """Whether `true` lies at the path."""
    return find(payload, *path) is True


def mapping(payload: object, *path: str) -> dict[str, Any]:
    """The object at the path; empty for anything else."""
    found = find(payload, *path)
    return found if isinstance(found, dict) else {}


def size(payload: object, *path: str) -> int:
    """How many items the list at the path has; 0 for anything else."""
    found = find(payload, *path)
    return len(found) if isinstance(found, list) else 0


def ref(payload: object, *path: str) -> str:
    """The full name of a ref. Raises Unreadable."""
    found = find(payload, *path)
    if not is_ref(found):
        raise Unreadable(f"`{'.'.join(path)}` is not the full name of a Git ref")
    return str(found)


def branch(payload: object, *path: str) -> str:
    """The short name of a branch, which makes a ref that git would take. Raises Unreadable."""
    found = find(payload, *path)
    if not isinstance(found, str) or not is_ref(f"refs/heads/{found}"):
        raise Unreadable(f"`{'.'.join(path)}` is not the name of a branch")
    return found


def sha(payload: object, *path: str) -> str:
    """The name of a commit. Raises Unreadable."""
    found = find(payload, *path)
    if not is_sha(found):
        raise Unreadable(f"`{'.'.join(path)}` is not the name of a commit")
    return str(found)


def sha_or_nothing(payload: object, *path: str) -> str:
    """The name of a commit; "" for the null one or none at all. Raises Unreadable."""
    found = find(payload, *path)
    return "" if found in (*NOTHING, None, "") else sha(payload, *path)
