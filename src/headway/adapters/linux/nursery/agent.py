"""The parent of one job's processes: starts steps, passes on signals, lets none survive the job.

Forked by nursery/main. It reads one JSON order a line from the job's socket and answers one JSON
line each; when the socket ends (the job is over, or the runner is gone) everything is killed and it
exits, unless it is kept for the next job of the same run.

Orders: {"do": "run", argv, cwd, env}, with the descriptor that takes the output; answered by
{"code": n} (negative: a signal; with "memory" or "pids" if a bound of the job was hit) or
{"error": text} when the process has ended. {"do": "signal", "how": n} goes to the step's processes
and is not answered. {"do": "kill"} ends all that the step has started, its daemons too, and is
answered by {"killed": when nothing of it was left} (seconds of the machine's monotonic clock; 0: it
could not be done). {"do": "end", "keep"} ends everything of the job, and is answered by
{"ended": true} when nothing of it lives.
"""

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from headway.adapters.linux.nursery import processes
from headway.adapters.linux.nursery.cgroups import Cgroup
from headway.adapters.linux.nursery.spawn import not_inherited, spawn

KILL_SECONDS = 20.0


class Agent:
    """One loop over a job's socket and ended children."""

    def __init__(self, cgroup: Cgroup | None, *, sees_all: bool, oom_first: bool) -> None:
        """`sees_all`: /proc shows exactly the processes below this one and itself. `oom_first`:
        steps are killed before this process where memory is short.
        """
        self._cgroup, self._sees_all, self._oom_first = cgroup, sees_all, oom_first
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._wake, wake_in = os.pipe()
        for end in (self._wake, wake_in):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
        self._alone = os.getpid() == 1
        self._alarm = cgroup.alarm() if cgroup else -1
        self._alarms = 0

    def serve(self, channel: socket.socket, keep: Callable[[], bool]) -> bool:
        """Do as ordered until the socket ends. True: the job is over, nothing of it lives, and
        `keep`, asked then, has agreed that this process waits for the next job.
        """
        self._channel, self._keep = channel, keep
        self._kept = False
        self._data = b""
        self._outputs: list[int] = []
        self._step = 0
        self._older: set[int] = set()
        self._hit = self._hits(self._cgroup) if self._cgroup else (0, 0)
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(channel, select.POLLIN)
        while not self._kept:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake:
                    self._reap()
                elif not self._hear():
                    return False
        return True

    def _hear(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, 1 << 16, 4)
        except ConnectionResetError:
            return False
        not_inherited(descriptors)
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
                self._say({"killed": self._kill()})
            case "end":
                processes.end_all()
                os.chdir("/")
                self._kept = bool(order["keep"]) and self._keep()
                self._say({"ended": True})

    def _run(self, order: dict[str, Any]) -> None:
        output = self._outputs.pop(0)
        self._older = self._there()
        try:
            os.chdir(order["cwd"])
            self._step = spawn(order["argv"], order["env"], self._null, output)
        except (OSError, ValueError) as error:
            self._say({"error": f"cannot start {order['argv'][0]!r}: {error}"})
        else:
            self._kill_it_first()
        finally:
            os.close(output)

    def _kill_it_first(self) -> None:
        if self._oom_first and self._sees_all:
            with contextlib.suppress(OSError):
                descriptor = os.open(f"/proc/{self._step}/oom_score_adj", os.O_WRONLY)
                os.write(descriptor, b"500")
                os.close(descriptor)

    def _there(self) -> set[int]:
        """What earlier steps left running."""
        if self._alone and not processes.anybody():
            return set()
        return set(processes.tree()) if self._sees_all else set()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._step:
                    self._step = 0
                    self._say(self._ended(os.waitstatus_to_exitcode(ended[1])))

    def _ended(self, code: int) -> dict[str, object]:
        """How a step ended, and whether it has met a bound of its job."""
        answer: dict[str, object] = {"code": code}
        if self._cgroup is not None and (code or self._oom_first):
            hit = self._hits(self._cgroup)
            for name, now, before in zip(("memory", "pids"), hit, self._hit, strict=True):
                if now > before:
                    answer[name] = True
            self._hit = hit
        return answer

    def _hits(self, cgroup: Cgroup) -> tuple[int, int]:
        memory, pids = cgroup.hit()
        if self._alarm < 0:
            return memory, pids
        with contextlib.suppress(BlockingIOError):
            self._alarms += os.eventfd_read(self._alarm)
        return self._alarms, pids

    def _mine(self) -> set[int]:
        """Every process that the step has started."""
        return processes.without(processes.tree(), self._older)

    def _signal(self, how: int) -> None:
        if how == signal.SIGINT and self._step:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._step, how)
        elif self._alone and not self._older:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, how)
        else:
            processes.tell(self._mine(), how)

    def _kill(self) -> float:
        until = time.monotonic() + KILL_SECONDS
        while self._strike() or self._step:
            if time.monotonic() > until:
                return 0.0
            time.sleep(0.001)
            self._reap()
        return time.monotonic()

    def _strike(self) -> bool:
        """Kill whatever of the step is there; False if nothing was."""
        if self._alone and not self._older:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            return processes.anybody()
        found = self._soon() or self._mine()
        processes.tell(found, signal.SIGSTOP)
        processes.tell(found, signal.SIGKILL)
        return bool(found)

    def _soon(self) -> set[int]:
        """As `_mine`, but only what is in the job's cgroup: few to look at on a full machine."""
        if self._cgroup is None:
            return set()
        return processes.without(processes.tree(self._cgroup.members()), self._older)
