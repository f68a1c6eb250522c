"""Those who follow the log live: for each event, or only for the news that there is one.

Made by api/live, fed by api/hub from the event loop; `pieces` is what is sent, one after the other.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from headway.access.principal import Principal, services
from headway.api.hub import Hub
from headway.model.event import Event
from headway.store import log
from headway.store.cloudevents import cloud_event

MOST_WAITING = 512
HEARTBEAT_SECONDS = 15.0
CHANGED_SECONDS = 0.5
PAGE = 500
STUCK_SECONDS = 30.0
SLOW = "slow"
About = dict[str, str]
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events. Empty: every one. `about`: columns and values; one set of them fits whole."""

    subject: str = ""
    service: str = ""
    environment: str = ""
    delivery: str = ""
    kind: str = ""
    about: tuple[About, ...] = ()

    def fits(self, event: Event) -> bool:
        """Whether it is one of them. `kind`: also the beginning of one, up to a dot or colon."""
        same = (
            (self.subject, event.subject),
            (self.service, event.service),
            (self.environment, event.environment),
            (self.delivery, event.delivery),
        )
        if any(asked and asked != is_ for asked, is_ in same):
            return False
        if self.kind and not (event.kind + ".").replace(":", ".").startswith(f"{self.kind}."):
            return False
        return not self.about or any(
            all(getattr(event, n) == v for n, v in one.items()) for one in self.about
        )


class Reader:
    """What followers share: what is wanted, who asks, how it ended."""

    def __init__(self, request: Request, wanted: Wanted, who: Principal) -> None:
        self.request, self.wanted = request, wanted
        self.watched: Path | None = None
        self.because = ""
        self.seq = 0
        self._bell = asyncio.Event()
        self.known(who)

    def known(self, who: Principal) -> None:
        """What may be read from now on."""
        self._services = services(who)

    def may(self, event: Event) -> bool:
        """An event of no service is of the whole home: only who reads all services reads it."""
        seen = self._services is None or event.service in self._services
        return seen and self.wanted.fits(event)

    def touched(self, seq: int) -> None:
        """Events do not tell of files."""

    def end(self, because: str) -> None:
        """The stream ends with what it has."""
        self.because = self.because or because
        self._bell.set()

    async def rung(self, seconds: float) -> None:
        """Until there is something to do, or so long."""
        with anyio.move_on_after(seconds):
            await self._bell.wait()
        self._bell.clear()

    def farewell(self) -> bytes:
        """The last event of the stream."""
        return _event("end", {"because": self.because, "resume": self.seq})

    def missed(self, hub: Hub) -> list[Event]:
        """A page of what was written since `seq` and before it joined. In a thread."""
        with hub.headway.reading() as connection:
            return log.after(connection, self.seq, limit=PAGE)


class Events(Reader):
    """Each event. Who does not keep up reads on in the log; who takes nothing at all is let go.

    `_behind`: since when (monotonic seconds) its queue has been full; 0: it keeps up.
    """

    def __init__(self, request: Request, wanted: Wanted, who: Principal) -> None:
        super().__init__(request, wanted, who)
        self._waiting: deque[Event] = deque()
        self._behind = 0.0

    def hear(self, event: Event) -> None:
        """Keep it until the client takes it."""
        if self.because or not self.may(event):
            return
        if not self._behind and len(self._waiting) >= MOST_WAITING:
            self._behind = time.monotonic()
        if not self._behind:
            self._waiting.append(event)
        elif time.monotonic() - self._behind > STUCK_SECONDS:
            self.end(SLOW)
        self._bell.set()

    async def pieces(self, hub: Hub, joined: int) -> AsyncIterator[bytes]:
        """First what was missed, then what comes."""
        while not self.because:
            if self._behind:
                self._waiting.clear()
                self._behind, joined = 0.0, hub.seq
            if self.seq < joined:
                yield await self._page(hub, joined)
            else:
                if not self._waiting:
                    await self.rung(HEARTBEAT_SECONDS)
                yield self._fresh() or (b"" if self.because else b":\n\n")

    async def _page(self, hub: Hub, joined: int) -> bytes:
        """The next of what was missed."""
        page = await run_in_threadpool(self.missed, hub)
        fresh = [e for e in page if e.seq <= joined]
        self.seq = fresh[-1].seq if fresh and len(page) == PAGE else joined
        return b"".join(_told(e) for e in fresh if self.may(e))

    def _fresh(self) -> bytes:
        """What waits, if it may still be read."""
        some = [self._waiting.popleft() for _ in range(min(PAGE, len(self._waiting)))]
        if not some or self.because:
            return b""
        self.seq = some[-1].seq
        return b"".join(_told(e) for e in some if self.may(e))


class Changes(Reader):
    """That something changed, and the newest number: nothing to queue."""

    def __init__(self, request: Request, wanted: Wanted, who: Principal) -> None:
        super().__init__(request, wanted, who)
        self._newest = 0
        self._files = 0

    def hear(self, event: Event) -> None:
        """Remember only that."""
        if self.may(event):
            self._newest = event.seq
            self._bell.set()

    def touched(self, seq: int) -> None:
        """The log of the run has grown."""
        self._newest, self._files = max(seq, self._newest), self._files + 1
        self._bell.set()

    async def pieces(self, hub: Hub, joined: int) -> AsyncIterator[bytes]:
        """One for everything that happened in half a second."""
        while self.seq < joined and not self.because:
            page = await run_in_threadpool(self.missed, hub)
            if any(self.may(e) for e in page):
                yield self._changed(joined)
                break
            self.seq = page[-1].seq if len(page) == PAGE else joined
        self.seq = max(self.seq, joined)
        heard = 0
        while not self.because:
            if self._newest > self.seq or self._files > heard:
                heard = self._files
                yield self._changed(self._newest)
                await anyio.sleep(CHANGED_SECONDS)
                continue
            await self.rung(HEARTBEAT_SECONDS)
            if not self.because and self._newest <= self.seq and self._files == heard:
                yield b":\n\n"

    def _changed(self, seq: int) -> bytes:
        self.seq = max(self.seq, seq)
        return b"id: %d\n%s" % (self.seq, _event("change", {"seq": self.seq}))


def _event(name: str, data: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _ENCODER.encode(data))


def _told(event: Event) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (event.seq, _ENCODER.encode(cloud_event(event)))
