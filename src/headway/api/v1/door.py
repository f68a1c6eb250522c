"""What stands before every route of the API: how often, how large, what kind.

A program that comes too often, a body that is too large, too deep or no JSON, and the character
NUL, which Postgres cannot keep, are answered here, before anything is read of it. Whatever breaks
behind it is a 500 that says only the request's id; the log has the rest under it. Put around the
API by v1/app.py.
"""

import contextlib
import logging
import re
import time
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headway.api.pace import Pace
from headway.api.problems import Fault, Missing, Wrong, problem
from headway.api.who import Who
from headway.model.errors import HeadwayError, Unreachable

MOST_BYTES = 1 << 20
MOST_DEPTH = 32
_LOG = logging.getLogger("headway.api")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(rb"[\[\]{}]")


@dataclass(frozen=True, slots=True)
class Limits:
    """So many at once, then so many a second: for somebody who is known, and for an address of
    which nobody is known.
    """

    burst: int = 600
    per_second: float = 50.0
    unknown_burst: int = 60
    unknown_per_second: float = 2.0


class Door:
    """The middleware."""

    def __init__(self, inner: ASGIApp, who: Who, limits: Limits) -> None:
        self.inner, self._who = inner, who
        self._known = Pace(limits.burst, limits.per_second)
        self._unknown = Pace(limits.unknown_burst, limits.unknown_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        started = whole = False

        async def answer(message: Message) -> None:
            nonlocal started, whole
            if message["type"] == "http.response.start":
                started = True
            whole = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)

        request = Request(scope)
        try:
            await self._in_time(request)
            _named(request)
            await self.inner(scope, await _checked(request, receive), answer)
        except Exception as error:
            if whole:  # `broken` has answered
                return
            if started:  # what has begun can only break off
                raise
            await broken(request, error)(scope, receive, answer)

    async def _in_time(self, request: Request) -> None:
        """Raises Wrong (`too-often`)."""
        who = await run_in_threadpool(self._who, request)
        address = request.client.host if request.client else ""
        pace, name = (self._known, who.id) if who.known else (self._unknown, address)
        if not pace.allows(name, time.monotonic()):
            raise Wrong(
                "too many requests",
                429,
                code="too-often",
                why="slow down, and try again after the time in Retry-After",
                headers={"retry-after": "1"},
            )


def _named(request: Request) -> None:
    """Nothing has a NUL in its name. Raises Missing, Wrong (`nul`)."""
    if "\0" in request.scope["path"]:
        raise Missing("there is none by that name", code="unknown-name")
    if b"%00" in request.scope["query_string"]:
        raise _nul("query")


def broken(request: Request, error: Exception) -> JSONResponse:
    """The answer to whatever went wrong; what else there is to know goes to the log."""
    if isinstance(error, HeadwayError):
        return problem(request, error)
    id, where = request.scope["state"]["request_id"], request.scope["path"][:200]
    if isinstance(error, sa.exc.OperationalError):
        _LOG.warning("%s %s %r: the database: %s", id, request.method, where, error.orig)
        return problem(request, Unreachable("the database does not answer now", code="database"))
    _LOG.error("%s %s %r", id, request.method, where, exc_info=error)
    why = "its log has it under the request's id"
    return problem(request, HeadwayError("this is a fault of Headway", why=why, code="bug"))


async def _checked(request: Request, receive: Receive) -> Receive:
    """The body, whole and bounded, to be read again. Raises Wrong (`too-large`, `media-type`,
    `bad-json`).
    """
    if request.method in _READS:
        return receive
    body = bytearray()
    with contextlib.suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > MOST_BYTES:
            raise _too_large()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return receive
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BYTES:
            raise _too_large()
    _json(request, bytes(body))
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return again


def _json(request: Request, body: bytes) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body:
        return
    if kind != "application/json":
        raise Wrong(
            "send application/json", 415, code="media-type", headers={"accept": "application/json"}
        )
    if _depth(body) > MOST_DEPTH:
        raise Wrong(
            "the body is nested too deeply",
            400,
            code="bad-json",
            why=f"{MOST_DEPTH} levels at most",
        )
    try:
        known = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Wrong("the body is not JSON", 400, code="bad-json", why=str(error)[:200]) from error
    if b"\\u0000" in body and _holds_nul(known):
        raise _nul("body")


def _holds_nul(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(_holds_nul(part) for part in value)
    return isinstance(value, str) and "\0" in value


def _nul(part: str) -> Wrong:
    what = "a text holds the character NUL"
    return Wrong(what, 422, code="nul", faults=(Fault(part, "NUL is in no text"),))


def _depth(body: bytes) -> int:
    """How deeply brackets are nested, looked at no further than allowed."""
    deepest = depth = 0
    for found in _BRACKET.finditer(_STRING.sub(b"", body)):
        depth += 1 if found[0] in b"[{" else -1
        deepest = max(deepest, depth)
        if deepest > MOST_DEPTH:
            break
    return deepest


def _too_large() -> Wrong:
    return Wrong("the body is too large", 413, code="too-large", why=f"at most {MOST_BYTES} bytes")
