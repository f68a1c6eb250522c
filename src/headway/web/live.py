"""GET /live: an event whenever something has happened that the page is about (server-sent events).

A page names its topic in `<main data-live="delivery=del_1">`: columns of the event log and values,
all of which must fit; nothing: every event of the services that may be read. Only that something
changed is told, never what: the page asks for itself, with its own permissions.
"""

import time
from collections.abc import AsyncIterator

import anyio
import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from headway.access.principal import Principal, anywhere, services
from headway.store.tables import events
from headway.wiring import Headway

LOOK_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
COLUMNS = frozenset({"subject", "delivery", "service", "environment", "release"})


def route(headway: Headway) -> Route:
    """The endpoint."""

    async def endpoint(request: Request) -> Response:
        who: Principal = await run_in_threadpool(request.app.state.doorkeeper.who, request)
        if not (who.known and anywhere(who, "service.read")):
            return Response("this needs a login", 401, media_type="text/plain")
        topic = [(k, v) for k, v in request.query_params.items() if k in COLUMNS]
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(
            _changes(headway, request, who, topic), headers=headers, media_type="text/event-stream"
        )

    return Route("/live", endpoint)


async def _changes(
    headway: Headway, request: Request, who: Principal, topic: list[tuple[str, str]]
) -> AsyncIterator[bytes]:
    seen, said = await run_in_threadpool(_newest, headway, who, topic, 0), time.monotonic()
    yield b"retry: 2000\n\n"
    leaving = getattr(request.app.state, "leaving", lambda: False)
    while not leaving():
        await anyio.sleep(LOOK_SECONDS)
        newest = await run_in_threadpool(_newest, headway, who, topic, seen)
        if newest > seen:
            seen, said = newest, time.monotonic()
            yield b"event: change\ndata: %d\n\n" % newest
        elif time.monotonic() - said > HEARTBEAT_SECONDS:
            said = time.monotonic()
            yield b": still here\n\n"


def _newest(headway: Headway, who: Principal, topic: list[tuple[str, str]], seen: int) -> int:
    """The number of the newest event of the topic behind `seen`; `seen` if there is none."""
    query = sa.select(sa.func.max(events.c.seq)).where(events.c.seq > seen)
    for column, value in topic:
        query = query.where(events.c[column] == value)
    known = services(who)
    if known is not None:
        query = query.where(events.c.service.in_(known))
    with headway.reading() as connection:
        return connection.execute(query).scalar() or seen
