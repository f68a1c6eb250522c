"""GET /api/v1/runs/RUN/jobs/JOB/logs: what a job says, followed as server-sent events or as text.

Every line's event carries its position as the id, so that a client that comes back with
`Last-Event-ID` (browsers do so by themselves) goes on exactly behind it. Who asks decides
api/programs. Mounted by api/app.py; the reading is adapters/linux/job_log.
"""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from headway.adapters.linux.job_log import Batch, JobLog, position
from headway.adapters.linux.run_logs import find_planned, find_step, step_name
from headway.api.problems import Always, Missing, Wrong, not_so, problem
from headway.flows import pipeline as flow
from headway.model.errors import HeadwayError, Invalid, Unreachable
from headway.pipeline.run.state import RunState
from headway.store import run_log

LOOK_SECONDS = 0.2
INTERRUPTED_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
LEAVE_SECONDS = 2.0
_NOT_THERE = frozenset({"unknown-run", "unknown-job", "unknown-step", "bad-name"})
_HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
}
_ADDRESS = "/api/v1/runs/{run}/jobs/{job}/logs"
_TYPES = {"events": "text/event-stream", "text": "text/plain; charset=utf-8"}
_ENCODER = msgspec.json.Encoder()


def routes(home: Path, allowed: Callable[[Request], bool]) -> list[Route]:
    """The endpoint."""

    async def endpoint(request: Request) -> Response:
        try:
            known = await run_in_threadpool(allowed, request)
        except Invalid as error:
            return _refusal(request, error)
        if not known:
            because = Wrong("a token that may read is needed", 401, code="token")
            refused = problem(request, because)
            refused.headers["www-authenticate"] = 'Basic realm="headway", charset="UTF-8"'
            return refused
        try:
            found = await run_in_threadpool(_asked, home, request)
        except Invalid as error:
            return _refusal(request, error)
        except HeadwayError as error:
            return problem(request, Unreachable(error.what, why=error.why, code=error.code))
        kind = _TYPES["text" if found.plain else "events"]
        if request.method == "HEAD":
            return Response(headers=_HEADERS, media_type=kind)
        leaving = getattr(request.app.state, "leaving", lambda: False)
        return _Stream(found, leaving, kind)

    return [Route(_ADDRESS, endpoint), Route(_ADDRESS, Always(not_so("GET, HEAD")))]


def _refusal(request: Request, error: Invalid) -> Response:
    """What is not there, and what has no name, is 404."""
    if error.code in _NOT_THERE:
        error = Missing(error.what, why=error.why, next=error.next, code=error.code)
    return problem(request, error)


@dataclass(frozen=True, slots=True)
class _Turn:
    """What to send now. `drained`: nothing more came just now; `over`: nothing will."""

    data: bytes
    drained: bool = False
    over: bool = False


@dataclass(slots=True)
class _Following:
    """One client's way through a log. `size`: of the run's own log when `state` was read."""

    log: JobLog
    state: RunState
    follow: bool
    plain: bool
    size: int = -1
    looked: float = 0.0

    def turn(self) -> _Turn:
        """At most one piece of a log, in a thread. A log that cannot be read is the `end` of
        events; a text breaks off instead: raises HeadwayError, OSError.
        """
        try:
            return self._turn()
        except (HeadwayError, OSError) as error:
            if self.plain:
                raise
            return self._end("unreadable", str(error))

    def _turn(self) -> _Turn:
        self._look()
        key, state = self.log.key, self.state
        ended = key in state.ended or state.phase != "running"
        batch = self.log.more(state, ended=ended)
        if batch is None:
            report = state.ended.get(key)
            return self._end(report.outcome if report else state.phase)
        if batch.drained and not self.follow:
            return self._end("running")
        if batch.drained and self._interrupted():
            return self._end(flow.INTERRUPTED)
        return _Turn(self._said(batch), batch.drained)

    def _look(self) -> None:
        """Read the run's own log again, if something has been added to it."""
        path = run_log.folder(self.log.home, self.log.run) / "log.jsonl"
        size = path.stat().st_size if path.exists() else -1
        if size != self.size:
            self.state, self.size = flow.show(self.log.home, self.log.run), size

    def _interrupted(self) -> bool:
        """Whether nobody drives the run; the server goes on with its own by itself."""
        now = time.time()
        if self.state.spec.served or now - self.looked < INTERRUPTED_SECONDS:
            return False
        self.looked = now
        return flow.stands(self.log.home, self.state, now) == flow.INTERRUPTED

    def _said(self, batch: Batch) -> bytes:
        if self.plain:
            return b"".join(stored.raw for stored in batch.lines)
        out: list[bytes] = []
        for stored in batch.lines:
            if stored.number == 1:
                name = step_name(self.state, self.log.key, batch.step)
                told = {"step": batch.step + 1, "name": name, "try": batch.tries}
                out.append(b"event: step\ndata: %s\n\n" % _ENCODER.encode(told))
            if (line := stored.line) is not None:
                data = {
                    "step": batch.step + 1,
                    "number": stored.number,
                    "at": line.at,
                    "text": line.text,
                    "level": line.level,
                    "group": line.group,
                }
                id = str(batch.after(stored)).encode()
                out.append(b"id: %s\nevent: line\ndata: %s\n\n" % (id, _ENCODER.encode(data)))
        return b"".join(out)

    def _end(self, outcome: str, because: str = "") -> _Turn:
        if self.plain:
            return _Turn(b"", over=True)
        report = self.state.ended.get(self.log.key)
        told = {
            "job": self.log.key,
            "outcome": outcome,
            "because": because or (report.because if report else ""),
            "reused": report.reused if report else "",
        }
        return _Turn(b"event: end\ndata: %s\n\n" % _ENCODER.encode(told), over=True)


def _asked(home: Path, request: Request) -> _Following:
    """Raises Invalid (`unknown-run`, `unknown-job`, `unknown-step`, `bad-name`, `bad-position`,
    `bad-query`), Failed (`damaged`).
    """
    query = request.query_params
    state = flow.show(home, request.path_params["run"])
    key = find_planned(state, request.path_params["job"])
    step, given = query.get("step", ""), request.headers.get("last-event-id") or query.get("after")
    form = _one_of(query.get("format", "events"), ("events", "text"))
    follow = _one_of(query.get("follow", "true"), ("true", "false"))
    log = JobLog(
        home,
        state.spec.id,
        key,
        find_step(state, key, step) if step else None,
        position(given) if given else None,
    )
    return _Following(log, state, follow == "true", form == "text")


def _one_of(given: str, known: tuple[str, ...]) -> str:
    if given not in known:
        raise Invalid(f"{given[:80]!r} is not one of {', '.join(known)}", code="bad-query")
    return given


class _Stream(StreamingResponse):
    """A client that reads slowly holds up nobody: the next piece is read when it took this one."""

    def __init__(self, found: _Following, leaving: Callable[[], bool], kind: str) -> None:
        super().__init__(_pieces(found, leaving), headers=_HEADERS, media_type=kind)
        self._leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self._let_go, group.cancel_scope)
            await super().__call__(scope, receive, send)
            group.cancel_scope.cancel()

    async def _let_go(self, scope: anyio.CancelScope) -> None:
        """A server that wants to end does not wait for a client that takes nothing."""
        while not self._leaving():  # noqa: ASYNC110  a handler of signals says it
            await anyio.sleep(LOOK_SECONDS)
        await anyio.sleep(LEAVE_SECONDS)
        scope.cancel()


async def _pieces(found: _Following, leaving: Callable[[], bool]) -> AsyncIterator[bytes]:
    if not found.plain:
        yield b"retry: 1000\n\n"
    sent = time.monotonic()
    while not leaving():
        turn = await run_in_threadpool(found.turn)
        if turn.data:
            yield turn.data
            sent = time.monotonic()
        if turn.over:
            return
        if turn.drained:
            if not found.plain and time.monotonic() - sent >= HEARTBEAT_SECONDS:
                yield b":\n\n"
                sent = time.monotonic()
            await anyio.sleep(LOOK_SECONDS)
    if found.plain:
        await anyio.sleep_forever()  # cut off: what ends in order would pass for the whole text
