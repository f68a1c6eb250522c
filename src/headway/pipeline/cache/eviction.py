"""Which cache entries go when there are too many. Called by the store after every new entry."""

from collections.abc import Sequence

from headway.record import dataclass

CACHE_SCOPES = "cache/"
"""Scopes of a blob store that begin so hold caches and may lose entries."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry. `id` names it, `size` is of its blob in bytes, `used` Unix seconds of last use."""

    id: str
    digest: str
    size: int
    used: float


def victims(entries: Sequence[Kept], limit: int) -> tuple[Kept, ...]:
    """The least recently used entries, as few as bring the blobs down to `limit` bytes.

    A blob that several entries mean counts once, and is freed with the last of them. The entry used
    last always stays, even if it alone is larger.
    """
    users: dict[str, int] = {}
    for entry in entries:
        users[entry.digest] = users.get(entry.digest, 0) + 1
    total = sum({entry.digest: entry.size for entry in entries}.values())
    gone: list[Kept] = []
    for entry in sorted(entries, key=lambda e: (e.used, e.id))[:-1]:
        if total <= limit:
            break
        gone.append(entry)
        users[entry.digest] -= 1
        if not users[entry.digest]:
            total -= entry.size
    return tuple(gone)
