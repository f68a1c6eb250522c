"""The parent of one job's processes: starts steps, passes on signals, lets none survive the job.

Forked by nursery/main, one per job. It reads one JSON order a line from the job's socket and
answers one JSON line each; when the socket ends (the job is over, or the runner is gone) everything
is killed and it exits.

Orders: {"do": "run", argv, cwd, env}, with the descriptor that takes the output; answered by
{"code": n} (negative: a signal) or {"error": text} when the process has ended. {"do": "signal",
"how": n} goes to the step's processes and is not answered. {"do": "kill"} ends all that the step
has started, its daemons too, and is answered by {"killed": true}. {"do": "end"} ends everything of
the job, and is answered by {"ended": true} when nothing of it lives.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from typing import Any

from headway.adapters.linux.nursery import processes

KILL_SECONDS = 20.0


class Agent:
    """One loop over the job's socket and ended children."""

    def __init__(self, channel: socket.socket, *, sees_all: bool) -> None:
        """`sees_all`: /proc shows exactly the processes below this one and itself."""
        self._channel = channel
        self._sees_all = sees_all
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._wake, wake_in = os.pipe()
        for end in (self._wake, wake_in):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self._poll.register(channel, select.POLLIN)
        self._data = b""
        self._outputs: list[int] = []
        self._step: subprocess.Popen[bytes] | None = None
        self._older: set[int] = set()

    def serve(self) -> None:
        """Do as ordered until the socket ends."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._wake:
                    self._reap()
                elif not self._hear():
                    return

    def _hear(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, 1 << 16, 4)
        except ConnectionResetError:
            return False
        self._outputs += descriptors
        self._data += data
        while b"\n" in self._data:
            line, _, self._data = self._data.partition(b"\n")
            self._obey(json.loads(line))
        return bool(data)

    def _say(self, answer: dict[str, object]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.sendall(json.dumps(answer).encode("ascii") + b"\n")

    def _obey(self, order: dict[str, Any]) -> None:
        match order["do"]:
            case "run":
                self._run(order)
            case "signal":
                self._signal(order["how"])
            case "kill":
                self._kill()
                self._say({"killed": True})
            case "end":
                processes.end_all()
                self._say({"ended": True})

    def _run(self, order: dict[str, Any]) -> None:
        output = self._outputs.pop(0)
        self._older = self._there()
        try:
            self._step = subprocess.Popen(
                order["argv"],
                cwd=order["cwd"],
                env=order["env"],
                stdin=self._null,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._say({"error": f"cannot start {order['argv'][0]!r}: {error}"})
        finally:
            os.close(output)

    def _there(self) -> set[int]:
        """What earlier steps left running."""
        if os.getpid() == 1 and not processes.anybody():
            return set()
        return set(processes.tree()) if self._sees_all else set()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if self._step is not None and ended[0] == self._step.pid:
                    code = os.waitstatus_to_exitcode(ended[1])
                    # Told, so that Popen does not wait for a child that is reaped already.
                    self._step.returncode = code
                    self._step = None
                    self._say({"code": code})

    def _mine(self) -> set[int]:
        """Every process that the step has started."""
        return processes.without(processes.tree(), self._older)

    def _signal(self, how: int) -> None:
        if how == signal.SIGINT and self._step is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._step.pid, how)
        elif os.getpid() == 1 and not self._older:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, how)
        else:
            processes.tell(self._mine(), how)

    def _kill(self) -> None:
        until = time.monotonic() + KILL_SECONDS
        while self._step is not None or self._left():
            if time.monotonic() > until:
                return
            if os.getpid() == 1 and not self._older:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            else:
                found = self._mine()
                processes.tell(found, signal.SIGSTOP)
                processes.tell(found, signal.SIGKILL)
            time.sleep(0.001)
            self._reap()

    def _left(self) -> bool:
        if os.getpid() == 1 and not self._older:
            return processes.anybody()
        return bool(self._mine())
