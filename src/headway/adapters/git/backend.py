"""One `git http-backend` process: smart HTTP as git itself speaks it (git-http-backend(1), CGI).

Called by api/git.py, which has checked name, path and password before anything starts here.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from headway.adapters.git.command import closed_environment

_PROTOCOL = re.compile(r"[a-z0-9=:.-]{1,64}")
_GRACE_SECONDS = 5.0
_MAX_HEAD_BYTES = 64 * 1024
_MAX_COMPLAINT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `action` is `info/refs`, `git-upload-pack` or `git-receive-pack`.

    `headers` have lower-case names.
    """

    repo: Path
    action: str
    method: str
    query: str
    headers: Mapping[str, str]
    client: str


@dataclass(frozen=True, slots=True)
class Head:
    """What the backend answers before the body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]


class Backend:
    """A running http-backend."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._complaining = asyncio.create_task(_end_of(process.stderr))

    async def complaint(self) -> str:
        """The end of what it wrote to stderr; to be asked when its answer is whole."""
        return await self._complaining

    async def write(self, chunk: bytes) -> None:
        """Hand on a part of the body; what a backend that has ended does not want is dropped."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._stdin.write(chunk)
            await self._stdin.drain()

    def end(self) -> None:
        """The request's body is whole."""
        self._stdin.close()

    async def head(self) -> Head:
        """The CGI header (RFC 3875, section 6). Raises EOFError if the backend gave none."""
        try:
            text = await self._stdout.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise EOFError("git http-backend gave no answer") from error
        status, headers = 200, []
        for line in text.split(b"\r\n"):
            name, colon, value = line.partition(b":")
            if name.lower() == b"status":
                status = int(value.split()[0])
            elif colon:
                headers.append((name.strip().lower(), value.strip()))
        return Head(status, tuple(headers))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        while chunk := await self._stdout.read(_MAX_HEAD_BYTES):
            yield chunk


@asynccontextmanager
async def backend(call: Call) -> AsyncIterator[Backend]:
    """A backend for this request; it and its children are gone when the block is left.

    Left early, receive-pack removes what it has taken in so far.
    """
    process = await asyncio.create_subprocess_exec(
        *("git", "http-backend"),
        env=_environment(call),
        cwd="/",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_MAX_HEAD_BYTES,
        start_new_session=True,
    )
    try:
        yield Backend(process)
    finally:
        await asyncio.shield(_stop(process, pushed=call.action == "git-receive-pack"))


async def _end_of(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    kept = b""
    while chunk := await stream.read(_MAX_COMPLAINT_BYTES):
        kept = (kept + chunk)[-_MAX_COMPLAINT_BYTES:]
    return kept.decode("utf-8", "replace").strip()


async def _stop(process: asyncio.subprocess.Process, *, pushed: bool) -> None:
    """End it if it has not ended.

    A push is first told that no more comes: then index-pack ends, and receive-pack removes what it
    took in. A signal to all of them at once could leave files behind.
    """
    assert process.stdin is not None
    process.stdin.close()
    if pushed and await _ended(process):
        return
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        if await _ended(process):
            return


async def _ended(process: asyncio.subprocess.Process) -> bool:
    try:
        await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
    except TimeoutError:
        return False
    return True


def _environment(call: Call) -> dict[str, str]:
    """CGI's variables. Without CONTENT_LENGTH, on purpose: git then reads to the end of its input;
    told a length, http-backend spins for ever on a body that is shorter.
    """
    headers = call.headers
    protocol = headers.get("git-protocol", "")
    given = {
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        "GIT_PROTOCOL": protocol if _PROTOCOL.fullmatch(protocol) else "",
    }
    return {
        **closed_environment(call.repo, str(call.repo / "hooks")),
        **{name: value for name, value in given.items() if value},
        "GIT_PROJECT_ROOT": str(call.repo.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{call.repo.name}/{call.action}",
        "REQUEST_METHOD": call.method,
        "QUERY_STRING": call.query,
        "CONTENT_TYPE": headers.get("content-type", ""),
        "REMOTE_USER": "headway",
        "REMOTE_ADDR": call.client,
    }
