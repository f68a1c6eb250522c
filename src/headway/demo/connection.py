"""One keep-alive connection of the users, with one request in flight at most.

It only tells its owner what happened; `open_loop` is that owner and decides what it means.
"""

import asyncio
from typing import Protocol

from headway.demo.answer import Head, Malformed, Reader
from headway.demo.arrivals import Shot


class Owner(Protocol):
    """Who is told."""

    def answered(self, connection: "Connection", shot: Shot, head: Head) -> None:
        """A complete answer came; the connection is free, unless `connection.usable` is False."""
        ...

    def broken(self, shot: Shot, reason: str, detail: str) -> None:
        """The request got no answer; the connection is gone."""
        ...

    def gone(self, connection: "Connection", *, stray: bool) -> None:
        """The connection ended. `stray`: it sent bytes that nobody had asked for."""
        ...


class Connection(asyncio.Protocol):
    """Sends a request when told so, and reads the answer."""

    __slots__ = ("_owner", "_reader", "_stray", "_transport", "sent_at", "shot", "usable")

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._reader = Reader()
        self._stray = False
        self.shot: Shot | None = None
        self.sent_at = 0.0
        self.usable = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's word that the connection stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.usable = True

    def send(self, shot: Shot, now: float) -> None:
        """Put the request on the wire; `now` is the loop's time."""
        assert self._transport is not None
        assert self.shot is None
        self.shot, self.sent_at, self._reader = shot, now, Reader()
        self._transport.write(shot.data)

    def data_received(self, data: bytes) -> None:
        """Asyncio's word that bytes came."""
        if self.shot is None:
            self._stray = True
            self.abort()
            return
        try:
            head = self._reader.feed(data)
        except Malformed as error:
            self.fail("malformed", str(error))
            return
        if head is not None:
            self._finish(head)

    def _finish(self, head: Head) -> None:
        shot, self.shot = self.shot, None
        assert shot is not None
        self._stray = self._reader.beyond
        if head.close or self._stray:
            self.abort()
        self._owner.answered(self, shot, head)

    def fail(self, reason: str, detail: str) -> None:
        """Give up the request in flight and the connection with it."""
        shot, self.shot = self.shot, None
        self.abort()
        if shot is not None:
            self._owner.broken(shot, reason, detail)

    def abort(self) -> None:
        """Close at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's word that the connection is gone."""
        self.usable = False
        if self.shot is not None:
            self._cut_short(exc)
        self._owner.gone(self, stray=self._stray)

    def _cut_short(self, exc: Exception | None) -> None:
        shot, self.shot = self.shot, None
        assert shot is not None
        head = self._reader.closed() if exc is None else None
        if head is not None:
            self._owner.answered(self, shot, head)
        elif exc is None:
            self._owner.broken(shot, "closed", f"after {self._reader.received} bytes of the answer")
        else:
            self._owner.broken(shot, "reset", str(exc))
