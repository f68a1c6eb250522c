"""Git over HTTP: `git push` and `git clone` for the repositories of this home. Mounted by api/app.

Only the three addresses of smart HTTP exist, each spelled in exactly one way; everything else is
404 before anything is asked, and nothing happens without the password.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from headway.adapters.git.backend import Backend, Call, backend
from headway.adapters.git.hosting import MAX_PUSH_BYTES, NAME, GitHosting

AT_ONCE = 8
BUSY_SECONDS = 30.0
IDLE_SECONDS = 120.0
_ADDRESS = re.compile(
    rf"/(?P<name>{NAME.pattern})\.git/(?P<action>info/refs|git-upload-pack|git-receive-pack)"
)
_SERVICES = {"service=git-upload-pack", "service=git-receive-pack"}
_PUSH = "git-receive-pack"
_GONE = 400
_LOG = logging.getLogger(__name__)
_NOT_CACHED = {"cache-control": "no-cache, max-age=0, must-revalidate"}

MayPush = Callable[[Request], bool]


class _Ended(Exception):
    """The request's body cannot be had: the client left, was silent too long, or sends too much."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def git_app(home: Path, may_push: MayPush) -> ASGIApp:
    """The ASGI application: `/NAME.git/…`. `may_push` is asked for every request, also to read.

    It runs in a thread and may block. At most AT_ONCE git processes run at a time; who waits longer
    than BUSY_SECONDS gets 503.
    """
    hosting = GitHosting(home)
    places = asyncio.Semaphore(AT_ONCE)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        call = _call(hosting, request)
        refusal = call if isinstance(call, Response) else await _refusal(call, request, may_push)
        if refusal or isinstance(call, Response):
            await (refusal or PlainTextResponse("", 500))(scope, receive, send)
            return
        try:
            await asyncio.wait_for(places.acquire(), BUSY_SECONDS)
        except TimeoutError:
            await _plain(503, "too many at once", {"retry-after": "5"})(scope, receive, send)
            return
        try:
            await _serve(call, request, receive, send)
        finally:
            places.release()

    return app


def _call(hosting: GitHosting, request: Request) -> Call | Response:
    """The request as a call of the backend, or the refusal of one that means nothing here."""
    scope = request.scope
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    raw = scope.get("raw_path") or path.encode()
    found = _ADDRESS.fullmatch(path)
    if not found or b"%" in raw or not raw.endswith(path.encode()):
        return _plain(404, "not found")
    action, query = found["action"], scope.get("query_string", b"").decode("latin-1")
    reads = action == "info/refs"
    if request.method != ("GET" if reads else "POST"):
        return _plain(405, "method not allowed", {"allow": "GET" if reads else "POST"})
    if (query not in _SERVICES) if reads else query:
        return _plain(403, "only smart HTTP is spoken here; use git 1.6.6 or later")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_PUSH_BYTES:
        return _plain(413, f"at most {MAX_PUSH_BYTES >> 20} MiB at once")
    headers = {name: value for name, value in request.headers.items() if "\0" not in value}
    client = request.client.host if request.client else ""
    return Call(hosting.path(found["name"]), action, request.method, query, headers, client)


async def _refusal(call: Call, request: Request, may_push: MayPush) -> Response | None:
    """The password first: who has none does not learn which repositories there are."""
    if not await run_in_threadpool(may_push, request):
        challenge = {"www-authenticate": 'Basic realm="headway", charset="UTF-8"'}
        return _plain(401, "a token is needed, as password", challenge)
    if not call.repo.is_dir():
        return _plain(404, "no such repository")
    return None


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{text}\n", status, {**_NOT_CACHED, **(headers or {})})


async def _serve(call: Call, request: Request, receive: Receive, send: Send) -> None:
    """Both ways at once, until the answer is whole or the client is gone.

    Git begins its answer before it has the body, so a body that ends badly mostly shows as an
    answer that is cut off, which git takes for what it is.
    """
    async with backend(call) as process:
        answer = _Answer(send)
        feeding = asyncio.create_task(_feed(call, process, receive))
        answering = asyncio.create_task(answer.pass_on(process))
        try:
            await asyncio.wait({feeding, answering}, return_when=asyncio.FIRST_COMPLETED)
            if feeding.done() and not answering.done():
                feeding.result()
            await answering
        except _Ended as ended:
            answering.cancel()
            if not answer.started and ended.status != _GONE:
                await _plain(ended.status, "the request ended early")(request.scope, receive, send)
        finally:
            for task in (feeding, answering):
                task.cancel()
            await asyncio.gather(feeding, answering, return_exceptions=True)


async def _feed(call: Call, process: Backend, receive: Receive) -> None:
    """Hand the body to the backend, then watch whether the client stays.

    A push that has arrived whole is finished without its client: its refs may have moved already,
    and then the hook must run. Raises _Ended.
    """
    size, more = 0, True
    while more:
        try:
            message = await asyncio.wait_for(receive(), IDLE_SECONDS)
        except TimeoutError as error:
            raise _Ended(408) from error
        if message["type"] == "http.disconnect":
            raise _Ended(_GONE)
        body = message.get("body", b"")
        size += len(body)
        if size > MAX_PUSH_BYTES:
            raise _Ended(413)
        await process.write(body)
        more = message.get("more_body", False)
    process.end()
    while call.action != _PUSH:
        if (await receive())["type"] == "http.disconnect":
            raise _Ended(_GONE)


class _Answer:
    """The answer on its way to the client; `started` once its status is out."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def pass_on(self, process: Backend) -> None:
        """Status, headers, body as it comes. Raises _Ended if git gives no answer."""
        try:
            head = await process.head()
        except EOFError as error:
            _LOG.warning("git http-backend: %s", await process.complaint())
            raise _Ended(502) from error
        self.started = True
        start = {"type": "http.response.start", "status": head.status}
        await self._send({**start, "headers": list(head.headers)})
        async for chunk in process.chunks():
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        if head.status >= 500:
            _LOG.warning("git http-backend: %s", await process.complaint())
