"""`python -m headway …` as a process of its own, forked from one that has imported Headway already.

A server spends most of its start on imports; a test that starts four of them waits for that once.
What is forked has its own files, environment, folder and exit code, and is killed like any other.
"""

import atexit
import contextlib
import functools
import json
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]


class Forked:
    """A process that was asked for; what tests use of subprocess.Popen."""

    def __init__(self, pid: int, told: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._told = told

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                self.returncode = int(self._told.recv(20))
            except (BlockingIOError, TimeoutError) as error:
                raise subprocess.TimeoutExpired("headway", timeout or 0.0) from error
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    words: Sequence[str],
    out: IO[Any],
    *,
    err: IO[Any] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    before: str = "",
) -> Forked:
    """`headway WORDS…`; errors go to `out` too unless said otherwise. `before`: Python that runs in
    it first.
    """
    own, theirs = socket.socketpair()
    asked = {
        "words": list(words),
        "env": dict(os.environ if env is None else env),
        "cwd": str(cwd or Path.cwd()),
        "before": before,
    }
    with theirs, open(os.devnull) as nothing:  # noqa: PTH123
        files = [nothing.fileno(), out.fileno(), (err or out).fileno(), theirs.fileno()]
        socket.send_fds(_nursery(), [json.dumps(asked).encode()], files)
    return Forked(int(own.recv(20)), own)


def run(
    words: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120.0,
) -> "subprocess.CompletedProcess[str]":
    """`headway WORDS…` to its end, as subprocess.run."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = start(words, out, err=err, env=env, cwd=cwd)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(["headway", *words], code, out.read(), err.read())


@functools.cache
def _nursery() -> socket.socket:
    own, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    with theirs:
        program = f"from tests.support.forked import serve; serve({theirs.fileno()})"
        process = subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, pass_fds=[theirs.fileno()]
        )

    def end() -> None:
        own.close()
        process.wait(30)

    atexit.register(end)
    return own


def serve(descriptor: int) -> None:
    """Fork for each request, until nobody can ask any more."""
    import headway.api.v1.app  # noqa: PLC0415
    import headway.cli.main  # noqa: PLC0415
    import headway.cli.server  # noqa: PLC0415
    import headway.cli.worker  # noqa: PLC0415
    import headway.web.app  # noqa: F401, PLC0415

    asked = socket.socket(fileno=descriptor)
    waiting = selectors.DefaultSelector()
    waiting.register(asked, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is asked:
                text, files, _flags, _from = socket.recv_fds(asked, 1 << 20, 4)
                if not text:
                    return
                _fork(json.loads(text), files, waiting)
            else:
                waiting.unregister(key.fd)
                _ended(key.fd, *key.data)


def _fork(asked: dict[str, Any], files: list[int], waiting: selectors.BaseSelector) -> None:
    pid = os.fork()
    if pid == 0:
        waiting.close()
        _child(asked, files)
    for descriptor in files[:3]:
        os.close(descriptor)
    told = socket.socket(fileno=files[3])
    told.send(str(pid).encode())
    waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, told))


def _ended(descriptor: int, pid: int, told: socket.socket) -> None:
    _, status = os.waitpid(pid, 0)
    os.close(descriptor)
    with told, contextlib.suppress(OSError):
        told.send(str(os.waitstatus_to_exitcode(status)).encode())


def _child(asked: dict[str, Any], files: list[int]) -> None:
    """Ends as a program does: by leaving the interpreter."""
    for standard, descriptor in enumerate(files[:3]):
        os.dup2(descriptor, standard)
    os.closerange(3, 1 << 16)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    random.seed()
    sys.argv = ["headway", *asked["words"]]
    exec(asked["before"], {})
    from headway.cli.main import main  # noqa: PLC0415

    main()
    sys.exit()
