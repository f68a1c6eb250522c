"""Blobs and names in a folder: HOME/cas. Serves ports/blob_store; used by flows and actions.

    cas/sha256/ab/cdef…     one file a blob: whole, synced, never changed
    cas/names/SCOPE/NAME    what a name means (pointers)
    cas/damaged/DIGEST      a blob that was not what its name says, kept for people

Scopes that begin with `cache/` are bounded: the least recently used entries go when their blobs
take more than `cache_bytes`. Other scopes are kept.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from headway.adapters.disk.files import (
    Draft,
    draft,
    make_folder,
    remove_stale_parts,
    storing,
    sync_folder,
)
from headway.adapters.disk.pointers import Pointer, Pointers
from headway.model.errors import Failed, Invalid
from headway.pipeline.cache.eviction import CACHE_SCOPES, Kept, victims
from headway.ports.blob_store import BlobStore

CACHE_BYTES = 10 * 1024**3
_CHUNK = 1 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class DiskBlobs(BlobStore):
    """One folder, shared by any number of processes of this machine."""

    def __init__(self, home: Path, cache_bytes: int = CACHE_BYTES) -> None:
        self._folder = home.resolve() / "cas"
        self._blobs = self._folder / "sha256"
        self._names = Pointers(self._folder / "names")
        self._cache_bytes = cache_bytes
        for folder in (self._blobs, self._folder / "names"):
            if folder.is_dir():
                remove_stale_parts(folder)

    def put(self, source: BinaryIO) -> str:
        """Keep the bytes; gives their digest. A blob that is there is used again, not written.

        Raises Failed (`storage-full`, `storage-failed`); what reading `source` raises goes through.
        """
        with draft(self._blobs) as made:
            digest = self._copy(source, made)
            path = self._path(digest)
            if not self._is_there(path, made.file.tell()):
                self._publish(made, path)
        return digest

    def open(self, digest: str) -> BinaryIO:
        """The bytes, read and checked once before they are given. Raises as the port says."""
        path = self._path(digest)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            raise Invalid(f"there is no blob {digest}", code="no-blob") from None
        try:
            self._check(file, path, digest)
        except BaseException:
            file.close()
            raise
        return file

    def point(self, scope: str, name: str, digest: str) -> bool:
        """Let a name of the scope mean the digest, once. A name whose blob is gone is free again.

        Raises Invalid (`no-blob`, `bad-name`), Failed (`storage-full`, `storage-failed`).
        """
        path = self._path(digest)
        made = self._names.make(scope, name, digest)
        known = None if made else self._names.get(scope, name)
        if known and not self._path(known.digest).exists():
            self._names.remove(known)
            made = self._names.make(scope, name, digest)
        if made and not path.exists():
            self._forget(scope, name)
            raise Invalid(f"there is no blob {digest}", code="no-blob")
        if made and scope.startswith(CACHE_SCOPES):
            self._evict()
        return made

    def pointed(self, scope: str, prefix: str) -> Iterator[tuple[str, str, float]]:
        """(name, digest, Unix seconds) of every name that begins so and whose blob is here."""
        for pointer in self._names.find(scope, prefix):
            if self._path(pointer.digest).exists():
                yield pointer.name, pointer.digest, pointer.at

    def _copy(self, source: BinaryIO, made: Draft) -> str:
        hashed = hashlib.sha256()
        while chunk := source.read(_CHUNK):
            hashed.update(chunk)
            with storing(self._folder):
                made.file.write(chunk)
        return f"sha256:{hashed.hexdigest()}"

    def _publish(self, made: Draft, path: Path) -> None:
        # Another process may put the same bytes at the same moment: whoever is first.
        with contextlib.suppress(FileExistsError), storing(self._folder):
            made.publish(path)

    def _is_there(self, path: Path, size: int) -> bool:
        """Whether the blob is kept, as long as it must be; it counts as used now."""
        try:
            if path.stat().st_size == size:
                _used_now(path)
                return True
            self._set_aside(path)
        except FileNotFoundError:
            pass
        return False

    def _check(self, file: BinaryIO, path: Path, digest: str) -> None:
        hashed = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
        if f"sha256:{hashed.hexdigest()}" != digest:
            self._set_aside(path)
            raise Failed(
                f"the blob {digest} is damaged",
                why=f"its bytes are not what was kept; they are set aside in {self._folder}",
                code="damaged",
            )
        _used_now(path)
        file.seek(0)

    def _set_aside(self, path: Path) -> None:
        """Out of the way, so that the same bytes can be put again."""
        aside = self._folder / "damaged"
        make_folder(aside)
        with contextlib.suppress(FileNotFoundError):
            path.rename(aside / f"{path.parent.name}{path.name}")
            sync_folder(path.parent)

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise Invalid(f"{digest[:80]!r} is not a digest", code="no-blob")
        hexadecimal = digest.removeprefix("sha256:")
        return self._blobs / hexadecimal[:2] / hexadecimal[2:]

    def _forget(self, scope: str, name: str) -> None:
        if known := self._names.get(scope, name):
            self._names.remove(known)

    def _evict(self) -> None:
        """Bound the caches; one process at a time, and whoever comes second need not."""
        with (self._folder / ".evict.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            scopes = list(self._names.scopes(CACHE_SCOPES))
            entries = {p.file: p for scope in scopes for p in self._names.find(scope, "")}
            kept = [k for p in entries.values() if (k := self._kept(p))]
            for gone in victims(kept, self._cache_bytes):
                self._names.remove(entries[Path(gone.id)])
            self._drop_unpointed({k.digest for k in kept})

    def _kept(self, pointer: Pointer) -> Kept | None:
        try:
            found = self._path(pointer.digest).stat()
        except FileNotFoundError:
            self._names.remove(pointer)
            return None
        used = max(found.st_atime, pointer.at)
        return Kept(str(pointer.file), pointer.digest, found.st_size, used)

    def _drop_unpointed(self, digests: set[str]) -> None:
        """Remove those blobs that no name of any scope means and no folder has a link to."""
        pointed = {p.digest for s in self._names.scopes("") for p in self._names.find(s, "")}
        for digest in digests - pointed:
            path = self._path(digest)
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_nlink == 1:
                    path.unlink()


def _used_now(path: Path) -> None:
    """The access time says when a blob was used last; the other time stays."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
