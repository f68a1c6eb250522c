"""What happens, as it happens: whom it is told, gone on with after a break; slow, gone clients."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.api import Api, api, tell

from headway.api import followers, live
from headway.api.app import app


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    with api(tmp_path / "h") as made:
        yield made


class Client:
    """A stream that is read event by event."""

    def __init__(self, api: Api, path: str, who: str = "admin", last: int | None = None) -> None:
        resumed = {} if last is None else {"last-event-id": str(last)}
        headers = api.bearer(who) | resumed | {"accept": "text/event-stream"}
        self._http = httpx.Client(trust_env=False, timeout=20)
        self._context = self._http.stream("GET", api.url + path, headers=headers)
        self.answer = self._context.__enter__()
        self.lines = self.answer.iter_lines()
        if self.answer.status_code == 200:
            assert next(self.lines).startswith("retry:")
            assert next(self.lines) == ""

    def close(self) -> None:
        self._context.__exit__(None, None, None)
        self._http.close()

    def next(self) -> dict[str, Any]:
        """The next event as {event, id, data}; {} is a heartbeat."""
        fields: dict[str, Any] = {}
        for line in self.lines:
            if not line:
                break
            name, _, value = line.partition(": ")
            if name != ":":
                fields[name] = value
        if "data" in fields:
            fields["data"] = json.loads(fields["data"])
        return fields

    def told(self) -> dict[str, Any]:
        """The next that is no heartbeat."""
        while not (found := self.next()):
            pass
        return found


def test_a_page_hears_that_something_changed_and_only_of_what_it_asked(served: Api) -> None:
    headway = served.headway
    base = served.seq
    tell(headway, "delivery.requested", "del_1", service="shop", delivery="del_1")
    client = Client(served, "/live?on=service:shop")
    time.sleep(0.3)
    tell(headway, "delivery.requested", "del_2", service="other", delivery="del_2")
    for number in range(5):
        tell(headway, "gates.judged", "del_1", number, service="shop", delivery="del_1")
    said = [client.told()]
    while said[-1]["data"]["seq"] < base + 7:
        said.append(client.told())
    assert all(s["event"] == "change" and int(s["id"]) == s["data"]["seq"] for s in said)
    assert len(said) <= 3
    client.close()
    again = Client(served, "/live?on=service:shop", last=base + 3)
    assert again.told()["data"] == {"seq": base + 7}
    again.close()


def test_each_event_is_told_once_and_in_order_across_a_break(served: Api) -> None:
    headway = served.headway
    base = served.seq
    for number in range(1203):
        tell(headway, "gates.judged", "del_1", number, service="shop", delivery="del_1")
    url = "/events?service=shop&kind=gates"
    client = Client(served, url, last=0)
    first = [client.told() for _ in range(700)]
    client.close()
    tell(headway, "delivery.requested", "del_2", service="shop")
    tell(headway, "gates.judged", "del_1", 2000, service="shop", delivery="del_1")
    client = Client(served, url, last=int(first[-1]["id"]))
    rest = [client.told() for _ in range(503)]
    tell(headway, "gates.judged", "del_1", 2001, service="shop")
    rest += [client.told(), client.told()]
    ids = [int(e["id"]) for e in first + rest]
    assert ids == [base + n for n in (*range(1, 1204), 1205, 1206)]
    body = rest[-1]["data"]
    assert (body["specversion"], body["type"]) == ("1.0", "dev.headway.gates.judged")
    assert (body["sequence"], body["subject"], body["data"]) == (
        str(base + 1206),
        "del_1",
        {"n": 2001},
    )
    client.close()


def test_only_what_may_be_read_is_told(served: Api) -> None:
    headway = served.headway
    base = served.seq
    client = Client(served, "/events", who="shop", last=0)
    page = Client(served, "/live?on=all", who="shop")
    time.sleep(0.3)
    tell(headway, "channel.missing", "slack")
    tell(headway, "delivery.requested", "del_1", service="other")
    tell(headway, "delivery.requested", "del_2", service="shop")
    assert client.told()["data"]["subject"] == "del_2"
    assert page.told()["data"] == {"seq": base + 3}
    for one in (client, page):
        one.close()
    for path, who, status in (
        ("events", "nobody", 401),
        ("events", "nothing", 403),
        ("live?on=all", "nobody", 401),
        ("live?on=service:other", "shop", 404),
        ("live?on=rollout:rol_1", "admin", 404),
        ("live?on=run:run_1", "admin", 404),
        ("live?on=run:../../etc", "admin", 400),
        ("live?on=run:%00", "admin", 422),
        ("live?on=weather:fine", "admin", 400),
        ("live?on=all&after=-1", "admin", 400),
        ("live?on=all&after=%D9%A3", "admin", 400),
        ("live", "admin", 422),
        ("live?" + "&".join(f"on=service:s{n}" for n in range(21)), "admin", 422),
    ):
        refused = Client(served, f"/{path}", who=who)
        assert refused.answer.status_code == status, (path, who)
        assert refused.answer.headers["content-type"] == "application/problem+json"
        refused.close()


@pytest.mark.parametrize("last", ["", "x", "-1", "1e3", "9" * 30, "٣"])
def test_a_hostile_position_is_refused_or_none(served: Api, last: str) -> None:
    headers = served.bearer("admin") | {"accept": "text/event-stream"}
    raw = {**headers, "last-event-id": last}.items()
    with httpx.Client(trust_env=False, timeout=5) as http:
        sent = [(k.encode(), v.encode()) for k, v in raw]
        with http.stream("GET", served.url + "/events", headers=sent) as answer:
            assert answer.status_code == (200 if not last else 400)


def test_a_token_that_is_taken_back_ends_its_streams_and_no_other(served: Api) -> None:
    headway = served.headway
    ends, stays = (
        Client(served, "/events", who="viewer"),
        Client(served, "/events"),
    )
    served.take_back("viewer")
    began = time.monotonic()
    while "event" not in (said := ends.told()):
        pass
    assert (said["event"], said["data"]["because"]) == ("end", "revoked")
    assert time.monotonic() - began < 15
    tell(headway, "delivery.requested", "del_1", service="shop")
    assert [stays.told()["data"]["subject"] for _ in "12"][1] == "del_1"
    for one in (ends, stays):
        one.close()


def test_a_server_that_ends_says_so(served: Api) -> None:
    application = served.house.application
    client = Client(served, "/events")
    application.state.leaving = lambda: True
    assert client.told()["data"]["because"] == "leaving"
    client.close()


def test_silence_is_broken_by_heartbeats(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "HEARTBEAT_SECONDS", 0.1)
    for path in ("events", "live?on=all"):
        client = Client(served, f"/{path}")
        assert [client.next() for _ in range(3)] == [{}] * 3
        client.close()


def test_a_client_that_takes_nothing_is_let_go_and_holds_up_nobody(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    headway = served.headway
    application = app(headway, "t")  # of another event loop than the one that serves
    monkeypatch.setattr(followers, "MOST_WAITING", 20)
    monkeypatch.setattr(followers, "STUCK_SECONDS", 0.3)
    monkeypatch.setattr(live, "LEAVE_SECONDS", 0.2)
    stuck: list[dict[str, Any]] = []
    token = served.bearer("admin")["authorization"].encode()
    scope = {
        "type": "http", "method": "GET", "path": "/api/v1/events", "query_string": b"",
        "headers": [(b"authorization", token), (b"accept", b"text/event-stream"),
                    (b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "scheme": "http", "root_path": "",
        "http_version": "1.1", "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip

    async def send(message: Any) -> None:
        stuck.append(message)
        if len(stuck) == 3:
            await asyncio.sleep(3600)

    async def receive() -> Any:
        await asyncio.sleep(3600)

    async def both() -> None:
        task = asyncio.create_task(application(scope, receive, send))
        while len(stuck) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        for number in range(60):
            await asyncio.to_thread(tell, headway, "gates.judged", "del_1", number, service="shop")
            if number in {0, 50}:
                await asyncio.sleep(0.8)
        await asyncio.wait_for(task, 10)

    quick = Client(served, "/events", last=served.seq)
    asyncio.run(both())
    assert len(stuck) == 3
    assert [quick.told()["data"]["data"]["n"] for _ in range(60)] == list(range(60))
    quick.close()


def test_a_gone_client_is_forgotten(served: Api) -> None:
    application = served.house.application
    host, port = served.house.address.removeprefix("http://").split(":")
    hub = application.state.hub
    with socket.create_connection((host, int(port))) as link:
        link.sendall(
            b"GET /api/v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n"
            b"authorization: %s\r\n\r\n" % served.bearer("admin")["authorization"].encode()
        )
        assert b"retry" in link.recv(4096) + link.recv(4096)
        assert len(hub) == 1
    deadline = time.monotonic() + 10
    while len(hub):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_more_follow_than_there_is_room_for(
    served: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_FOLLOWERS", 1)
    first = Client(served, "/events")
    for path in ("/events", "/live?on=all"):
        refused = Client(served, path)
        assert refused.answer.status_code == 429
        assert int(refused.answer.headers["retry-after"]) >= 1
        refused.close()
    first.close()
