"""Uploads and reports of jobs between the server's own blob store and the one in the database.

Before a job goes to a pool, what the run has uploaded so far goes to the database; when it is back,
what it left comes here, and each upload is laid out as a folder, as if the job had run here. Called
by flows/pool_away.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from headway import typed
from headway.model.errors import Failed
from headway.model.job import JobReport, Upload
from headway.ports.blob_store import BlobStore
from headway.store.pool_blobs import PoolBlobs


class _Entry(msgspec.Struct):
    digest: str = ""


class Carry:
    """Between `near` (this machine) and `far` (the database).

    `lay_out` writes the files of an upload into an empty folder: (store, digest of its list,
    folder).
    """

    def __init__(
        self,
        home: Path,
        near: BlobStore,
        far: PoolBlobs,
        lay_out: Callable[[BlobStore, str, Path], object],
    ) -> None:
        self._home, self._near, self._far, self._lay_out = home, near, far, lay_out
        self._there: set[tuple[str, str, str]] = set()

    def there(self, run: str) -> None:
        """The run's uploads so far are in the database. Raises Failed, Invalid (`no-blob`)."""
        for scope in scopes(run):
            for name, digest, _ in reversed(list(self._near.pointed(scope, ""))):
                if (scope, name, digest) not in self._there:
                    self._push(scope, name, digest)
                    self._there.add((scope, name, digest))

    def here(self, run: str, report: JobReport) -> JobReport:
        """What the job left is on this machine; gives its report with folders of this machine."""
        for scope in scopes(run):
            for name, digest, _ in reversed(list(self._far.pointed(scope, ""))):
                if (scope, name, digest) not in self._there:
                    self._pull(scope, name, digest)
                    self._there.add((scope, name, digest))
        for one in report.reports:
            if one.digest:
                _copy(self._far, self._near, one.digest)
        uploads = tuple(self._folder(run, upload) for upload in report.uploads)
        return replace(report, uploads=uploads)

    def over(self, run: str) -> None:
        """The run has ended: its names in the database mean nothing any longer."""
        for scope in scopes(run):
            self._far.forget_scope(scope)
        self._there = {each for each in self._there if each[0] not in scopes(run)}

    def kept(self) -> Iterator[str]:
        """Blobs that lists of uploads in the database speak of."""
        for scope in self._far.scopes("uploads/"):
            for _, digest, _ in self._far.pointed(scope, ""):
                yield from _listed(self._far, digest)

    def _push(self, scope: str, name: str, digest: str) -> None:
        if scope.startswith("uploads/"):
            for each in _listed(self._near, digest):
                if not self._far.has(each):
                    _copy(self._near, self._far, each)
        if not self._far.has(digest):
            _copy(self._near, self._far, digest)
        self._far.point(scope, name, digest)

    def _pull(self, scope: str, name: str, digest: str) -> None:
        if scope.startswith("uploads/"):
            for each in _listed(self._far, digest):
                _copy(self._far, self._near, each)
        _copy(self._far, self._near, digest)
        self._near.point(scope, name, digest)

    def _folder(self, run: str, upload: Upload) -> Upload:
        """The upload as a folder; it appears whole and replaces an older one."""
        top = self._home / "runs" / run / ".uploads"
        folder, part = top / _plain(upload.name), top / f".{_plain(upload.name)}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        part.chmod(0o755)
        self._lay_out(self._near, upload.digest, part)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        return replace(upload, path=str(folder))


def scopes(run: str) -> tuple[str, str]:
    """Where a blob store has the names of a run's uploads, and whose they are."""
    return f"uploads/{run}", f"owners/{run}"


def _plain(name: str) -> str:
    """A name from another machine that becomes a folder here. Raises Failed (`bad-name`)."""
    if not name or name[0] == "." or "/" in name or "\0" in name or len(name.encode()) > 200:
        raise Failed(f"{name[:80]!r} cannot name an upload", code="bad-name")
    return name


def _listed(blobs: BlobStore, digest: str) -> list[str]:
    """The blobs that the list of an upload names."""
    with blobs.open(digest) as file:
        entries = typed.loads(file.read(), list[_Entry])
    return [entry.digest for entry in entries if entry.digest]


def _copy(source: BlobStore, into: BlobStore, digest: str) -> None:
    with source.open(digest) as file:
        into.put(file)
