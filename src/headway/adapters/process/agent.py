"""The parent of one job's processes: starts steps, keeps their output, lets none survive the job.

Run as a file of its own by sandbox (`python -I -S agent.py`), as process 1 of a PID namespace where
there is one, else as child subreaper, so that a daemonised step stays its descendant either way.
Standard library only. It reads one JSON order a line on stdin and answers one JSON line on stdout;
when stdin ends (the job is done, or the server is gone) everything is killed and it exits.

Order: argv, cwd, env, log (file), cap (bytes of log), seconds (time left), grace (seconds).
Answer: code (negative: a signal), timed_out, problem (why the output is not whole).
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
TAIL = 64 * 1024
DRAIN_SECONDS = 0.25
KILL_SECONDS = 20.0


class Output:
    """The output of one step, on its way from a pipe to a log file of at most `cap` bytes.

    Beyond the cap only the last TAIL bytes are kept, and written when the step ends.
    """

    def __init__(self, path: str, cap: int, pipe: int) -> None:
        self.pipe = pipe
        self.problem = ""
        self._file = Path(path).open("ab", buffering=0)  # noqa: SIM115
        self._left = cap
        self._cut = 0
        self._tail = b""
        os.set_blocking(pipe, False)

    def pump(self) -> bool:
        """Take what is there; False when the pipe has ended."""
        while True:
            try:
                chunk = os.read(self.pipe, 1 << 16)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self._keep(chunk)

    def flush(self) -> None:
        """Write the end of an output that went beyond the cap."""
        if self._cut:
            left_out = self._cut - len(self._tail)
            self._write(b"\n[headway: %d bytes left out here]\n" % left_out + self._tail)
            self._cut, self._tail = 0, b""

    def _keep(self, chunk: bytes) -> None:
        head, rest = chunk[: self._left], chunk[self._left :]
        self._left -= len(head)
        self._write(head)
        self._cut += len(rest)
        self._tail = (self._tail + rest)[-TAIL:]

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[self._file.write(data) or 0 :]
        except OSError as error:
            self.problem = f"the log cannot be written: {error.strerror}"


class Agent:
    """One loop over stdin, ended children and the pipes of every step so far."""

    def __init__(self) -> None:
        self._wake, wake_in = os.pipe()
        for end in (self._wake, wake_in):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
        self._select = selectors.DefaultSelector()
        self._select.register(self._wake, selectors.EVENT_READ)
        self._select.register(0, selectors.EVENT_READ)
        self._ended: dict[int, int] = {}
        self._orders = b""

    def serve(self) -> None:
        """Run orders until stdin ends."""
        while (order := self._next_order()) is not None:
            answer = json.dumps(self._run(order)) + "\n"
            os.write(1, answer.encode("ascii"))

    def _next_order(self) -> Any:
        while b"\n" not in self._orders:
            self._turn(None)
        line, _, self._orders = self._orders.partition(b"\n")
        return json.loads(line)

    def _turn(self, seconds: float | None) -> None:
        """Wait for something and take it in. Raises EOFError when stdin has ended."""
        for key, _ in self._select.select(seconds):
            if key.fd == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
                self._reap()
            elif key.fd == 0:
                chunk = os.read(0, 1 << 16)
                if not chunk:
                    raise EOFError
                self._orders += chunk
            elif not key.data.pump():
                self._select.unregister(key.fd)
                os.close(key.fd)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._ended[ended[0]] = os.waitstatus_to_exitcode(ended[1])

    def _run(self, order: dict[str, Any]) -> dict[str, object]:
        mine, theirs = os.pipe()
        self._ended.clear()
        try:
            output = Output(order["log"], order["cap"], mine)
            process = _start(order, theirs)
        except (OSError, ValueError) as error:
            os.close(mine)
            return {"code": None, "timed_out": False, "problem": f"cannot start: {error}"}
        finally:
            os.close(theirs)
        self._select.register(mine, selectors.EVENT_READ, output)
        timed_out = self._wait(process.pid, order["seconds"], order["grace"])
        self._drain(mine)
        output.flush()
        # Told, so that the forgotten Popen does not wait for a child that _reap has taken.
        process.returncode = self._ended.pop(process.pid)
        code = process.returncode
        return {"code": code, "timed_out": timed_out, "problem": output.problem}

    def _wait(self, pid: int, seconds: float, grace: float) -> bool:
        """Wait for the step; when its time is over INT, TERM, then KILL of everything."""
        if self._ends_within(pid, seconds):
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGINT)
        if not self._ends_within(pid, grace):
            for descendant in descendants():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(descendant, signal.SIGTERM)
            self._ends_within(pid, grace)
        while pid not in self._ended:
            kill_all()
            self._turn(0.02)
        kill_all()
        return True

    def _ends_within(self, pid: int, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while pid not in self._ended and (left := until - time.monotonic()) > 0:
            self._turn(left)
        return pid in self._ended

    def _drain(self, pipe: int) -> None:
        """What the step wrote last; a daemon that holds the pipe open is not waited for."""
        until = time.monotonic() + DRAIN_SECONDS
        while pipe in self._select.get_map() and (left := until - time.monotonic()) > 0:
            self._turn(left)


def _start(order: dict[str, Any], output: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        order["argv"],
        cwd=order["cwd"],
        env=order["env"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def descendants() -> list[int]:
    """Every process below this one, from /proc."""
    parents = dict(_parents())
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def _parents() -> list[tuple[int, int]]:
    pairs = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (folder / "stat").read_bytes()
                state, parent = stat.rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    pairs.append((int(folder.name), int(parent)))
    return pairs


def kill_all() -> None:
    """Kill every descendant and what they start meanwhile, trying for KILL_SECONDS at most."""
    if os.getpid() == 1:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    until = time.monotonic() + KILL_SECONDS
    while (left := descendants()) and time.monotonic() < until:
        for how in (signal.SIGSTOP, signal.SIGKILL):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
        time.sleep(0.002)


def main() -> None:
    """Serve until stdin ends, then leave nothing behind."""
    os.umask(0o022)
    for heard in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Not SIG_IGN: steps would inherit that, and a shell cannot trap what it starts ignoring.
        signal.signal(heard, lambda *_: None)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        sys.exit("no child subreaper here")
    try:
        Agent().serve()
    except EOFError:
        pass
    finally:
        kill_all()


if __name__ == "__main__":
    main()
