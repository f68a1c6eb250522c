"""Files that the jobs of a run kept: the list, and each as a download.

Whatever a job wrote is hostile: it is only ever given as an attachment under a plain name, never as
something that a browser shows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from headway.adapters.linux import archive
from headway.api.guard import Reader
from headway.api.problems import Missing
from headway.api.v1.common import headway, noun
from headway.api.v1.paging import Page, Spanned
from headway.api.v1.runs import seen
from headway.model.errors import Invalid
from headway.pipeline.run import kept as files
from headway.pipeline.run.kept import KeptFile
from headway.ports.blob_store import BlobStore
from headway.store.views.moments import at

router = noun("runs")
ZIP, BYTES = "application/zip", "application/octet-stream"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_DOWNLOAD: dict[int | str, dict[str, Any]] = {
    200: {"description": "An upload as a zip, a report as it is.",
          "content": {ZIP: _BINARY, BYTES: _BINARY}},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunFile:
    """`id` is its address below the run. `kind`: an `upload` is a folder and comes as a zip, a
    `report` comes as it is. `size_bytes`: of a report. `problem`: why it is not to be had.
    """

    id: str
    job: str
    kind: str
    name: str
    digest: str
    size_bytes: int | None
    problem: str
    kept_at: datetime


@router.get("/runs/{run}/files")
def list_run_files(request: Request, who: Reader, span: Spanned, run: str) -> Page[RunFile]:
    """What its jobs kept, in the order in which they ended."""
    found = files.kept(seen(headway(request), who, run))
    ids = [f.id for f in found]
    start = ids.index(span.after) + 1 if span.after in ids else 0
    return span.page([_shown(f) for f in found[start : start + span.reach]], lambda f: f.id)


@router.get("/runs/{run}/files/{file}", response_class=Response, responses=_DOWNLOAD)
def download_run_file(request: Request, who: Reader, run: str, file: str) -> Response:
    """One of them, as an attachment."""
    known = headway(request)
    found = next((f for f in files.kept(seen(known, who, run)) if f.id == file), None)
    if found is None:
        raise Missing("this run has kept no such file", code="unknown-file")
    if found.problem:
        raise Missing("this file is not to be had", why=found.problem, code="unknown-file")
    tag = f'"{found.digest.removeprefix("sha256:")[:32]}"'
    headers = {
        "etag": tag,
        "cache-control": "no-cache, private",
        "x-content-type-options": "nosniff",
        "content-disposition": disposition(found),
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    try:
        return _sent(known.world.bench.blobs, found, headers)
    except Invalid as error:
        if error.code != "no-blob":
            raise
        raise Missing("this file is not kept any longer", code="unknown-file") from error


def disposition(found: KeptFile) -> str:
    """Content-Disposition (RFC 6266): a plain name for every browser, then the name as it is."""
    last = found.name.rpartition("/")[2] + (".zip" if found.kind == "upload" else "")
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip(".")[-100:] or "file"
    whole = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in last)
    extended = quote(whole.lstrip(".")[-100:] or "file", safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}"


def _sent(blobs: BlobStore, found: KeptFile, headers: dict[str, str]) -> Response:
    if found.kind == "upload":
        inside = archive.entries(blobs, found.digest)
        pieces = archive.zipped(blobs, inside, found.kept_at)
        return StreamingResponse(pieces, headers=headers, media_type=ZIP)
    file = blobs.open(found.digest)
    size = file.seek(0, 2)
    file.seek(0)

    def pieces_of() -> Iterator[bytes]:
        with file:
            while piece := file.read(archive.PIECE):
                yield piece

    sized = headers | {"content-length": str(size)}
    return StreamingResponse(pieces_of(), headers=sized, media_type=BYTES)


def _shown(one: KeptFile) -> RunFile:
    return RunFile(
        id=one.id,
        job=one.job,
        kind=one.kind,
        name=one.name,
        digest=one.digest,
        size_bytes=one.size_bytes,
        problem=one.problem,
        kept_at=at(one.kept_at),
    )
