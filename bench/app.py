"""The application that benchmarks put behind the proxy: keep-alive HTTP, one process, no imports
beyond the standard library. Started by the local target as any application is.

`GET /wait/5` answers after 5 ms, everything else at once; every answer carries `x-version`. On
TERM it answers what it was asked, says `connection: close`, and ends within its grace.
"""

import asyncio
import os
import signal
from typing import ClassVar

VERSION = os.environ.get("VERSION", "none")
HEAD = f"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-version: {VERSION}\r\n"
OPEN, LAST = f"{HEAD}\r\nok".encode(), f"{HEAD}connection: close\r\n\r\nok".encode()
IDLE_SECONDS = 0.2


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests have no body."""

    every: ClassVar[set["Connection"]] = set()
    ending = False

    def connection_made(self, transport):
        self.transport, self.left, self.waiting = transport, b"", 0
        self.every.add(self)

    def connection_lost(self, exc):
        self.every.discard(self)

    def data_received(self, data):
        self.left += data
        while b"\r\n\r\n" in self.left:
            head, _, self.left = self.left.partition(b"\r\n\r\n")
            self.asked(head.split(b" ", 2)[1])

    def asked(self, path):
        if not path.startswith(b"/wait/"):
            self.answer()
            return
        self.waiting += 1
        asyncio.get_running_loop().call_later(int(path[6:]) / 1000, self.waited)

    def waited(self):
        self.waiting -= 1
        self.answer()

    def answer(self):
        self.transport.write(LAST if Connection.ending else OPEN)
        if Connection.ending and not self.waiting:
            self.transport.close()


async def main():
    loop, asked_to_end = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, asked_to_end.set)
    port = int(os.environ["PORT"])
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=1024)
    await asked_to_end.wait()
    server.close()
    Connection.ending = True
    await asyncio.sleep(IDLE_SECONDS)
    while any(c.waiting for c in Connection.every):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    for connection in list(Connection.every):
        connection.transport.close()


if __name__ == "__main__":
    asyncio.run(main())
