"""Where sandboxes come from: the nursery's process, spoken to. Called by runner and course.

The nursery (linux/nursery) forks an agent for each job; it is started with the first one.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import headway
from headway.adapters.linux.sandbox import END_SECONDS, Limits, Sandbox
from headway.model.errors import Failed

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from headway.adapters.linux.nursery.main import main; main()"
)


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
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def nursery(home: Path, limits: Limits) -> Nursery:
    """That of a home; not started yet."""
    return Nursery(limits, home.resolve() / "log" / "nursery.log")


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
