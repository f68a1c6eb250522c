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
from headway.record import dataclass

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from headway.adapters.linux.nursery.main import main; main()"
)
SHOWN = ("runs", "tools", "actions", "containers")
"""What steps see of the home: not its keys, tokens, databases, other repositories."""


@dataclass(frozen=True, slots=True)
class Able:
    """What this machine allows. `namespaces`: no process survives its job; `network`: it can be cut
    off; `pids`, `memory`: what bounds them (`cgroup v2`, `cgroup v1`, `rlimit`; empty: nothing).
    """

    namespaces: bool
    network: bool
    pids: str
    memory: str


class Nursery:
    """Starts the nursery's process when it is first needed, and again if it was killed."""

    def __init__(self, limits: Limits, home: Path) -> None:
        """`home`: of which jobs see SHOWN only; its `log/nursery.log` takes what the process says
        when it fails.
        """
        self._limits, self._home = limits, home
        self._complaints = home / "log" / "nursery.log"
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._able: Able | None = None
        self._close: Callable[[], object] = lambda: None
        self.pid: int | None = None

    def sandbox(self, lock: int, *, network: bool, again: str) -> "Sandbox":
        """A sandbox for one job. The job's lock is held until nothing of the job lives.

        `again`: jobs that say the same may have it one after the other; empty: this one alone.
        Raises Failed (`no-sandbox`).
        """
        mine, theirs = socket.socketpair()
        gone, held = os.pipe()
        again = again if network else ""
        order = {"network": network, "again": again}
        try:
            self._send(json.dumps(order).encode(), [theirs.fileno(), held, lock])
        except BaseException:
            mine.close()
            os.close(gone)
            raise
        finally:
            theirs.close()
            os.close(held)
        return Sandbox(mine, gone, self._limits, again=bool(again))

    def warm(self) -> None:
        """Start the process now: it gets ready while its owner does other things."""
        with self._lock:
            self._started()

    def able(self) -> Able:
        """What this machine allows. Raises Failed (`no-sandbox`)."""
        with self._lock:
            if self._able is None:
                channel = self._started()
                try:
                    channel.send(b"{}")
                    told = json.loads(channel.recv(4096) or b"{}")
                except (BrokenPipeError, ConnectionResetError) as error:
                    raise self._broken(str(error)) from error
                if not told:
                    raise self._broken("it ended while it started")
                self._able = Able(**told)
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
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-c",
                    _START,
                    source,
                    json.dumps(_bounds(self._limits) | {"shown": SHOWN}),
                ],
                stdin=theirs.fileno(),
                stdout=complaints,
                stderr=complaints,
                cwd=self._home,
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


def _bounds(limits: Limits) -> dict[str, object]:
    """As nursery/walls.Order."""
    names = ("pids", "memory", "file_bytes", "files", "namespaces")
    return {name: getattr(limits, name) for name in names}


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
    return Nursery(limits, home.resolve())


class Boxes:
    """The sandbox of one job: opened when it is first needed, and again if it was killed."""

    def __init__(self, nursery: Nursery, lock: int, *, network: bool, again: str = "") -> None:
        self._nursery, self._lock = nursery, lock
        self._network, self._again = network, again
        self._box: Sandbox | None = None

    def open(self) -> Sandbox:
        """The sandbox. Raises Failed (`no-sandbox`)."""
        if self._box is not None and not self._box.alive:
            self.close()
        if self._box is None:
            self._box = self._nursery.sandbox(self._lock, network=self._network, again=self._again)
        return self._box

    def close(self) -> None:
        """Kill all that is left of the job, and return when nothing is."""
        if self._box is not None:
            self._box.close()
            self._box = None
