"""Server-sent events of what happens: for programs the events themselves, for pages that something
changed. Both are filtered by what whoever asks may read.

`changes(request, topics)` is what a page's route answers: `event: change` with the newest event's
number, at most every half a second. `events(request, wanted)` gives each event as a CloudEvent; its
id is the event's `seq`, with which a client that comes back goes on (`Last-Event-ID`, as browsers
do by themselves; `?after=SEQ` says the same). Both say `event: end` with `because` and `resume`
when the server ends the stream: `revoked` (the token or session is no more), `slow` (the client
did not keep up; come back with `resume`), `leaving` (the server ends).

A topic is `rollout:ID`, `delivery:ID`, `release:NAME`, `service:NAME`, `place:SERVICE/ENVIRONMENT`,
`run:ID` or `all`.
"""

import time
from collections.abc import Callable, Iterable

import anyio
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headway.access.principal import Principal
from headway.api.followers import About, Changes, Events, Reader, Wanted
from headway.api.guard import Needs, see
from headway.api.hub import Hub
from headway.api.problems import Missing, Wrong
from headway.flows import pipeline
from headway.flows.run_list import service_of
from headway.model.errors import Invalid
from headway.store import run_log
from headway.store.tables import deliveries, releases, rollouts

MOST_TOPICS = 20
MOST_FOLLOWERS = 1000
LEAVE_SECONDS = 3.0
HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
}


class _Stream(Response):
    """Sends what a reader has. Whoever takes nothing is cut off when the stream has ended."""

    def __init__(self, hub: Hub, reader: Events | Changes, after: int | None) -> None:
        super().__init__(headers=HEADERS, media_type="text/event-stream")
        self._hub, self._reader, self._after = hub, reader, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        joined = await self._hub.join(self._reader)
        self._reader.seq = joined if self._after is None else min(self._after, joined)
        headers = [(k, v) for k, v in self.raw_headers if k != b"content-length"]
        try:
            async with anyio.create_task_group() as group:
                stop = group.cancel_scope.cancel
                group.start_soon(self._gone, receive, stop)
                group.start_soon(self._cut, stop)
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await self._write(joined, send)
                stop()
        finally:
            self._hub.leave(self._reader)

    async def _write(self, joined: int, send: Send) -> None:
        async def piece(body: bytes, *, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": body, "more_body": more})

        await piece(b"retry: 1000\n\n")
        async for data in self._reader.pieces(self._hub, joined):
            if data:
                await piece(data)
        await piece(self._reader.farewell(), more=False)

    @staticmethod
    async def _gone(receive: Receive, stop: Callable[[], None]) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        stop()

    async def _cut(self, stop: Callable[[], None]) -> None:
        """Some time after the end, whether the client took it or not."""
        ended = None
        while ended is None or time.monotonic() - ended < LEAVE_SECONDS:
            await anyio.sleep(0.25)
            if self._reader.because and ended is None:
                ended = time.monotonic()
        stop()


def events(request: Request, wanted: Wanted, who: Principal) -> Response:
    """The events as a stream. Raises Invalid (`bad-position`), Wrong (`too-often`)."""
    hub = _room(request)
    return _Stream(hub, Events(request, wanted, who), _position(request))


def changes(request: Request, topics: Iterable[str]) -> Response:
    """That something of one of these topics changed. In a thread: it reads the database.

    Raises Denied, Missing for what may not be seen, Invalid (`bad-topic`, `bad-position`), Wrong
    (`too-often`).
    """
    who, asked = Needs("service.read")(request), tuple(dict.fromkeys(topics))
    hub = _room(request)
    if not 1 <= len(asked) <= MOST_TOPICS:
        raise Invalid(f"name 1 to {MOST_TOPICS} topics", code="bad-topic")
    reader = Changes(request, Wanted(), who)
    with hub.headway.reading() as connection:
        found = [_topic(connection, who, topic, reader) for topic in asked]
    if all(found):
        reader.wanted = Wanted(about=tuple(about for several in found for about in several))
    return _Stream(hub, reader, _position(request))


_TABLES = {"rollout": rollouts.c.id, "delivery": deliveries.c.id, "release": releases.c.name}


def _topic(connection: sa.Connection, who: Principal, topic: str, reader: Reader) -> list[About]:
    """What an event is about if it is of the topic; nothing: every event is."""
    kind, _, name = topic.partition(":")
    if topic == "all":
        return []
    if kind == "run" and name:
        return [_run(who, name, reader)]
    if kind in {"service", "place"} and name:
        service, _, environment = name.partition("/")
        see(who, service)
        return [{"service": service} | ({"environment": environment} if environment else {})]
    key = _TABLES.get(kind)
    if key is None or not name:
        raise Invalid(f"{topic[:80]!r} is no topic", why="KIND:NAME, or all", code="bad-topic")
    row = connection.execute(sa.select(key.table).where(key == name)).first()
    if row is None:
        raise Missing(f"there is no {kind} `{name[:80]}`", code=f"unknown-{kind}")
    see(who, row.service)
    if kind == "rollout":
        return [{"subject": name}, {"delivery": row.delivery}]
    return [{kind: name}]


def _run(who: Principal, name: str, reader: Reader) -> About:
    """Of a run its own log is watched too, in which its jobs and steps are."""
    home = reader.request.app.state.hub.headway.home
    see(who, service_of(pipeline.show(home, name).spec))
    reader.watched = run_log.folder(home, name) / "log.jsonl"
    return {"subject": name}


def _room(request: Request) -> Hub:
    """The hub, if one more may follow. Raises Wrong (`too-often`)."""
    hub: Hub = request.app.state.hub
    if len(hub) >= MOST_FOLLOWERS:
        raise Wrong("too many follow already", 429, code="too-often", headers={"retry-after": "10"})
    return hub


def _position(request: Request) -> int | None:
    """Where to go on: `Last-Event-ID`, or `?after=`."""
    given = request.headers.get("last-event-id") or request.query_params.get("after") or ""
    if not given:
        return None
    if not given.isascii() or not given.isdecimal() or len(given) > 18:
        raise Invalid(f"{given[:80]!r} is no position", why="a number", code="bad-position")
    return int(given)
