"""Which entry a cache step finds. Called by the cache actions.

The rules are those of actions/cache ("Matching a cache key"): the branch's own entries first, then
those of the branches it may read; in each the key itself, then entries that begin with the key,
then the restore keys in their order, the newest entry first. An entry is for the same paths only.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from headway.model.errors import Failed

LONGEST_KEY = 512
MOST_KEYS = 10


@dataclass(frozen=True, slots=True)
class Hit:
    """What was found. `exact`: the key itself, not only its beginning."""

    key: str
    digest: str
    scope: str
    exact: bool


Listing = Callable[[str, str], Iterable[tuple[str, str, float]]]
"""(scope, prefix) to (name, digest, Unix seconds), newest first, as BlobStore.pointed."""


def restore_keys(text: str) -> tuple[str, ...]:
    """One a line."""
    return tuple(line.strip() for line in text.split("\n") if line.strip())


def check(keys: Sequence[str]) -> None:
    """Raises Failed (`bad-key`): too many, too long, empty, or with a comma."""
    if len(keys) > MOST_KEYS:
        raise Failed(f"a cache has at most {MOST_KEYS} keys, here are {len(keys)}", code="bad-key")
    for key in keys:
        if not key or len(key) > LONGEST_KEY or "," in key:
            raise Failed(
                f"{key[:80]!r} cannot be a cache key",
                why=f"a key has 1 to {LONGEST_KEY} characters and no comma",
                code="bad-key",
            )


def entry_name(paths: Iterable[str], key: str) -> str:
    """What an entry is called in its scope: one with other paths is another entry."""
    lines = "\n".join(paths)
    return f"{hashlib.sha256(lines.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}/{key}"


def find(
    listing: Listing, scopes: Sequence[str], paths: Sequence[str], keys: Sequence[str]
) -> Hit | None:
    """The first entry by the rules above; the first of `keys` is the key, the rest restore keys."""
    for scope in scopes:
        for number, key in enumerate(keys):
            wanted = entry_name(paths, key)
            found = list(listing(scope, wanted))
            exact = next((f for f in found if f[0] == wanted), None) if number == 0 else None
            for name, digest, _ in [exact] if exact else found[:1]:
                return Hit(
                    name.partition("/")[2], digest, scope, name == entry_name(paths, keys[0])
                )
    return None
