"""The files of an OCI image layout: blobs by digest, and index.json changed at once or not at all.

The artifact store builds on it. Everything new is first written and synced under `.incoming`; only
then, under the lock, is it renamed into place. A full disk therefore leaves the layout as it was.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from headway.artifact import manifest, strict
from headway.artifact.manifest import Descriptor
from headway.artifact.strict import Unreadable
from headway.model.errors import Failed, Invalid, Refused

CHUNK = 1 << 20
INDEX_LIMIT = 64 << 20
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

Index = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Staged:
    """A blob written and synced, not yet in its place. The open `file` holds its lock."""

    path: Path
    digest: str
    size: int
    file: BinaryIO

    def reopened(self) -> BufferedReader:
        """The blob for reading."""
        return self.path.open("rb")

    def named(self, media_type: str) -> Descriptor:
        """The descriptor of this blob."""
        return Descriptor(media_type, self.digest, self.size)


class Layout:
    """One layout folder. Every method may be called from several processes at once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._blobs = root / "blobs" / "sha256"
        self._incoming = root / ".incoming"

    def blob(self, digest: str) -> Path:
        """Where the blob is or would be. Raises Invalid (`missing-artifact`) for no digest."""
        try:
            return self._blobs / manifest.checked_digest(digest).removeprefix("sha256:")
        except Unreadable as why:
            raise missing(digest, str(why)) from None

    def read(self, digest: str, limit: int = strict.MAX_BYTES) -> bytes:
        """A small blob, hashed again. Raises as `open`, and Refused (`tampered`)."""
        with self.open(digest) as file:
            data = file.read(limit + 1)
        if manifest.digest_of(data) != digest:
            raise tampered(digest, "its content has another digest")
        return data

    def check(self, blob: Descriptor) -> None:
        """Hash a blob of any size again. Raises as `read`; also if the size is another."""
        with self.open(blob.digest) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        if f"sha256:{found}" != blob.digest:
            raise tampered(blob.digest, "its content has another digest")
        if size != blob.size:
            raise tampered(blob.digest, f"it is {size} bytes long, its manifest says {blob.size}")

    def open(self, digest: str) -> BufferedReader:
        """A blob for reading. Raises Invalid (`missing-artifact`)."""
        try:
            descriptor = os.open(self.blob(digest), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise missing(digest, f"the blob {digest} is not in the store") from None
        except OSError as error:
            raise tampered(digest, error.strerror or str(error)) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise tampered(digest, "it is no file")
        return os.fdopen(descriptor, "rb")

    def index(self) -> Index:
        """The descriptors of index.json; none if there is no layout yet.

        Raises Refused (`tampered`) if it cannot be read.
        """
        try:
            data = (self._root / "index.json").read_bytes()
        except FileNotFoundError:
            return []
        try:
            return entries_of(data)
        except Unreadable as why:
            raise tampered("index.json", str(why)) from None

    @contextmanager
    def staging(self) -> Iterator["Staging"]:
        """A place to write blobs to; whatever was not placed is removed at the end.

        Raises Failed (`storage-full`, `storage`).
        """
        with storage_errors("the artifact store"):
            self._begin()
            staging = Staging(self._incoming)
            try:
                yield staging
            finally:
                staging.clear()

    def place(self, staged: list[Staged], index: Index) -> None:
        """Move the blobs to their places and replace the index. The caller holds the lock.

        If anything fails, blobs that were not there before are taken away again.
        """
        new = [self._incoming / "index.json"]
        try:
            write_synced(new[0], strict.dumps(index_of(index)))
            for one in staged:
                place = self.blob(one.digest)
                new += [] if place.exists() else [place]
                one.path.replace(place)
            sync_folder(self._blobs)
            new[0].replace(self._root / "index.json")
        except BaseException:
            for place in new:
                place.unlink(missing_ok=True)
            raise
        sync_folder(self._root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the layout's lock; released by the kernel if the process dies."""
        descriptor = os.open(self._root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _begin(self) -> None:
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)
        with self.locked():
            _sweep(self._incoming)
            if not (self._root / "oci-layout").exists():
                temp = self._incoming / "oci-layout"
                write_synced(temp, LAYOUT)
                temp.replace(self._root / "oci-layout")


class Staging:
    """Blobs on their way in. Each is locked while its writer lives, so that leftovers are known."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: list[tuple[Path, BinaryIO]] = []

    def add(self, data: bytes) -> Staged:
        """One small blob."""
        return self.stream(lambda out: out(data))

    def stream(self, write: Callable[[Callable[[bytes], object]], object]) -> Staged:
        """One blob of any size: `write` is given the function to write pieces with."""
        path, file = self._create()
        digest = hashlib.sha256()

        def out(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        write(out)
        file.flush()
        os.fsync(file.fileno())
        return Staged(path, "sha256:" + digest.hexdigest(), file.tell(), file)

    def clear(self) -> None:
        """Remove what was not placed, and let go of the rest."""
        for path, file in self._open:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # bytes that did not fit were reported when written
                file.close()

    def _create(self) -> tuple[Path, BinaryIO]:
        while True:
            path = self._folder / secrets.token_hex(16)
            file = path.open("xb")
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists():
                self._open.append((path, file))
                return path, file
            file.close()  # swept away before it was locked


def write_synced(path: Path, data: bytes) -> None:
    """Write a whole file and sync it; no file is left if that fails."""
    try:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make renames in the folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn errors of the file system into Failed (`storage-full`, `storage`)."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        raise Failed(
            f"{what} failed: {'the disk is full' if full else error.strerror}",
            why=f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror),
            next="free some space, then deliver the commit again" if full else "headway doctor",
            code="storage-full" if full else "storage",
        ) from error


def missing(name: str, why: str) -> Invalid:
    """There is no such artifact, or a part of it is gone."""
    return Invalid(
        f"the artifact {strict.shown(name)} is missing",
        why=why,
        next="deliver its commit again",
        code="missing-artifact",
    )


def tampered(blob: str, why: str) -> Refused:
    """A blob is not what its digest says."""
    return Refused(
        f"the blob {strict.shown(blob)} was changed",
        why=why,
        next="deliver its commit again, and find out who can write to the store",
        code="tampered",
    )


def index_of(entries: Index) -> dict[str, object]:
    """An OCI image index that lists the entries."""
    return {"schemaVersion": 2, "mediaType": manifest.INDEX, "manifests": entries}


def _sweep(folder: Path) -> None:
    """Remove what dead writers left: a living one holds the lock of its file."""
    for path in folder.iterdir():
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue  # its writer lives, or has just removed it


def entries_of(data: bytes) -> Index:
    """The entries of an OCI image index. Raises Unreadable."""
    fields = strict.mapping(strict.loads(data, limit=INDEX_LIMIT), "the index")
    listed = strict.sequence(fields.get("manifests"), "`manifests`")
    return [strict.mapping(one, "an entry of the index") for one in listed]
