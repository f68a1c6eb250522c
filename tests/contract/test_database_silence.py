"""A Postgres that cannot be reached is one clear error, and never a wait without end."""

import socket
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from tests.support.postgres import postgres

from headway.model.errors import Unreachable
from headway.store import database

SOON = "connect_timeout=2"  # the least that the driver takes


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        taker = threading.Thread(target=accept)
        taker.start()
        yield f"postgresql+psycopg://headway@127.0.0.1:{server.getsockname()[1]}/postgres"
        server.shutdown(socket.SHUT_RDWR)
        taker.join(10)
        for each in kept:
            each.close()


def test_a_server_that_stays_silent_is_said_to_be_unreachable(silent: str) -> None:
    with pytest.raises(Unreachable, match="the database does not answer") as failed:
        database.prepare(f"{silent}?{SOON}")
    assert "timeout" in failed.value.why
    assert "HEADWAY_DATABASE" in failed.value.next


def test_a_silent_server_is_the_error_that_is_tried_again(silent: str) -> None:
    engine = database.connect(f"{silent}?{SOON}")
    with pytest.raises(sa.exc.OperationalError):
        engine.connect()


def options(raw: object) -> dict[str, int]:
    """What the kernel was told of the connection's socket (tcp(7))."""
    descriptor: int = raw.fileno()  # type: ignore[attr-defined]
    with socket.socket(fileno=socket.dup(descriptor)) as one:
        tcp = {
            name: one.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        }
        return tcp | {"SO_KEEPALIVE": one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)}


def test_an_open_connection_notices_a_network_that_drops_everything() -> None:
    """The kernel ends it after 25 s; the URL's own words come first."""
    with postgres() as url:
        for more, interval in (("", 5), ("?keepalives_interval=7", 7)):
            engine = database.connect(url + more)
            with engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert options(raw) == {
                    "SO_KEEPALIVE": 1,
                    "TCP_KEEPIDLE": 10,
                    "TCP_KEEPINTVL": interval,
                    "TCP_KEEPCNT": 3,
                    "TCP_USER_TIMEOUT": 25_000,
                }
                assert raw.info.get_parameters()["connect_timeout"] == "10"  # type: ignore[union-attr]
            engine.dispose()
