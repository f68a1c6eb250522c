"""What is refused at the API's door has one form wherever it happens; odd positions of streams, odd
headers and the character NUL are refusals, never faults, on both databases.
"""

import json
import random
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from tests.support.api import Api, api
from tests.support.postgres import postgres

from headway.api.problems import TYPE
from headway.model.errors import Invalid
from headway.store import database

LOGS = "/api/v1/runs/run_1/jobs/a/logs"
STREAM = {"accept": "text/event-stream"}
HELD = [n for n in range(33, 256) if n != 127]
"""Bytes of a header's value."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api(tmp_path_factory.mktemp("refusals") / "h") as made:
        yield made


def ask(served: Api, method: str, path: str, **headers: str) -> httpx.Response:
    """As an administrator, at an address of the whole server."""
    sent = served.bearer("admin") | {k.replace("_", "-"): v for k, v in headers.items()}
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.request(method, served.house.address + path, headers=sent)


def wire(served: Api, head: bytes) -> bytes:
    """The answer to these very bytes behind the request line and the token."""
    host, port = served.house.address.removeprefix("http://").split(":")
    token = served.bearer("admin")["authorization"].encode()
    with socket.create_connection((host, int(port)), timeout=10) as link:
        try:
            link.sendall(head.replace(b"HEAD", b"authorization: " + token + b"\r\nhost: localhost"))
            return b"".join(iter(lambda: link.recv(65536), b""))
        except ConnectionError:
            return b""


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "code"),
    [
        ("GET", "/api", {}, 404, "unknown-address"),
        ("POST", "/api/", {}, 404, "unknown-address"),
        ("GET", "/api/v1", {}, 404, "unknown-address"),
        ("GET", "/api/v1/", {}, 404, "unknown-address"),
        ("PUT", "/api/v2/services", {}, 404, "unknown-address"),
        ("GET", "/api/v2/services", {"accept": "text/html"}, 404, "unknown-address"),
        ("GET", "/api/v1/services/", {}, 404, "unknown-address"),
        ("GET", "/api/v1/services/%0Ax", {}, 404, "unknown-address"),
        ("DELETE", "/api/v1/services", {}, 405, "method"),
        ("GET", "/api/v1/line/commands", {}, 405, "method"),
        ("POST", LOGS, {}, 405, "method"),
        ("GET", LOGS, {}, 404, "unknown-run"),
        ("GET", LOGS, {"authorization": "Bearer x"}, 401, "token"),
        ("GET", "/live?on=all", {"authorization": "Bearer x"}, 401, "login"),
        ("GET", "/live?on=x", {}, 400, "bad-topic"),
        ("GET", "/api/v1/services", {"host": "evil.example"}, 421, "permission"),
        ("POST", "/api/v1/line/commands", {"origin": "http://evil.example"}, 403, "permission"),
    ],
)
def test_every_refusal_has_one_form_and_the_requests_id(
    served: Api, method: str, path: str, more: dict[str, str], status: int, code: str
) -> None:
    answer = ask(served, method, path, **more, x_request_id="mine-1")
    assert (answer.status_code, answer.headers["content-type"]) == (status, TYPE), answer.text
    said = answer.json()
    assert (said["code"], said["status"], said["request_id"]) == (code, status, "mine-1")
    assert answer.headers["x-request-id"] == "mine-1"
    if status == 405:
        takes = {"/api/v1/services": "GET", "/api/v1/line/commands": "POST", LOGS: "GET, HEAD"}
        assert answer.headers["allow"] == takes[path]


def test_a_repository_may_be_called_like_the_api(served: Api) -> None:
    served.headway.hosting.create("api")
    for name in ("api", "api-shop"):
        answer = ask(served, "GET", f"/{name}.git/info/refs?service=git-upload-pack")
        assert answer.headers["content-type"] != TYPE
    assert ask(served, "GET", "/api.git/info/refs").status_code == 403


def odd_positions(seed: int) -> Iterator[bytes]:
    """Bytes that a header can hold and that are no position."""
    dice = random.Random(seed)
    yield from (b"x", b"-1", b"+1", b"1.0", b"1e3", b"0x1", b"1_000", b"1, 2", b"9" * 19)
    yield from (b"9" * 5000, "٣".encode(), "²".encode(), b"1\t1", b'"1"', b"null", b"'; drop")
    for _ in range(8):
        yield bytes(dice.choice(HELD) for _ in range(dice.randint(1, 60))) + b"x"


def test_a_position_that_is_none_is_refused_at_every_stream(served: Api) -> None:
    streams = (b"/api/v1/events", b"/api/v1/live?on=all", b"/live?on=all")
    for stream in streams:
        for odd in odd_positions(1):
            head = b"GET " + stream + b" HTTP/1.1\r\nHEAD\r\naccept: text/event-stream\r\n"
            answer = wire(
                served, head + b"connection: close\r\nlast-event-id: " + odd + b"\r\n\r\n"
            )
            assert answer.startswith(b"HTTP/1.1 400"), (stream, odd, answer[:300])
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "bad-position"


@pytest.mark.parametrize("last", ["0", "000", "9" * 18])
def test_a_position_that_is_far_off_is_where_the_log_is(served: Api, last: str) -> None:
    headers = served.bearer("admin") | STREAM | {"last-event-id": last}
    with (
        httpx.Client(trust_env=False, timeout=10) as client,
        client.stream("GET", served.url + "/events", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        next(lines)
        first = next(lines) if int(last) == 0 else "id: 1"
        assert first == "id: 1"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/events?after=1&after=2", 422),
        ("/api/v1/events?kind=%FF%FE", 200),
        ("/api/v1/events?" + "&".join(f"x{n}=1" for n in range(2000)), 422),
        ("/api/v1/events?kind=" + "a" * 50_000, 422),
        ("/api/v1/events?limit=1%00", 422),
        ("/api/v1/events?=&&;=;", 422),
        ("/api/v1/live?on=rollout:" + "a" * 50_000, 404),
        ("/api/v1/live?on=%FF", 400),
        ("/api/v1/live?on=run:%2e%2e", 400),
        ("/api/v1/live?on=rollout:%00", 422),
    ],
)
def test_odd_parameters_have_an_answer(served: Api, path: str, status: int) -> None:
    answer = ask(served, "GET", path)
    assert answer.status_code == status, answer.text[:300]
    assert status == 200 or answer.headers["content-type"] == TYPE


@pytest.mark.parametrize(
    "more",
    [
        b"x-big: " + b"y" * 2_000_000,
        b"\r\n".join(b"x-%d: y" % n for n in range(50_000)),
        b"x-open: never ended " * 100_000,
        b"last-event-id: \x00\x01",
        b"content-length: -1",
        b"content-length: 1\r\ncontent-length: 2",
        b"transfer-encoding: chunked, chunked",
        b"no colon",
        b"accept\x80: x",
    ],
)
def test_headers_that_are_too_large_or_broken_end_there_and_nobody_else(
    served: Api, more: bytes
) -> None:
    for line in (b"GET /api/v1/events HTTP/1.1", b"POST /api/v1/line/commands HTTP/1.1"):
        answer = wire(served, line + b"\r\nHEAD\r\nconnection: close\r\n" + more + b"\r\n\r\n")
        assert answer[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 431"}, answer[:200]
    assert ask(served, "GET", "/api/v1/me").status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/line/commands", {"command": "stop", "reason": "a\0b"}),
        ("/line/commands", {"command": "stop", "reason": "\\u0000", "service": "\0"}),
        ("/accounts", {"name": "ci", "kind": "user", "email": "a\0b"}),
        ("/runs", {"repository": "shop", "workflow": "a.yml", "inputs": {"a\0": "1"}}),
        ("/tokens", {"account": "viewer", "name": "t", "allows": ["viewer", "\0"]}),
    ],
)
def test_a_body_with_nul_is_refused(served: Api, path: str, body: dict[str, Any]) -> None:
    answer = served.post(path, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "nul"), answer.text


def test_what_only_looks_like_nul_is_no_nul(served: Api) -> None:
    told = served.post("/line/commands", {"command": "stop", "reason": r"\u0000"})
    assert (told.status_code, told.json()["reason"]) == (202, r"\u0000")


@pytest.mark.parametrize("path", ["/releases/%00", "/releases/a%00b", "/approvals/%00/%00"])
def test_nothing_has_nul_in_its_name(served: Api, path: str) -> None:
    answer = served.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-name")


def test_postgres_says_that_it_keeps_no_nul() -> None:
    """Else whatever comes by another door, as a form of a page, would be a fault."""
    with postgres() as url:
        engine = database.connect(url)
        with engine.connect() as connection, pytest.raises(Invalid) as refused:
            connection.execute(sa.text("SELECT :a"), {"a": "x\0y"})
        with engine.connect() as connection:
            assert connection.execute(sa.text("SELECT :a"), {"a": "x"}).scalar() == "x"
        engine.dispose()
    assert refused.value.code == "nul"


def test_an_account_is_changed_only_as_it_was_read(served: Api) -> None:
    """If-Match holds there too."""
    assert served.post("/accounts", {"name": "bot", "kind": "service"}).status_code == 201
    tag = served.get("/accounts/bot").headers["etag"]
    grant = {"command": "grant", "role": "viewer"}
    assert served.post("/accounts/bot/commands", grant, **{"if-match": tag}).status_code == 202
    other = {"command": "grant", "role": "admin"}
    late = served.post("/accounts/bot/commands", other, **{"if-match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "changed")
    grants = served.get("/accounts/bot").json()["grants"]
    assert [g["role"] for g in grants] == ["viewer"]
