"""Reads the event log once for everybody who follows it live. Used by api/live.

A hub looks at the log while somebody follows, four times a second, in a thread of its own, and
gives every fresh event to each follower; that is all a follower can cost. Who may follow is asked
again every few seconds, once for each credential, so that a token that is taken back ends its
streams. Runs from one event loop.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from starlette.requests import Request

from headway.access.principal import Principal, anywhere
from headway.api.who import Who
from headway.model.errors import HeadwayError
from headway.model.event import Event
from headway.store import log
from headway.wiring import Headway

LOOK_SECONDS = 0.25
WHO_SECONDS = 2.0
BATCH = 1000
PERMISSION = "service.read"
REVOKED, LEAVING = "revoked", "leaving"
_LOG = logging.getLogger("headway.api")


class Follower(Protocol):
    """Somebody who follows. Every method is quick and never waits."""

    request: Request
    watched: Path | None

    def hear(self, event: Event) -> None:
        """A fresh event, in commit order."""

    def touched(self, seq: int) -> None:
        """The watched file has grown; `seq` is the newest event."""

    def known(self, who: Principal) -> None:
        """Who asks, as far as it may go now."""

    def end(self, because: str) -> None:
        """Nothing more comes."""


@dataclass(slots=True)
class _Seen:
    """What the thread found: fresh events, sizes of files, and who everybody is now."""

    events: list[Event] = field(default_factory=list)
    sizes: dict[Path, int] = field(default_factory=dict)
    people: dict[tuple[str, str], Principal] = field(default_factory=dict)


class Hub:
    """One of a server. `leaving` says whether the server wants to end."""

    def __init__(self, headway: Headway, who: Who, leaving: Callable[[], bool]) -> None:
        self.headway, self._who, self._leaving = headway, who, leaving
        self._followers: set[Follower] = set()
        self._thread = ThreadPoolExecutor(1, "live")
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sizes: dict[Path, int] = {}
        self._asked = 0.0
        self.seq = 0

    async def join(self, follower: Follower) -> int:
        """Follow from now on; gives the newest event's number, after which everything is heard."""
        loop = asyncio.get_running_loop()
        if not self._goes(loop):
            newest = await loop.run_in_executor(self._thread, self._last)
            if not self._goes(loop):
                self.seq, self._asked = newest, time.monotonic()
                self._task, self._loop = loop.create_task(self._go()), loop
        self._followers.add(follower)
        return self.seq

    def _goes(self, loop: asyncio.AbstractEventLoop) -> bool:
        return self._task is not None and not self._task.done() and self._loop is loop

    def leave(self, follower: Follower) -> None:
        """Follow no longer."""
        self._followers.discard(follower)

    def __len__(self) -> int:
        return len(self._followers)

    def _last(self) -> int:
        with self.headway.reading() as connection:
            return log.last_seq(connection)

    async def _go(self) -> None:
        """While anybody follows."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._followers:
                return
            if self._leaving():
                self._end_all(LEAVING)
                continue
            ask = time.monotonic() - self._asked >= WHO_SECONDS
            followers = tuple(self._followers)
            try:
                seen = await loop.run_in_executor(self._thread, self._look, followers, ask)
            except (sa.exc.DBAPIError, OSError, HeadwayError) as error:
                _LOG.warning("live: the log cannot be read now: %s", type(error).__name__)
                await asyncio.sleep(1.0)
                continue
            self._tell(seen)
            if ask:
                self._asked = time.monotonic()

    def _look(self, followers: tuple[Follower, ...], ask: bool) -> _Seen:  # noqa: FBT001
        """In the thread."""
        seen = _Seen()
        with self.headway.reading() as connection:
            seen.events = log.after(connection, self.seq, limit=BATCH)
        for path in {f.watched for f in followers if f.watched}:
            seen.sizes[path] = path.stat().st_size if path.exists() else -1
        if ask:
            for one in {_credential(f.request): f.request for f in followers}.values():
                seen.people[_credential(one)] = self._who(Request({**one.scope, "state": {}}))
        return seen

    def _tell(self, seen: _Seen) -> None:
        for follower in tuple(self._followers):
            who = seen.people.get(_credential(follower.request))
            if who is not None:
                follower.known(who)
                if not who.known or not anywhere(who, PERMISSION):
                    follower.end(REVOKED)
                    continue
            for event in seen.events:
                follower.hear(event)
        self.seq = seen.events[-1].seq if seen.events else self.seq
        self._grown(seen.sizes)

    def _grown(self, sizes: dict[Path, int]) -> None:
        grown = {path for path, size in sizes.items() if self._sizes.get(path, size) != size}
        self._sizes = sizes
        for follower in tuple(self._followers):
            if follower.watched in grown:
                follower.touched(self.seq)

    def _end_all(self, because: str) -> None:
        for follower in tuple(self._followers):
            follower.end(because)


def _credential(request: Request) -> tuple[str, str]:
    """What says who asks: the same for the same token or session."""
    return request.headers.get("authorization", ""), request.headers.get("cookie", "")
