"""The server's socket: what is answered in two parts does not wait for an acknowledgement."""

import asyncio
import socket

from headway.cli.server import _listen


async def at_once(listener: socket.socket) -> int:
    """TCP_NODELAY of a connection that asyncio, and so the server, has accepted."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda _, out: accepted.set_result(out), sock=listener)
    _, mine = await asyncio.open_connection(*listener.getsockname())
    theirs = await accepted
    kept: socket.socket = theirs.get_extra_info("socket")
    found = kept.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    for end in (mine, theirs, server):
        end.close()
    return found


def test_answers_are_sent_at_once() -> None:
    with _listen("127.0.0.1", 0) as listener:
        assert asyncio.run(at_once(listener)) == 1
