"""POST /v1/metrics: OTLP metrics over HTTP, protobuf or JSON, into Headway's own samples.

What was dropped is told as partial success (opentelemetry.io/docs/specs/otlp, section OTLP/HTTP).
Mounted by api/app.py.
"""

import time
import zlib
from collections.abc import Callable

import sqlalchemy as sa
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from headway.adapters.otlp.metrics import Export, decode, points
from headway.api.programs import Writes
from headway.model.errors import Invalid
from headway.store.samples import Samples

MOST_BYTES = 4 << 20
MOST_UNPACKED = 16 << 20
PROTOBUF, JSON = "application/x-protobuf", "application/json"
_CODES = {400: 3, 401: 16, 413: 8, 415: 3, 503: 14}  # google.rpc.Code


class _Refused(Exception):
    """A request that is not an export."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


def receive(
    samples: Callable[[], Samples], may_write: Callable[[Request], Writes | None]
) -> Callable[[Request], object]:
    """The endpoint."""

    def keep(body: bytes, mine: Writes, *, json: bool) -> Export:
        return _keep(samples, _read(body, mine, json=json))

    async def endpoint(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            mine = await run_in_threadpool(may_write, request)
            if mine is None:
                raise _Refused(401, "a token is needed")
            if kind not in (PROTOBUF, JSON):
                raise _Refused(415, f"send {PROTOBUF} or {JSON}")
            body = _unpacked(await _body(request), request.headers.get("content-encoding", ""))
            answer = await run_in_threadpool(keep, body, mine, json=kind == JSON)
        except _Refused as refused:
            return _refusal(refused, kind)
        except ClientDisconnect:
            return Response(status_code=400)
        return _answer(answer, kind)

    return endpoint


async def _body(request: Request) -> bytes:
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MOST_BYTES:
            raise _Refused(413, f"at most {MOST_BYTES >> 20} MiB at once")
    return bytes(found)


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding.lower() in {"", "identity"}:
        return body
    if encoding.lower() != "gzip":
        raise _Refused(415, "gzip is the only encoding that is read")
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = unzip.decompress(body, MOST_UNPACKED + 1)
    except zlib.error as error:
        raise _Refused(400, "the gzip stream is damaged") from error
    if len(plain) > MOST_UNPACKED:
        raise _Refused(413, f"at most {MOST_UNPACKED >> 20} MiB unpacked")
    if not unzip.eof:
        raise _Refused(400, "the gzip stream ends early")
    return plain


def _read(body: bytes, mine: Writes, *, json: bool) -> Export:
    """What was sent, without the samples of services that the sender may not write for."""
    try:
        export = points(decode(body, json=json))
    except Invalid as error:
        raise _Refused(400, str(error)) from error
    groups = export.groups
    export.groups = [group for group in groups if all(mine(p.labels) for p in group)]
    if strange := len(groups) - len(export.groups):
        export.refuse("not a service that this token may write for", strange)
    return export


def _keep(samples: Callable[[], Samples], export: Export) -> Export:
    """Store it; the answer's `refused` then holds what the store dropped, too."""
    owner = [n for n, group in enumerate(export.groups) for _ in group]
    try:
        lost = samples().append([p for g in export.groups for p in g], time.time())
    except Invalid as error:
        raise _Refused(400, str(error)) from error
    except sa.exc.DBAPIError as error:
        raise _Refused(503, "the samples cannot be written now") from error
    for why in {owner[index]: why for index, why in lost}.values():
        export.refuse(why, 1)
    return export


def _answer(export: Export, kind: str) -> Response:
    answer = ExportMetricsServiceResponse()
    if export.refused:
        words = ", ".join(f"{count}: {why}" for why, count in sorted(export.refused.items()))
        answer.partial_success.rejected_data_points = sum(export.refused.values())
        answer.partial_success.error_message = words
    if kind == JSON:
        return Response(json_format.MessageToJson(answer), media_type=JSON)
    return Response(answer.SerializeToString(), media_type=PROTOBUF)


def _refusal(refused: _Refused, kind: str) -> Response:
    """google.rpc.Status in the request's own encoding: field 1 is the code, 2 the message."""
    code = _CODES[refused.status]
    headers = {"retry-after": "5"} if refused.status == 503 else {}
    if refused.status == 401:
        headers = {"www-authenticate": 'Basic realm="headway", charset="UTF-8"'}
    if kind == PROTOBUF:
        words = refused.why.encode()[:120]
        body = bytes([8, code, 18, len(words)]) + words
        return Response(body, refused.status, headers, PROTOBUF)
    return JSONResponse({"code": code, "message": refused.why}, refused.status, headers)
