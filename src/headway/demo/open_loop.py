"""Users who never wait for each other: a request is sent when it is due, whatever became of others.

Latency runs from the moment a request was due, so a stalled service cannot hide its stall (no
coordinated omission). Nothing is ever sent twice. Called by `users`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from headway.demo.answer import Head
from headway.demo.arrivals import Shot
from headway.demo.connection import Connection
from headway.demo.tally import Kind, Outcome, Tally

SWEEP_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """`connections` at most at a time; the longest wait for one, and for an answer, in seconds."""

    connections: int = 1000
    wait_seconds: float = 2.0
    answer_seconds: float = 5.0


class OpenLoop:
    """Sends shots when they are due and tells the tally how each one ended."""

    def __init__(self, host: str, port: int, tally: Tally, limits: Limits) -> None:
        self._host, self._port, self._limits = host, port, limits
        self._tally = tally
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._idle: list[Connection] = []
        self._busy: dict[Connection, None] = {}
        self._open: set[Connection] = set()
        self._waiting: deque[Shot] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._stopped = False
        self.offered = self.opened = self.most_open = self.stray = 0
        self.latest_ms = 0.0

    def start(self, shots: Iterator[Shot]) -> None:
        """Begin now; time 0 of the shots is now."""
        self._begun = self._loop.time()
        self._fire(shots, next(shots))
        self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def _fire(self, shots: Iterator[Shot], shot: Shot) -> None:
        while not self._stopped:
            now = self._loop.time()
            late = now - self._begun - shot.due
            if late < 0:
                self._loop.call_at(self._begun + shot.due, self._fire, shots, shot)
                return
            self.latest_ms = max(self.latest_ms, late * 1000.0)
            self.offered += 1
            self._take(shot, now)
            shot = next(shots)

    def _take(self, shot: Shot, now: float) -> None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                self._send(connection, shot, now)
                return
        self._waiting.append(shot)
        self._open_more()

    def _send(self, connection: Connection, shot: Shot, now: float) -> None:
        self._busy[connection] = None
        connection.send(shot, now)

    def _open_more(self) -> None:
        room = self._limits.connections - len(self._open) - len(self._connecting)
        for _ in range(min(room, len(self._waiting) - len(self._connecting))):
            task = self._loop.create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        try:
            _, connection = await self._loop.create_connection(
                lambda: Connection(self), self._host, self._port
            )
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)
            if self._waiting:
                self.broken(
                    self._waiting.popleft(), "refused" if refused else "connect", str(error)
                )
            return
        self.opened += 1
        if connection.usable:
            self._open.add(connection)
            self.most_open = max(self.most_open, len(self._open))
            self._release(connection)

    def _release(self, connection: Connection) -> None:
        if self._waiting:
            self._send(connection, self._waiting.popleft(), self._loop.time())
        else:
            self._idle.append(connection)

    def answered(self, connection: Connection, shot: Shot, head: Head) -> None:
        """An answer is complete: judge it, and use the connection again."""
        self._busy.pop(connection, None)
        if head.fault:
            self._end(shot, "shop_fault", version=head.version)
        elif 200 <= head.status < 300:
            self._end(shot, "ok", version=head.version)
        else:
            self._end(shot, "lost", head.version, "status", str(head.status))
        if connection.usable:
            self._release(connection)

    def broken(self, shot: Shot, reason: str, detail: str) -> None:
        """A request without an answer."""
        self._end(shot, "lost", None, reason, detail)

    def gone(self, connection: Connection, *, stray: bool) -> None:
        """Forget the connection; whoever waits gets a new one."""
        self.stray += stray
        self._busy.pop(connection, None)
        self._open.discard(connection)
        self._open_more()

    def _end(
        self, shot: Shot, kind: Kind, version: str | None, reason: str = "", detail: str = ""
    ) -> None:
        seconds = self._loop.time() - self._begun - shot.due
        self._tally.add(
            Outcome(kind, time.time(), seconds, shot.user, shot.number, version, reason, detail)
        )

    def _sweep(self) -> None:
        now = self._loop.time()
        self._give_up_silent(now)
        while (
            self._waiting and now - self._begun - self._waiting[0].due > self._limits.wait_seconds
        ):
            self.broken(self._waiting.popleft(), "no_connection", "none was free in time")
        self._open_more()
        self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def _give_up_silent(self, now: float) -> None:
        overdue = []
        for connection in self._busy:
            if now - connection.sent_at <= self._limits.answer_seconds:
                break
            overdue.append(connection)
        for connection in overdue:
            connection.fail("timeout", f"no answer within {self._limits.answer_seconds:g} s")

    @property
    def in_flight(self) -> int:
        """Requests that have not ended yet, sent or waiting for a connection."""
        return len(self._busy) + len(self._waiting)

    async def stop(self) -> None:
        """Send nothing new; return when every request has ended (each has its time limit)."""
        self._stopped = True
        while self.in_flight:  # noqa: ASYNC110  (once, at the very end)
            await asyncio.sleep(0.02)
        for connection in tuple(self._open):
            connection.abort()

    def as_json(self) -> dict[str, object]:
        """What was sent, and over how many connections. `latest_ms`: the worst own delay."""
        return {
            "offered": self.offered,
            "in_flight": self.in_flight,
            "latest_ms": round(self.latest_ms, 3),
            "connections": {
                "open": len(self._open),
                "opened": self.opened,
                "most": self.most_open,
                "stray": self.stray,
            },
        }
