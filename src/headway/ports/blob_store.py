"""Bytes under their own digest, and names that point at them: caches, uploads, results of jobs."""

from collections.abc import Iterator
from typing import BinaryIO, Protocol


class BlobStore(Protocol):
    """Content-addressed. Digests are `sha256:` and 64 hex digits."""

    def put(self, source: BinaryIO) -> str:
        """Keep the bytes, whole or not at all; gives the digest. Raises Failed (`storage-full`)."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """The bytes. Raises Invalid (`no-blob`), Failed (`damaged`: not what they were)."""
        ...

    def point(self, scope: str, name: str, digest: str) -> bool:
        """Let a name of the scope mean the digest, once: False if it means something already."""
        ...

    def pointed(self, scope: str, prefix: str) -> Iterator[tuple[str, str, float]]:
        """(name, digest, Unix seconds) of every name that begins so, newest first."""
        ...
