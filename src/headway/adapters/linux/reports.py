"""Keeps the reports that a job declared: files of its workspace, copied into the blob store when it
ends. Called by course, after every process of the job is gone.

What a job leaves there is hostile: only regular files inside the workspace are read, links are not
followed, sizes are bounded, and secrets are hidden as they are in logs.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from headway.adapters.linux.actions import globs
from headway.adapters.linux.workspace import open_regular
from headway.model.errors import Failed
from headway.model.job import ReportFile
from headway.pipeline.step.masking import Masker
from headway.ports.blob_store import BlobStore

MOST_FILES = 5_000
MOST_BYTES = 64 * 1024**2
MOST_IN_ALL = 256 * 1024**2


def collect(
    checkout: Path, wanted: Sequence[str], masker: Masker, blobs: BlobStore
) -> tuple[ReportFile, ...]:
    """The files that the globs mean, by path; one that cannot be kept says why.

    A glob that leads out of the workspace, as through a link, means no file. Raises Failed
    (`storage-full`).
    """
    named: dict[Path, list[str]] = {}
    for glob in wanted:
        for path in _matched(checkout, glob):
            named.setdefault(path, []).append(glob)
    kept: list[ReportFile] = []
    left = MOST_IN_ALL
    for number, (path, its_globs) in enumerate(sorted(named.items())):
        one = _kept(checkout / path, left if number < MOST_FILES else -1, masker, blobs)
        left -= one.size_bytes
        shown = masker.text(path.as_posix())
        kept.append(ReportFile(shown, one.digest, one.size_bytes, tuple(its_globs), one.problem))
        if number >= MOST_FILES:
            break
    return tuple(kept)


def _matched(checkout: Path, glob: str) -> Iterator[Path]:
    try:
        found = globs.find(glob, checkout, (checkout,), hidden=True)
    except Failed as error:
        if error.code == "outside":
            return
        raise
    for path in found.files:
        yield (found.root / path).relative_to(checkout.resolve())


def _kept(file: Path, left: int, masker: Masker, blobs: BlobStore) -> ReportFile:
    """Path and globs are the caller's to say."""
    if left < 0:
        return ReportFile("", "", 0, problem=f"there are more than {MOST_FILES} reports")
    most = min(MOST_BYTES, left)
    try:
        with open_regular(file) as stream:
            data = stream.read(most + 1)
    except OSError as error:
        return ReportFile("", "", 0, problem=error.strerror or "it cannot be read")
    if len(data) > most:
        all_of_them = most < MOST_BYTES
        what = f"all reports together are larger than {MOST_IN_ALL >> 20} MiB"
        one = f"it is larger than {MOST_BYTES >> 20} MiB"
        return ReportFile("", "", 0, problem=what if all_of_them else one)
    clean = masker.data(data)
    return ReportFile("", blobs.put(io.BytesIO(clean)), len(clean))
