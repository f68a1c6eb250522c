"""One job's processes, from the runner's side. Called by process (steps) and runner (jobs).

The nursery (linux/nursery) forks an agent for each sandbox; here is what speaks to both. The output
of a step comes through a pipe that is read here, so that it passes no other process on its way.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import headway
from headway.model.errors import Failed

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from headway.adapters.linux.nursery.main import main; main()"
)
_END_SECONDS = 30.0
_POLL_MS = 100
_DRAIN_SECONDS = 0.25
_CHUNK = 1 << 17


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one job and of stopping it. `int_seconds`: between INT and TERM; `term_seconds`:
    between TERM and KILL. `pids`: processes and threads of a job, where this machine can count
    them; `file_bytes`: of one file; `files`: open in one process. `namespaces`: `user` and `none`:
    live as where one is not root, or where none are allowed.
    """

    pids: int = 4096
    file_bytes: int = 64 * 1024**3
    files: int = 65536
    int_seconds: float = 7.5
    term_seconds: float = 2.5
    namespaces: Literal["any", "user", "none"] = "any"


@dataclass(frozen=True, slots=True)
class Command:
    """What to run."""

    argv: list[str]
    cwd: str
    env: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` is negative for a signal, None if it never ran or its end is not known.

    `stopped`: why it was stopped before its end; `problem`: what went wrong outside of it.
    """

    code: int | None
    stopped: str = ""
    problem: str = ""


class Nursery:
    """Starts the nursery's process when it is first needed, and again if it was killed."""

    def __init__(self, limits: Limits, complaints: Path) -> None:
        """`complaints`: the file that takes what the nursery says when it fails."""
        self._limits = limits
        self._complaints = complaints
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._able: dict[str, bool] | None = None
        self._close: Callable[[], object] = lambda: None
        self.pid: int | None = None

    def sandbox(self, lock: int, *, network: bool) -> "Sandbox":
        """A sandbox for one job. The job's lock is held until nothing of the job lives.

        Raises Failed (`no-sandbox`).
        """
        mine, theirs = socket.socketpair()
        gone, held = os.pipe()
        limits = self._limits
        order = {"network": network, "pids": limits.pids}
        order |= {"file_bytes": limits.file_bytes, "files": limits.files}
        try:
            self._send(json.dumps(order).encode(), [theirs.fileno(), held, lock])
        except BaseException:
            mine.close()
            os.close(gone)
            raise
        finally:
            theirs.close()
            os.close(held)
        return Sandbox(mine, gone, limits)

    def warm(self) -> None:
        """Start the process now: it gets ready while its owner does other things."""
        with self._lock:
            self._started()

    def able(self) -> dict[str, bool]:
        """What this machine allows: `namespaces` (no process survives), `network` (cut off)."""
        with self._lock:
            channel = self._started()
            if self._able is None:
                self._able = json.loads(channel.recv(4096) or b"{}")
            if not self._able:
                self._able = None
                raise self._broken("it ended while it started")
            return self._able

    def close(self) -> None:
        """End the process, and with it every sandbox."""
        with self._lock:
            self._close()
            self._channel = None

    def _send(self, packet: bytes, descriptors: list[int]) -> None:
        with self._lock:
            for again in (True, False):
                try:
                    socket.send_fds(self._started(), [packet], descriptors)
                except (BrokenPipeError, ConnectionResetError) as error:
                    self._close()
                    self._channel = None
                    if not again:
                        raise self._broken(str(error)) from error
                else:
                    return

    def _started(self) -> socket.socket:
        if self._channel is None:
            self._channel = self._start()
        return self._channel

    def _start(self) -> socket.socket:
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        source = str(Path(headway.__file__).parents[1])
        self._complaints.parent.mkdir(parents=True, exist_ok=True)
        with self._complaints.open("ab") as complaints:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _START, source, self._limits.namespaces],
                stdin=theirs.fileno(),
                stdout=complaints,
                stderr=complaints,
                cwd="/",
                env={"LANG": "C.UTF-8"},
                start_new_session=True,
            )
        theirs.close()
        self._able = None
        self.pid = process.pid
        self._close = weakref.finalize(self, _end, mine, process)
        return mine

    def _broken(self, why: str) -> Failed:
        return Failed(
            "the process that starts sandboxes does not run",
            why=f"{why}; see {self._complaints}",
            code="no-sandbox",
        )


def _end(channel: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    """The end of its socket is the nursery's word to kill everything and go."""
    channel.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Sandbox:
    """The agent of one job, spoken to over its socket. Used by the job's thread only."""

    def __init__(self, channel: socket.socket, gone: int, limits: Limits) -> None:
        self._channel = channel
        self._gone = gone
        self._limits = limits
        self._data = b""
        self._old_outputs: set[int] = set()
        self.alive = True

    def close(self) -> None:
        """Kill all that is left of the job, and return when nothing is."""
        ended = self.alive and self._ask_to_end()
        self._channel.close()
        for pipe in self._old_outputs:
            os.close(pipe)
        self._old_outputs.clear()
        if not ended:
            _readable(self._gone, _END_SECONDS)
        os.close(self._gone)
        self.alive = False

    def _ask_to_end(self) -> bool:
        """Whether the agent says that nothing of the job lives."""
        with contextlib.suppress(OSError):
            self._order({"do": "end"}, [])
            until = time.monotonic() + _END_SECONDS
            while (left := until - time.monotonic()) > 0 and _readable(self._channel, left):
                answers = self._answers()
                if answers is None or any("ended" in answer for answer in answers):
                    return answers is not None
        return False

    def run(
        self, command: Command, take: Callable[[bytes], None], stop: Callable[[], str]
    ) -> Ended:
        """Run a step to its end. `take` gets its output as it comes; `stop` is asked ten times a
        second and says why the step shall end early ("": it shall not).
        """
        pipe, theirs = os.pipe()
        os.set_blocking(pipe, False)
        order: dict[str, object] = {"do": "run", "argv": command.argv, "cwd": command.cwd}
        order["env"] = command.env
        try:
            self._order(order, [theirs])
        except OSError:
            os.close(pipe)
            return Ended(None, problem=self._lost())
        finally:
            os.close(theirs)
        return _Running(self, pipe, take, stop).wait()

    def _order(self, order: dict[str, object], descriptors: list[int]) -> None:
        data = json.dumps(order).encode("ascii") + b"\n"
        sent = 0
        if descriptors:
            sent = socket.send_fds(self._channel, [data], descriptors)
        self._channel.sendall(data[sent:])

    def _answers(self) -> list[dict[str, Any]] | None:
        """What the agent has said; None if it is gone."""
        try:
            data = self._channel.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self._data += data
        *lines, self._data = self._data.split(b"\n")
        if not data:
            self.alive = False
        return [json.loads(line) for line in lines] if data or lines else None

    def _lost(self) -> str:
        self.alive = False
        return "the job's processes were killed from outside"


def _readable(what: socket.socket | int, seconds: float) -> bool:
    waiting = select.poll()
    waiting.register(what, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


class Boxes:
    """The sandbox of one job: opened when it is first needed, and again if it was killed."""

    def __init__(self, nursery: Nursery, lock: int, *, network: bool) -> None:
        self._nursery, self._lock, self._network = nursery, lock, network
        self._box: Sandbox | None = None

    def open(self) -> Sandbox:
        """The sandbox. Raises Failed (`no-sandbox`)."""
        if self._box is not None and not self._box.alive:
            self.close()
        if self._box is None:
            self._box = self._nursery.sandbox(self._lock, network=self._network)
        return self._box

    def close(self) -> None:
        """Kill all that is left of the job, and return when nothing is."""
        if self._box is not None:
            self._box.close()
            self._box = None


class _Running:
    """One step that runs."""

    def __init__(
        self,
        sandbox: Sandbox,
        pipe: int,
        take: Callable[[bytes], None],
        stop: Callable[[], str],
    ) -> None:
        self._box, self._pipe, self._take, self._stop = sandbox, pipe, take, stop
        self._open = True
        self._code: int | None = None
        self._problem = ""
        self._over = self._killed = False
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)
        self._poll.register(sandbox._channel, select.POLLIN)
        for old in sandbox._old_outputs:
            self._poll.register(old, select.POLLIN)

    def wait(self) -> Ended:
        """Until it has ended, by itself or because it was stopped."""
        stopped = ""
        while not self._over and not (stopped := self._stop()):
            self._turn(_POLL_MS)
        if stopped:
            self._end_it()
        self._drain()
        return Ended(self._code, stopped, self._problem)

    def _end_it(self) -> None:
        limits = self._box._limits
        for how, seconds in (
            (signal.SIGINT, limits.int_seconds),
            (signal.SIGTERM, limits.term_seconds),
        ):
            self._tell({"do": "signal", "how": int(how)})
            self._until(lambda: self._over, seconds)
        self._tell({"do": "kill"})
        self._until(lambda: self._killed, _END_SECONDS)

    def _until(self, done: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not done() and self._box.alive and (left := until - time.monotonic()) > 0:
            self._turn(min(left * 1000 + 1, _POLL_MS))

    def _tell(self, order: dict[str, object]) -> None:
        if self._box.alive and not (self._over and order["do"] == "signal"):
            with contextlib.suppress(OSError):
                self._box._order(order, [])

    def _turn(self, milliseconds: float) -> None:
        for descriptor, _ in self._poll.poll(milliseconds):
            if descriptor == self._pipe:
                self._read()
            elif descriptor == self._box._channel.fileno():
                self._hear()
            else:
                self._discard(descriptor)

    def _read(self) -> None:
        try:
            data = os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return
        if data:
            self._take(data)
        else:
            self._open = False
            self._poll.unregister(self._pipe)
            os.close(self._pipe)

    def _hear(self) -> None:
        answers = self._box._answers()
        if answers is None:
            self._over = True
            self._poll.unregister(self._box._channel)
            self._problem = self._problem or self._box._lost()
            return
        for answer in answers:
            if "killed" in answer:
                self._killed = True
            else:
                self._over = True
                self._code = answer.get("code")
                self._problem = answer.get("error", "")

    def _discard(self, old: int) -> None:
        """What a daemon of an earlier step prints; that step's log is sealed."""
        try:
            if os.read(old, _CHUNK):
                return
        except BlockingIOError:
            return
        self._poll.unregister(old)
        self._box._old_outputs.discard(old)
        os.close(old)

    def _drain(self) -> None:
        """What the step wrote last; a daemon that holds the pipe open is not waited for long."""
        until = time.monotonic() + _DRAIN_SECONDS
        while self._open and (left := until - time.monotonic()) > 0:
            self._turn(left * 1000)
        if self._open:
            self._box._old_outputs.add(self._pipe)
