"""Small real applications for tests of what stands before them.

`/status/503` answers that status, `/sleep/40` answers after 40 ms, `/drop` closes without answer.
Every answer carries `x-version`. All of them run in one event loop in one thread.
"""

import asyncio
import threading
from collections import Counter

from headway.model.routing import Endpoint


class Upstream:
    def __init__(self, farm: "Farm", version: str) -> None:
        self.version = version
        self.asked = 0
        self.active = 0
        self.statuses: Counter = Counter()
        self.last_headers: dict[str, str] = {}
        self._farm = farm
        self._server: asyncio.Server | None = None
        self._writers: set = set()
        self.port = 0

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.port)

    @property
    def draining(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.port, draining=True)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def kill(self) -> None:
        """As SIGKILL does: the door and every connection close at once."""

        async def close() -> None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()

        self._farm.call(close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # Envoy let go of an idle connection, or the test killed this application
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.asked += 1
        found = [line.partition(":") for line in head[1:] if line]
        self.last_headers = {name.lower(): value.strip() for name, _, value in found}
        _, kind, *argument = head[0].split()[1].split("/")
        if kind == "drop":
            return False
        self.active += 1
        try:
            if kind == "sleep":
                await asyncio.sleep(float(argument[0]) / 1000)
        finally:
            self.active -= 1
        status = int(argument[0]) if kind == "status" else 200
        lines = [f"HTTP/1.1 {status} x", "content-length: 2", f"x-version: {self.version}"]
        writer.write("\r\n".join([*lines, "server: shop", "", "ok"]).encode())
        await writer.drain()
        self.statuses[status] += 1
        return True


class Farm:
    """Runs the applications; `with Farm() as farm: v1 = farm.grow("v1")`."""

    def __enter__(self) -> "Farm":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._grown: list[Upstream] = []
        return self

    def __exit__(self, *_: object) -> None:
        for upstream in self._grown:
            upstream.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    def grow(self, version: str, port: int = 0) -> Upstream:
        upstream = Upstream(self, version)
        upstream.port = port
        self.call(upstream.open())
        self._grown.append(upstream)
        return upstream
