"""POST /hooks/{github|gitlab|gitea|forgejo|registry|cdevents}/NAME: what other systems tell.

NAME is a connection; its `secret` proves the sender (pipeline/trigger/hooks). An event is stored
and answered at once with 202; a round of the server works on it. What starts nothing is answered
202 too, with the reason, because the sender did nothing wrong. A wrong signature, a wrong name and
a hook without a secret are all the same 401. Mounted by api/app.py.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from headway.adapters.system.bell import EVENTS, ring
from headway.api.pace import Pace
from headway.model.connection import Connection
from headway.model.errors import Invalid
from headway.pipeline.trigger import Ignored, TriggerEvent, hooks
from headway.pipeline.trigger.hooks import KINDS, Kind
from headway.pipeline.trigger.payload import Unreadable
from headway.store import connections, triggers
from headway.store.triggers import Told
from headway.wiring import Headway

MOST_BYTES = 25 << 20
MOST_AT_ONCE = 8
READ_SECONDS = 30.0
# forges wait ten seconds for an answer, and most of them never send again
WAIT_SECONDS = 8.0
BURST, PER_SECOND = 300, 20.0
STRANGERS = "?"


class _Answer(Exception):
    """The request ends here, with this status and reason."""

    def __init__(self, status: int, why: str, retry_after: int = 0) -> None:
        super().__init__(why)
        self.status, self.why, self.retry_after = status, why, retry_after


@dataclass(frozen=True, slots=True)
class _Hook:
    """A known sender; `secret` is never empty."""

    kind: Kind
    connection: Connection
    secret: str


def receive(headway: Headway) -> Callable[[Request], object]:
    """The endpoint."""
    pace, complaints = Pace(BURST, PER_SECOND), Pace(1, 1 / 60)
    places = asyncio.Semaphore(MOST_AT_ONCE)

    async def endpoint(request: Request) -> Response:
        try:
            await asyncio.wait_for(places.acquire(), WAIT_SECONDS)
        except TimeoutError:
            return _refusal(_Answer(503, "busy; send it again", 2))
        try:
            return await _serve(request)
        except _Answer as answer:
            return _refusal(answer)
        except ClientDisconnect:
            return Response(status_code=400)
        finally:
            places.release()

    async def _serve(request: Request) -> Response:
        kind = KINDS.get(request.path_params["kind"])
        if kind is None:
            raise _Answer(404, f"the kinds are {', '.join(KINDS)}")
        name = request.path_params["name"]
        hook = await run_in_threadpool(_hook, headway, request.path_params["kind"], name)
        if not pace.allows(name if hook else STRANGERS, time.monotonic()):
            raise _Answer(429, "too many; send it again", 5)
        body = await _body(request)
        headers = {key.lower(): value for key, value in request.headers.items()}
        if not await run_in_threadpool(_proven, hook, kind, headers, body):
            if hook and complaints.allows(name, time.monotonic()):
                headway.complain(f"hook {name}: somebody came with a wrong signature")
            raise _Answer(401, "this is not signed by whom it should be")
        assert hook is not None
        return await run_in_threadpool(_take, headway, hook, headers, body)

    return endpoint


def _hook(headway: Headway, kind: str, name: str) -> _Hook | None:
    """The sender of that name and kind, if there is one that can prove itself."""
    try:
        connection = connections.get(headway.home, name)
    except Invalid:
        return None
    secret = connection.options.get("secret", "")
    return _Hook(KINDS[kind], connection, secret) if connection.kind == kind and secret else None


def _proven(hook: _Hook | None, kind: Kind, headers: Mapping[str, str], body: bytes) -> bool:
    """Unknown senders are computed for all the same, so that time does not tell which names are."""
    good = hooks.proven(kind, hook.secret if hook else "nobody", headers, body, time.time())
    return good and hook is not None


async def _body(request: Request) -> bytes:
    """The raw body. A declared length that is too much is refused before anything is read."""
    declared = request.headers.get("content-length", "")
    too_much = _Answer(413, f"at most {MOST_BYTES >> 20} MiB")
    if declared.isdecimal() and int(declared[:20]) > MOST_BYTES:
        raise too_much
    found = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                found += chunk
                if len(found) > MOST_BYTES:
                    raise too_much
    except TimeoutError:
        raise _Answer(408, "the body did not come in time") from None
    return bytes(found)


def _take(headway: Headway, hook: _Hook, headers: Mapping[str, str], body: bytes) -> Response:
    """Authenticated from here on."""
    try:
        told = hooks.read(hook.kind, headers, _payload(headers, body))
    except Unreadable as error:
        raise _Answer(400, str(error)) from error
    if isinstance(told, Ignored):
        return _said(202, "ignored", told.because)
    if stranger := _stranger(hook.connection, told):
        return _said(202, "ignored", stranger)
    try:
        ids = _store(headway, hook, headers, body, told)
    except Invalid as error:
        raise _Answer(400, str(error)) from error
    except sa.exc.DBAPIError as error:
        raise _Answer(503, "it cannot be stored now; send it again", 5) from error
    if not ids:
        return _said(200, "known", "this was heard before")
    ring(headway.home, EVENTS)
    return JSONResponse({"status": "accepted", "triggers": ids}, status_code=202)


def _payload(headers: Mapping[str, str], body: bytes) -> object:
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise _Answer(415, "set the hook's content type to application/json")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _Answer(400, "the body is not JSON that can be read") from error


def _stranger(connection: Connection, events: tuple[TriggerEvent, ...]) -> str:
    """Why these are not about the connection's repository; empty if they are, or say none."""
    parts = urlsplit(connection.url)
    mine = parts.path.strip("/").removesuffix(".git").lower()
    if parts.scheme not in {"http", "https"} or not mine:
        return ""
    others = {e.repo.lower() for e in events if e.repo} - {mine}
    return "it is about another repository than the connection's" if others else ""


def _store(
    headway: Headway,
    hook: _Hook,
    headers: Mapping[str, str],
    body: bytes,
    events: tuple[TriggerEvent, ...],
) -> list[str]:
    """Ids of those that are new, all in one transaction."""
    digest = hashlib.sha256(body).hexdigest()
    name = hook.connection.name
    delivery = hooks.delivery(hook.kind, headers) or digest
    found = []
    with headway.tx() as tx:
        for n, event in enumerate(events):
            own = event.delivery or (f"{delivery}/{n}" if n else delivery)
            whole = replace(event, address=hook.connection.url, delivery=f"{name} {own}")
            proof = "" if hook.kind.plain else digest
            found.append(triggers.add(tx, Told(name, own, whole, proof)))
    return [id for id in found if id]


def _said(status: int, word: str, because: str) -> JSONResponse:
    return JSONResponse({"status": word, "because": because}, status_code=status)


def _refusal(answer: _Answer) -> JSONResponse:
    headers = {"retry-after": str(answer.retry_after)} if answer.retry_after else {}
    return JSONResponse({"status": "refused", "because": answer.why}, answer.status, headers)
