"""Webhooks whose bodies and headers are cut, flipped, badly encoded, too large or half sent, with
right and wrong signatures: never a fault, never an event by a wrong one, and the server goes on.
"""

import gzip
import hashlib
import random
import socket
from collections.abc import Iterator

import httpx
import pytest
from tests.e2e.test_webhooks import FORGES, KIND_NAMES, Server, headers, push_to, running
from tests.support.forges import SHA
from tests.unit.pipeline_trigger import forge_payloads as sent

from headway.pipeline.trigger.hooks import KINDS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("bodies") / "home", "/nowhere") as made:
        yield made


def whole(kind: str) -> bytes:
    """What the kind sends when all is well."""
    if kind == "registry":
        return sent.raw(sent.registry(sent.manifest()))
    return sent.raw(push_to(kind, None, SHA))  # type: ignore[arg-type]


def mangled(body: bytes, dice: random.Random) -> Iterator[bytes]:
    """The body as bad wires, proxies and attackers would have it."""
    for _ in range(2):
        yield body[: dice.randrange(len(body))]
    for _ in range(2):
        at = dice.randrange(len(body))
        yield body[:at] + bytes([body[at] ^ 1 << dice.randrange(8)]) + body[at + 1 :]
    text = body.decode()
    yield from (text.encode("utf-16"), text.encode("utf-32-le"), b"\xef\xbb\xbf" + body)
    yield from (gzip.compress(body), body + body, body + b"\0", b"\0" + body, body[::-1])
    yield from (body.replace(b"main", b"\xc3\x28"), body.replace(b"main", b"\xed\xa0\x80"))
    yield from (body.replace(b"main", b"\\u0000"), body.replace(b"main", b"\\ud800"))
    yield from (body.replace(b"main", b"x" * 300_000), body.replace(b"{", b'{"a":1e999,', 1))
    yield body.replace(b"{", b'{"a":' + b"9" * 5000 + b",", 1)


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_mangled_body_has_a_reason_and_by_a_wrong_signature_none(
    server: Server, kind: str
) -> None:
    body = whole(kind)
    before = len(server.seen())
    for odd in mangled(body, random.Random(kind)):
        wrong = server.post(kind, odd, headers(kind, odd, secret="wrong"))
        assert wrong.status_code == 401, (kind, odd[:200])
    assert len(server.seen()) == before
    for n, odd in enumerate(mangled(body, random.Random(kind))):
        digest = hashlib.sha256(odd).hexdigest()[:8]
        answer = server.post(kind, odd, headers(kind, odd, delivery=f"{kind}-{n}-{digest}"))
        assert answer.status_code in {200, 202, 400}, (answer.status_code, odd[:200])
        assert answer.json()["status"] in {"accepted", "known", "ignored", "refused"}
        assert answer.status_code != 400 or len(answer.json()["because"]) > 10


@pytest.mark.parametrize("kind", FORGES)
def test_odd_signatures_are_wrong_ones(server: Server, kind: str) -> None:
    body = whole(kind)
    good = headers(kind, body)
    name = KINDS[kind].signatures[0]
    before = len(server.seen())
    proof = good[name].encode()
    odd = (b"\xff" * 64, b"sha256=" + b"\xc3\xa9" * 32, proof.upper() + b"x", b"9" * 30_000)
    for signature in (*odd, proof[:-1] + b"\xaa", b"=" + proof, b"sha256=sha256=" + proof):
        sending = {k: v.encode() for k, v in good.items()} | {name: signature}
        answer = server.post(kind, body, sending)  # type: ignore[arg-type]
        assert answer.status_code == 401, (signature[:80], answer.text)
    twice = [(k.encode(), v.encode()) for k, v in good.items() if k != name]
    twice += [(name.encode(), b"wrong"), (name.encode(), proof)]
    with httpx.Client(trust_env=False, timeout=30) as client:
        url = f"{server.address}/hooks/{kind}/{kind}"
        seen = client.post(url, content=body, headers=twice).status_code
    # whichever counts, it is one that is proven
    assert (seen, len(server.seen())) in {(401, before), (202, before + 1), (200, before)}


def half(server: Server, head: bytes, body: bytes) -> bytes:
    """The answer to a sender that stops in the middle and hangs up."""
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as link:
        link.sendall(b"POST /hooks/github/github HTTP/1.1\r\nhost: localhost\r\n" + head + body)
        link.shutdown(socket.SHUT_WR)
        try:
            return link.recv(65536)
        except ConnectionError:
            return b""


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"content-length: 5000\r\n\r\n", b'{"ref": "refs/heads/main"'),
        (b"transfer-encoding: chunked\r\n\r\n", b'20\r\n{"ref": "refs/'),
        (b"transfer-encoding: chunked\r\n\r\n", b"zz\r\n{}\r\n0\r\n\r\n"),
        (b"transfer-encoding: chunked\r\n\r\n", b"-5\r\n{}\r\n0\r\n\r\n"),
        (b"content-length: 99999999999999999999\r\n\r\n", b"{}"),
        (b"content-length: 2\r\ncontent-length: 3\r\n\r\n", b"{}x"),
        (b"content-length: two\r\n\r\n", b"{}"),
        (b"expect: 100-continue\r\ncontent-length: 26214401\r\n\r\n", b""),
    ],
)
def test_a_body_that_is_half_sent_stores_nothing(server: Server, head: bytes, part: bytes) -> None:
    before = len(server.seen())
    answer = half(server, head, part)
    assert answer[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 413"}, answer[:200]
    assert len(server.seen()) == before
    body = whole("github")
    assert server.post("github", body, headers("github", body)).status_code in {200, 202}
