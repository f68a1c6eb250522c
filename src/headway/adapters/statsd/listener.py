"""Hears statsd over UDP and hands over what it adds up to. Started by `headway server --statsd`.

Anybody who reaches the port may write, as is usual for statsd; so it is bound to loopback unless
the operator says otherwise, and bounded in everything. Lines that make no sense are counted.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence

from headway.adapters.statsd.lines import parse
from headway.adapters.statsd.totals import Totals
from headway.model.errors import Refused
from headway.model.series import Point

FLUSH_SECONDS = 4.0  # samples must not be further apart than 5 s
DATAGRAM = 65_536
_RECEIVE_BUFFER = 4 << 20

Sink = Callable[[Sequence[Point], dict[str, int]], None]


class Listener(threading.Thread):
    """`sink` gets the points and how many lines were dropped since last time, by why; what it
    raises is told to `complain`, and the next flush has it all again.
    """

    def __init__(self, host: str, port: int, sink: Sink, complain: Callable[[str], None]) -> None:
        super().__init__(name="statsd", daemon=True)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            why = error.strerror or str(error)
            raise Refused(
                f"statsd cannot listen at {host}:{port}", why=why, code="port-in-use"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self._sink, self._complain = sink, complain
        self._totals = Totals()
        self._senseless = 0
        self._stopped = threading.Event()

    def run(self) -> None:
        """Until stopped; the last flush at the end."""
        due = time.monotonic() + FLUSH_SECONDS
        while not self._stopped.is_set():
            self._socket.settimeout(max(0.01, min(0.25, due - time.monotonic())))
            with contextlib.suppress(TimeoutError):
                self._take(self._socket.recv(DATAGRAM))
            if time.monotonic() >= due:
                self._flush()
                due = time.monotonic() + FLUSH_SECONDS
        self._flush()
        self._socket.close()

    def stop(self) -> None:
        """No more lines."""
        self._stopped.set()
        self.join(timeout=10)

    def _take(self, datagram: bytes) -> None:
        now = time.time()
        for text in datagram.decode(errors="replace").split("\n"):
            line = parse(text) if text else None
            if line is not None:
                self._totals.add(line, now)
            elif text:
                self._senseless += 1

    def _flush(self) -> None:
        lost = {"no statsd line": self._senseless, "too many series": self._totals.overflow}
        self._senseless = self._totals.overflow = 0
        try:
            points = list(self._totals.flush(time.time()))
            self._sink(points, {why: count for why, count in lost.items() if count})
        except Exception as error:  # noqa: BLE001  a thread that must go on; the log has it
            self._complain(f"statsd: {type(error).__name__}: {error}")
