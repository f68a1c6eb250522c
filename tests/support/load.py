"""Open and closed loop HTTP load over keep-alive connections, counting everything a user could see.

Used by contract and e2e tests: `with Load(address) as load: ...; tally = load.tally()`.
"""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass
class Tally:
    """`resets` are requests that were written and never wholly answered; `refused` connections."""

    statuses: Counter = field(default_factory=Counter)
    versions: Counter = field(default_factory=Counter)
    resets: int = 0
    refused: int = 0
    connections: int = 0
    slowest: float = 0.0

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        bad = sum(n for status, n in self.statuses.items() if not 200 <= status < 300)
        return bad + self.resets + self.refused


class Connection:
    """One keep-alive connection."""

    def __init__(self, address: str, tally: Tally | None = None) -> None:
        where = urlsplit(address)
        self.host, self.port = where.hostname, where.port
        self.tally = tally or Tally()
        self._streams = None

    async def get(self, path: str = "/", headers: dict[str, str] | None = None) -> Answer:
        """One answer. Raises ConnectionError or asyncio.IncompleteReadError, and counts it."""
        if self._streams is None:
            await self._connect()
        began = time.monotonic()
        try:
            answer = await self._exchange(path, headers or {})
        except (ConnectionError, asyncio.IncompleteReadError):
            self.tally.resets += 1
            self.close()
            raise
        self.tally.slowest = max(self.tally.slowest, time.monotonic() - began)
        self.tally.statuses[answer.status] += 1
        self.tally.versions[answer.header("x-version")] += 1
        if answer.header("connection") == "close":
            self.close()
        return answer

    async def _connect(self) -> None:
        try:
            self._streams = await asyncio.open_connection(self.host, self.port)
        except OSError:
            self.tally.refused += 1
            raise
        self.tally.connections += 1

    async def _exchange(self, path: str, headers: dict[str, str]) -> Answer:
        reader, writer = self._streams
        lines = [f"GET {path} HTTP/1.1", f"host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        found = [line.partition(":") for line in head[1:] if line]
        pairs = [(name.lower(), value.strip()) for name, _, value in found]
        length = int(next((v for k, v in pairs if k == "content-length"), "0"))
        return Answer(int(head[0].split()[1]), pairs, await reader.readexactly(length))

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Load:
    """`connections` users who ask one after the other; `rate` in all per second, or as they can."""

    def __init__(
        self, address: str, connections: int = 8, rate: float | None = None, path: str = "/"
    ) -> None:
        self._address, self._count, self._path = address, connections, path
        self._pause = connections / rate if rate else 0.0
        self._tally = Tally()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> Tally:
        """Let every request under way end, then give what was counted."""
        self._stop.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive(), "the load did not end"
        return self._tally

    def tally(self) -> Tally:
        return self._tally

    def wait_answered(self, more: int, within: float = 60.0) -> None:
        """Return when `more` requests were answered since this call."""
        goal, deadline = self._tally.answered + more, time.monotonic() + within
        while self._tally.answered < goal:
            assert time.monotonic() < deadline, f"only {self._tally} in {within} s"
            time.sleep(0.01)

    async def _run(self) -> None:
        await asyncio.gather(*(self._user() for _ in range(self._count)))

    async def _user(self) -> None:
        connection = Connection(self._address, self._tally)
        while not self._stop.is_set():
            try:
                await connection.get(self._path)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.02)
            if self._pause:
                await asyncio.sleep(self._pause)
        connection.close()


def fetch(address: str, path: str = "/", headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own."""

    async def once() -> Answer:
        connection = Connection(address)
        try:
            return await connection.get(path, headers)
        finally:
            connection.close()

    return asyncio.run(once())


def fetch_all(address: str, requests: list[dict[str, str]], path: str = "/") -> list[Answer]:
    """One request for each of these headers, in order, on one keep-alive connection."""

    async def all_of() -> list[Answer]:
        connection = Connection(address)
        try:
            return [await connection.get(path, headers) for headers in requests]
        finally:
            connection.close()

    return asyncio.run(all_of())
