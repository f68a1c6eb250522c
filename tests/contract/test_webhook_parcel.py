"""One POST to receivers as they are: private addresses, redirects, slow and dead ones, TLS."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.receivers import HttpReceiver, free_port, http_receiver

from headway.adapters.webhook import parcel as adapter
from headway.model.webhook import Answer, Parcel


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as made:
        yield made


def send(url: str, *, private: bool = True, seconds: float = 5.0) -> Answer:
    return adapter.send(Parcel(url, {"webhook-id": "dlv_1"}, b'{"a": 1}', private), seconds)


def test_a_parcel_arrives_as_it_is(receiver: HttpReceiver) -> None:
    assert send(f"{receiver.url}/in?token=a%20b") == Answer(200)
    (taken,) = receiver.taken
    assert (taken.path, taken.body) == ("/in?token=a%20b", b'{"a": 1}')
    assert taken.headers["webhook-id"] == "dlv_1"
    assert taken.headers["host"] == receiver.url.removeprefix("http://")


@pytest.mark.parametrize("status", [204, 400, 410, 500])
def test_statuses(receiver: HttpReceiver, status: int) -> None:
    receiver.status = status
    assert send(receiver.url).status == status


def test_redirects_are_not_followed(receiver: HttpReceiver) -> None:
    receiver.status, receiver.location = 302, f"{receiver.url}/other"
    assert send(receiver.url).status == 302
    assert len(receiver.taken) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"])
def test_private_addresses_are_refused_when_connecting(receiver: HttpReceiver, host: str) -> None:
    port = receiver.url.rpartition(":")[2]
    answer = send(f"http://{host}:{port}/", private=False)
    assert answer.status == 0
    assert "is a loopback address" in answer.error
    assert receiver.taken == []


def test_a_name_that_changes_its_mind_gets_nothing(
    receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked once; what was checked is connected to, whatever the name says the next time."""
    port = int(receiver.url.rpartition(":")[2])
    asked: list[str] = []

    def resolve(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        address = "203.0.113.7" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    connected: list[object] = []

    class Wire(socket.socket):
        def connect(self, where: object) -> None:
            connected.append(where)
            raise ConnectionRefusedError

    monkeypatch.setattr(adapter.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(adapter.socket, "socket", Wire)
    monkeypatch.setattr(adapter, "why_not", lambda ip: "a loopback address" * ip.startswith("127"))
    assert send("http://rebind.example/", private=False).error == "nobody listens there"
    assert asked == ["rebind.example"]
    assert connected == [("203.0.113.7", port)]


def test_of_several_addresses_only_public_ones_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("10.0.0.1", "127.0.0.1")
    ]
    monkeypatch.setattr(adapter.socket, "getaddrinfo", lambda *_, **__: found)
    answer = send("http://both.example/", private=False)
    assert answer.error == "its name resolves to 10.0.0.1, which is a private address"


def test_nobody_there() -> None:
    assert send(f"http://127.0.0.1:{free_port()}/").error == "nobody listens there"
    assert send("http://nobody.invalid/").error == "its name does not resolve"


@contextmanager
def talking(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server of one connection that does as it likes."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            wire, _ = listener.accept()
            with wire:
                wire.settimeout(20)
                try:
                    talk(wire, over)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        over.set()
        thread.join(20)
        assert not thread.is_alive()


def test_who_drips_is_cut_off() -> None:
    def drip(wire: socket.socket, over: threading.Event) -> None:
        wire.recv(9000)
        while not over.wait(0.1):
            wire.sendall(b"H")

    with talking(drip) as url:
        assert send(url, seconds=0.6).error == "no answer within 0.6 s"


def test_who_says_nothing_is_cut_off() -> None:
    def silent(wire: socket.socket, over: threading.Event) -> None:
        wire.recv(9000)
        over.wait(20)

    with talking(silent) as url:
        assert send(url, seconds=0.5).error == "no answer within 0.5 s"


def test_an_endless_answer_is_read_a_little() -> None:
    sent: list[int] = []

    def endless(wire: socket.socket, over: threading.Event) -> None:
        wire.recv(9000)
        wire.sendall(b"HTTP/1.1 200 OK\r\nretry-after: 7\r\n\r\n")
        while not over.is_set():
            sent.append(wire.send(b"x" * 4096))

    with talking(endless) as url:
        assert send(url) == Answer(200, retry_after=7.0)
    assert sum(sent) < 64 << 20


@pytest.mark.parametrize(
    "said",
    [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 999],
)
def test_what_is_not_http_is_no_answer(said: bytes) -> None:
    def talk(wire: socket.socket, _over: threading.Event) -> None:
        wire.recv(9000)
        wire.sendall(said)

    with talking(talk) as url:
        answer = send(url)
    assert answer.status == 0
    assert answer.error


def certificate(folder: Path) -> tuple[Path, Path]:
    """Self-signed, for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    secret.write_bytes(private)
    return cert, secret


def secure(context: ssl.SSLContext) -> Callable[[socket.socket, threading.Event], None]:
    def talk(wire: socket.socket, _over: threading.Event) -> None:
        with context.wrap_socket(wire, server_side=True) as inner:
            came = b""
            while not came.endswith(b"}"):
                came += inner.recv(9000)
            inner.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")

    return talk


def test_tls_with_a_trusted_certificate_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with talking(secure(context)) as url:
        port = url.rpartition(":")[2]
        assert "certificate is not trusted" in send(f"https://localhost:{port}").error
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    with talking(secure(context)) as url:
        port = url.rpartition(":")[2]
        assert send(f"https://localhost:{port}").status == 202
    with talking(secure(context)) as url:
        port = url.rpartition(":")[2]
        assert "certificate is not trusted" in send(f"https://127.0.0.1:{port}").error
    with talking(lambda wire, _over: wire.recv(9000) and None) as url:
        port = url.rpartition(":")[2]
        assert send(f"https://localhost:{port}").error
