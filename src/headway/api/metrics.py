"""GET /metrics: Headway and what it measures, for a Prometheus to scrape. Mounted by api/app.py."""

import time
from collections.abc import Callable

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from headway.store import exposition
from headway.wiring import Headway

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def page(headway: Headway, may_read: Callable[[Request], bool]) -> Callable[[Request], object]:
    """The endpoint."""

    def made() -> Response:
        try:
            with headway.reading() as connection:
                found = exposition.families(connection, headway.samples, time.time())
                return Response(exposition.text(found), media_type=CONTENT_TYPE)
        except sa.exc.DBAPIError as error:
            return PlainTextResponse(f"{type(error).__name__}\n", 503)

    async def endpoint(request: Request) -> Response:
        if not await run_in_threadpool(may_read, request):
            challenge = {"www-authenticate": 'Basic realm="headway", charset="UTF-8"'}
            return PlainTextResponse("a token is needed\n", 401, challenge)
        return await run_in_threadpool(made)

    return endpoint
