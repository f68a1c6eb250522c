"""One job's processes, from the runner's side: what speaks to its agent. Called by hands.

The output of a step comes through a pipe that is read here, so that it passes no other process on
its way.
"""

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, Literal

from headway.record import dataclass

END_SECONDS = 30.0
_POLL_MS = 100
_DRAIN_SECONDS = 0.25
_CHUNK = 1 << 17


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one job and of stopping it. `int_seconds`: between INT and TERM; `term_seconds`:
    between TERM and KILL. `pids`: processes and threads of a job, where this machine can count
    them; `memory`: bytes of a job, 0: unbounded; `file_bytes`: of one file; `files`: open in one
    process; `output_bytes`: what a step may print. `namespaces`: `user` and `none`: live as where
    one is not root, or where none are allowed.
    """

    pids: int = 4096
    memory: int = 0
    file_bytes: int = 64 * 1024**3
    files: int = 65536
    output_bytes: int = 1024**3
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

    `stopped`: why it was stopped before its end (`output`: it printed more than it may, see `hit`);
    `problem`: what went wrong outside of it; `lost`: everything of the job was killed by somebody
    else; `hit`: the bounds that it met meanwhile, in words.
    """

    code: int | None
    stopped: str = ""
    problem: str = ""
    hit: tuple[str, ...] = ()
    lost: bool = False


class Sandbox:
    """The agent of one job, spoken to over its socket. Used by the job's thread only."""

    def __init__(
        self, channel: socket.socket, gone: int, limits: Limits, *, again: bool = False
    ) -> None:
        """`again`: once nothing of the job lives, the next job of its kind may have it."""
        self._channel = channel
        self._again = again
        self._gone = gone
        self._limits = limits
        self._data = b""
        self._old_outputs: set[int] = set()
        self.alive = True
        self.lost = False

    def close(self) -> None:
        """Kill all that is left of the job, and return when nothing is."""
        ended = self.alive and self._ask_to_end()
        self._channel.close()
        for pipe in self._old_outputs:
            os.close(pipe)
        self._old_outputs.clear()
        if not ended:
            _readable(self._gone, END_SECONDS)
        os.close(self._gone)
        self.alive = False

    def _ask_to_end(self) -> bool:
        """Whether the agent says that nothing of the job lives."""
        with contextlib.suppress(OSError):
            self._order({"do": "end", "keep": self._again}, [])
            until = time.monotonic() + END_SECONDS
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
            return Ended(None, problem=self._lost(), lost=self.lost)
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
        if _readable(self._gone, END_SECONDS) and os.read(self._gone, 1):
            return f"{_words('memory', self._limits)}, and was ended"
        self.lost = True
        return "the job's processes were killed from outside"


def _words(bound: str, limits: Limits) -> str:
    """What a job did that met this bound."""
    if bound == "output":
        return f"the step was stopped: it printed more than {in_words(limits.output_bytes)}"
    if bound == "memory":
        return f"the job used more than {in_words(limits.memory)} of memory"
    return f"the job wanted more than {limits.pids} processes and threads at once"


def in_words(size: int) -> str:
    """Bytes as a person writes them: 512MiB."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size and size % unit == 0:
            return f"{size // unit}{name}"
    return f"{size} bytes"


def _readable(what: socket.socket | int, seconds: float) -> bool:
    waiting = select.poll()
    waiting.register(what, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


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
        self._printed = 0
        self._hit: list[str] = []
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
        while not self._over and not (stopped := self._stop() or self._endless()):
            self._turn(_POLL_MS)
        if stopped:
            self._end_it()
        self._drain()
        return Ended(self._code, stopped, self._problem, tuple(self._hit), self._box.lost)

    def _endless(self) -> str:
        if self._printed <= self._box._limits.output_bytes:
            return ""
        self._hit.append(_words("output", self._box._limits))
        return "output"

    def _end_it(self) -> None:
        limits = self._box._limits
        for how, seconds in (
            (signal.SIGINT, limits.int_seconds),
            (signal.SIGTERM, limits.term_seconds),
        ):
            self._tell({"do": "signal", "how": int(how)})
            self._until(lambda: self._over, seconds)
        self._tell({"do": "kill"})
        self._hear_only_until_killed()

    def _hear_only_until_killed(self) -> None:
        """What was printed last is read afterwards: nothing shall come before the end."""
        until = time.monotonic() + END_SECONDS
        while not self._killed and self._box.alive and (left := until - time.monotonic()) > 0:
            if _readable(self._box._channel, left):
                self._hear()

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
            self._printed += len(data)
            if self._printed <= self._box._limits.output_bytes + _CHUNK:
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
                limits = self._box._limits
                self._hit += [_words(b, limits) for b in ("memory", "pids") if b in answer]

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
