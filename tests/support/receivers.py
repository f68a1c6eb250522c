"""What receives messages in the tests: a recording HTTP server, a mail server, an Alertmanager."""

import json
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Taken:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpReceiver:
    """Answers with `status` (and `location`), or, if it is to hang, not before the end."""

    url: str = ""
    status: int = 200
    location: str = ""
    taken: list[Taken] = field(default_factory=list)
    hang: threading.Event = field(default_factory=threading.Event)
    hanging: bool = False


@contextmanager
def http_receiver() -> Iterator[HttpReceiver]:
    receiver = HttpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            headers = {k.lower(): v for k, v in self.headers.items()}
            receiver.taken.append(Taken(self.path, headers, self.rfile.read(length)))
            if receiver.hanging:
                receiver.hang.wait(60)
                return
            self.send_response(receiver.status)
            if receiver.location:
                self.send_header("location", receiver.location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.hang.set()
        server.shutdown()
        server.server_close()


@dataclass
class MailReceiver:
    """A real SMTP server; `answer` is what it says to a mail."""

    port: int = 0
    answer: str = "250 OK"
    raw: list[bytes] = field(default_factory=list)
    receivers: list[list[str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)

    @property
    def mails(self) -> list[EmailMessage]:
        read = [message_from_bytes(r, policy=policy.default) for r in self.raw]
        return [m for m in read if isinstance(m, EmailMessage)]

    async def handle_DATA(  # noqa: N802 the server calls it so
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        if self.answer.startswith("250"):
            self.raw.append(envelope.content)
            self.receivers.append(envelope.rcpt_tos)
        return self.answer


@contextmanager
def mail_receiver(
    *, certificate: tuple[Path, Path] | None = None, password: str = ""
) -> Iterator[MailReceiver]:
    """With a certificate it offers STARTTLS; with a password it insists on a login (after it)."""
    receiver = MailReceiver(port=free_port())
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)

    def login(_server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        receiver.logins.append(data.login.decode())
        return AuthResult(success=data.password.decode() == password, handled=False)

    controller = Controller(
        receiver,
        hostname="127.0.0.1",
        port=receiver.port,
        tls_context=tls,
        require_starttls=tls is not None,
        authenticator=login if password else None,
        auth_required=bool(password),
    )
    controller.start()
    try:
        yield receiver
    finally:
        controller.stop()


@contextmanager
def alertmanager(config: str = "") -> Iterator[str]:
    """The root URL of a real Alertmanager of Debian; skips where there is none."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("no Alertmanager installed: apt-get install prometheus-alertmanager")
    folder = Path(tempfile.mkdtemp(prefix="hwam"))
    (folder / "am.yml").write_text(config or "route: {receiver: none}\nreceivers: [{name: none}]\n")
    port = free_port()
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [program, f"--config.file={folder / 'am.yml'}", f"--storage.path={folder / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
        stdout=log, stderr=log,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{url}/-/ready", folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(30)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def known_alerts(url: str) -> list[dict[str, Any]]:
    """What the Alertmanager holds as active."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


def _wait(url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"no Alertmanager: {log.read_text()}")
