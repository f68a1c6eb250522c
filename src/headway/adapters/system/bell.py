"""A bell: who left work for the server rings, and the server looks at once.

HOME/wake is a FIFO. A byte in it says where to look: at notes of the hook, at events, at runs that
wait. A lost one costs nothing, because the server looks now and then by itself. A shell script can
ring it as well (adapters/git/hosting). Called by wiring and by the doors of the server.
"""

import contextlib
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path

NAME = "wake"
NOTES, EVENTS, RUNS = b"n", b"e", b"r"
_MOST_BYTES = 65536


def ring(home: Path, what: bytes) -> None:
    """Ring, if anybody listens: NOTES, EVENTS or RUNS. Never waits."""
    with contextlib.suppress(OSError):
        descriptor = os.open(home / NAME, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(descriptor, what)
        finally:
            os.close(descriptor)


class Bell(threading.Thread):
    """Listens until it is stopped, and calls everybody who asked for it."""

    def __init__(self, home: Path) -> None:
        super().__init__(name="bell", daemon=True)
        self._wakes: list[tuple[bytes, Callable[[], None]]] = []
        self._end, self._halt = os.pipe2(os.O_CLOEXEC)
        self._fifo = _open(home / NAME)

    def hear(self, what: bytes, wake: Callable[[], None]) -> None:
        """Call this at every ring of that kind; it must be quick."""
        self._wakes.append((what, wake))

    def run(self) -> None:
        """Until stopped."""
        poll = select.poll()
        poll.register(self._fifo, select.POLLIN)
        poll.register(self._end, select.POLLIN)
        while self._end not in {descriptor for descriptor, _ in poll.poll()}:
            rung = os.read(self._fifo, _MOST_BYTES)
            for what, wake in list(self._wakes):
                if what in rung:
                    wake()

    def stop(self) -> None:
        """Listen no more."""
        os.write(self._halt, b".")
        self.join()
        for descriptor in (self._fifo, self._end, self._halt):
            os.close(descriptor)


def _open(path: Path) -> int:
    """The FIFO, made if it is not there. Open for writing too, so that it never seems closed."""
    if not path.is_fifo():
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
