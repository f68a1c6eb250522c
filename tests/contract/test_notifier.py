"""What every Notifier promises, asked of all four against real local servers."""

import datetime
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.receivers import (
    HttpReceiver,
    MailReceiver,
    alertmanager,
    free_port,
    http_receiver,
    known_alerts,
    mail_receiver,
)

from headway.adapters.webhook.notifier import signature
from headway.adapters.webhook.slack import escape
from headway.model.alert import Message
from headway.model.connection import Connection
from headway.model.errors import HeadwayError, Refused, Unreachable
from headway.ports.notifier import Notifier

KINDS = ("alertmanager", "email", "slack", "webhook")
HTTP = ("alertmanager", "slack", "webhook")
SECRET = "T0PSECRET"
MAIL = {"from": "headway@example.com", "to": "ana@example.com, Bo <bo@example.com>"}
MESSAGE = Message(
    key="alr_1/1/fired",
    thread="alr_1",
    title="PAGE shop/production: shop-2 was rolled back",
    text="rollout_failed (3x): too many errors\nheadway alert ack alr_1",
    severity="page",
    resolved=False,
    at=0.0,
    fields={"service": "shop", "environment": "production", "release": "shop-2", "empty": ""},
)
HOSTILE = "<!channel> @here & <http://evil|ok>\r\nBcc: evil@example.com\r\n\r\ninjected \x1b[31m"


def now(**changes: object) -> Message:
    return replace(MESSAGE, **{"at": time.time(), **changes})  # type: ignore[arg-type]


def build(kind: str, url: str, **options: str) -> Notifier:
    (found,) = [e for e in entry_points(group="headway.notifiers") if e.name == kind]
    given = (MAIL | {"starttls": "off"} if kind == "email" else {}) | options
    notifier: Notifier = found.load()(Path("/nowhere"), Connection("ops", kind, url, given))
    return notifier


@dataclass
class Channel:
    """A notifier and what arrived: (title and text in one, key, thread)."""

    notifier: Notifier
    arrived: Callable[[], list[tuple[str, str, str]]]


@contextmanager
def channel(kind: str) -> Iterator[Channel]:
    with ExitStack() as stack:
        if kind == "email":
            mail = stack.enter_context(mail_receiver())
            yield Channel(build(kind, f"smtp://127.0.0.1:{mail.port}"), lambda: letters(mail))
        elif kind == "alertmanager":
            url = stack.enter_context(alertmanager())
            yield Channel(build(kind, url), lambda: held(url))
        else:
            http = stack.enter_context(http_receiver())
            yield Channel(build(kind, f"{http.url}/{SECRET}"), lambda: posts(kind, http))


def letters(mail: MailReceiver) -> list[tuple[str, str, str]]:
    return [
        (f"{m['Subject']}\n{m.get_content()}", m["Message-ID"], m["References"]) for m in mail.mails
    ]


def posts(kind: str, http: HttpReceiver) -> list[tuple[str, str, str]]:
    if kind == "slack":
        return [(t.json["text"], "", "") for t in http.taken]
    return [
        (f"{t.json['title']}\n{t.json['text']}", t.headers["idempotency-key"], t.json["thread"])
        for t in http.taken
    ]


def held(url: str) -> list[tuple[str, str, str]]:
    return [
        (
            f"{a['annotations']['summary']}\n{a['annotations']['description']}",
            a["fingerprint"],
            a["labels"]["alert"],
        )
        for a in known_alerts(url)
    ]


def eventually(ask: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_four_kinds_are_installed_by_their_names() -> None:
    assert {e.name for e in entry_points(group="headway.notifiers")} >= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_arrives_whole_and_a_repetition_carries_the_same_key(kind: str) -> None:
    with channel(kind) as under_test:
        message = now()
        under_test.notifier.send(message)
        under_test.notifier.send(message)
        eventually(lambda: bool(under_test.arrived()))
        found = under_test.arrived()
        for text, _, _ in found:
            assert message.title in text
            assert "too many errors" in text
        assert len({key for _, key, _ in found}) == 1
        assert len(found) == (1 if kind == "alertmanager" else 2)


@pytest.mark.parametrize("kind", ["alertmanager", "email", "webhook"])
def test_all_messages_of_one_alert_are_one_thread(kind: str) -> None:
    with channel(kind) as under_test:
        under_test.notifier.send(now())
        under_test.notifier.send(now(key="alr_1/2/reminded", title="STILL OPEN"))
        eventually(lambda: any("STILL OPEN" in text for text, _, _ in under_test.arrived()))
        assert len({thread for _, _, thread in under_test.arrived()}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_stays_text(kind: str) -> None:
    with channel(kind) as under_test:
        message = now(title=HOSTILE, text=HOSTILE, fields={"commit": HOSTILE})
        under_test.notifier.send(message)
        eventually(lambda: bool(under_test.arrived()))
        ((text, _, _),) = under_test.arrived()
        assert "injected" in text
        if kind == "slack":
            assert "<" not in text
            assert "@here" not in text
            assert "&lt;!channel&gt;" in text


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_there_is_unreachable_and_no_secret_is_told(kind: str) -> None:
    scheme = "smtp" if kind == "email" else "http"
    notifier = build(kind, f"{scheme}://u:{SECRET}@127.0.0.1:{free_port()}/{SECRET}")
    with pytest.raises(Unreachable) as caught:
        notifier.send(now())
    assert_silent(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_who_never_answers_is_unreachable_in_time(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = "email.notifier" if kind == "email" else "webhook.post"
    monkeypatch.setattr(f"headway.adapters.{sender}.TIMEOUT_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        notifier = build(kind, f"{'smtp' if kind == 'email' else 'http'}://127.0.0.1:{port}/")
        begun = time.monotonic()
        with pytest.raises(Unreachable):
            notifier.send(now())
        assert time.monotonic() - begun < 30


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "", "host"])
def test_an_address_of_another_kind_is_refused(kind: str, url: str) -> None:
    with pytest.raises(Refused):
        build(kind, url).send(now())


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, Refused), (401, Refused), (404, Refused), (410, Refused),
     (408, Unreachable), (429, Unreachable), (500, Unreachable), (503, Unreachable)],
)  # fmt: skip
def test_an_answer_says_whether_trying_again_makes_sense(
    kind: str, status: int, expected: type[HeadwayError]
) -> None:
    with http_receiver() as http:
        http.status = status
        with pytest.raises(HeadwayError) as caught:
            build(kind, f"{http.url}/{SECRET}").send(now())
    assert type(caught.value) is expected
    assert_silent(caught.value)


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_not_followed(kind: str, status: int) -> None:
    with http_receiver() as http, http_receiver() as elsewhere:
        http.status, http.location = status, f"{elsewhere.url}/{SECRET}"
        with pytest.raises(Refused) as caught:
            build(kind, http.url).send(now())
        assert elsewhere.taken == []
    assert_silent(caught.value)


def assert_silent(error: BaseException) -> None:
    shown = [str(error), repr(error), *(str(a) for a in error.args)]
    assert error.__cause__ is None
    assert all(SECRET not in text and "127.0.0.1" not in text for text in shown)


def test_a_webhook_is_signed_over_its_time_and_body() -> None:
    with http_receiver() as http:
        build("webhook", http.url, secret="s3").send(now())
        build("webhook", http.url).send(now())
        signed, plain = http.taken
    stamp = signed.headers["headway-timestamp"]
    assert abs(time.time() - int(stamp)) < 120
    assert signed.headers["headway-signature"] == signature("s3", stamp, signed.body)
    assert signed.headers["headway-signature"] != signature("s3", str(int(stamp) + 1), signed.body)
    assert "headway-signature" not in plain.headers
    assert signed.json["version"] == 1
    assert signed.json["fields"]["release"] == "shop-2"


def test_the_signature_is_what_openssl_computes(tmp_path: Path) -> None:
    (tmp_path / "signed").write_bytes(b"17.{}")
    command = ["openssl", "dgst", "-sha256", "-hmac", "Jefe", "-r", str(tmp_path / "signed")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert signature("Jefe", "17", b"{}") == f"sha256={done.stdout.split()[0]}"


def test_slack_gets_blocks_and_a_plain_text() -> None:
    with http_receiver() as http:
        build("slack", http.url).send(now(text="x" * 9000))
        document = http.taken[0].json
    assert [b["type"] for b in document["blocks"]] == ["header", "section", "section"]
    assert all(len(b["text"]["text"]) <= 3000 for b in document["blocks"])
    assert "*release*: shop-2" in document["blocks"][2]["text"]["text"]
    assert escape("a & b <c>") == "a &amp; b &lt;c&gt;"


LINK = "https://headway.example.com/rollouts/rol_1"


def test_a_link_can_be_followed_in_every_channel_that_shows_one() -> None:
    with http_receiver() as http, mail_receiver() as mail:
        build("slack", http.url).send(now(link=LINK))
        build("webhook", http.url).send(now(link=LINK))
        build("email", f"smtp://127.0.0.1:{mail.port}").send(now(link=LINK))
        slack, hook = (t.json for t in http.taken)
        (letter,) = mail.mails
    shown = f"<{LINK}|Open in Headway>"
    assert slack["blocks"][-1]["text"]["text"] == shown
    assert slack["text"].endswith(shown)
    assert hook["link"] == LINK
    plain, page = letter.iter_parts()
    assert LINK in plain.get_content().splitlines()
    assert f'<a href="{LINK}">Open in Headway</a>' in page.get_content()


def test_a_hostile_notice_is_text_in_slack_and_in_both_parts_of_a_mail() -> None:
    bad = '<script>x</script><a href="http://evil">x</a> <!channel> \r\nBcc: evil@example.com'
    links = [
        'https://h.example/"><script>',
        "https://h.example/>|<!channel>",
        "javascript:alert(1)",
    ]
    with http_receiver() as http, mail_receiver() as mail:
        for link in links:
            sent = now(title=bad, text=bad, fields={"commit": bad}, link=link, key=link)
            build("slack", http.url).send(sent)
            build("email", f"smtp://127.0.0.1:{mail.port}").send(sent)
        texts = [text for t in http.taken for text in marked_up(t.json)]
        letters = mail.mails
    for text in texts:
        assert "<!channel>" not in text
        assert "<script" not in text
        assert "javascript" not in text
    assert len(letters) == len(links)
    for letter in letters:
        assert letter["Bcc"] is None
        parts = [letter] if letter.get_content_type() == "text/plain" else [*letter.iter_parts()]
        html = "".join(p.get_content() for p in parts if p.get_content_type() == "text/html")
        assert "<script" not in html
        assert 'href="javascript' not in html
        assert html.count("<a ") == (0 if not html else 1)


def marked_up(document: dict[str, Any]) -> list[str]:
    """All texts of a Slack message in which `<` begins something; a header's is plain."""
    texts = [b["text"] for b in document["blocks"]]
    return [document["text"], *(t["text"] for t in texts if t["type"] == "mrkdwn")]


def test_alertmanager_ends_what_is_resolved_and_the_severity_left_behind() -> None:
    with alertmanager() as url:
        notifier = build("alertmanager", url)

        def severities() -> list[str]:
            return sorted(a["labels"]["severity"] for a in known_alerts(url))

        notifier.send(now(severity="ticket"))
        eventually(lambda: severities() == ["ticket"])
        notifier.send(now(severity="page", key="alr_1/2/fired"))
        eventually(lambda: severities() == ["page"])
        notifier.send(now(severity="", key="alr_1/3/acknowledged"))
        assert severities() == ["page"]
        (alert,) = known_alerts(url)
        assert alert["labels"]["service"] == "shop"
        assert alert["annotations"]["release"] == "shop-2"
        notifier.send(now(severity="", resolved=True, key="alr_1/4/resolved"))
        eventually(lambda: severities() == [])


def test_a_mail_has_no_header_that_the_text_asks_for() -> None:
    with mail_receiver() as mail:
        url = f"smtp://127.0.0.1:{mail.port}"
        build("email", url).send(now(title=HOSTILE, key=HOSTILE, thread=HOSTILE))
        (read,) = mail.mails
    assert read["Bcc"] is None
    assert mail.receivers == [["ana@example.com", "bo@example.com"]]
    assert read["Subject"].strip().startswith("<!channel>")
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["In-Reply-To"] == read["References"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("451 later", Unreachable),
        ("421 busy", Unreachable),
        ("550 no", Refused),
        ("554 no", Refused),
    ],
)
def test_a_mail_server_says_whether_trying_again_makes_sense(
    answer: str, expected: type[HeadwayError]
) -> None:
    with mail_receiver() as mail:
        mail.answer = answer
        with pytest.raises(HeadwayError) as caught:
            build("email", f"smtp://127.0.0.1:{mail.port}").send(now())
    assert type(caught.value) is expected


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    private = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, private, plain))
    return folder / "cert.pem", folder / "key.pem"


def test_mail_goes_encrypted_and_with_a_login(certificate: tuple[Path, Path]) -> None:
    with mail_receiver(certificate=certificate, password=SECRET) as mail:
        url = f"smtp://localhost:{mail.port}"
        trusted = {"starttls": "required", "ca": str(certificate[0])}
        build("email", url, user="ops", password=SECRET, **trusted).send(now())
        assert len(mail.mails) == 1
        assert set(mail.logins) == {"ops"}
        with pytest.raises(Refused) as wrong:
            build("email", url, user="ops", password="other", **trusted).send(now())
        with pytest.raises(Refused) as untrusted:
            build("email", url, user="ops", password=SECRET, starttls="required").send(now())
    assert_silent(wrong.value)
    assert_silent(untrusted.value)
    assert len(mail.mails) == 1


def test_mail_is_not_sent_in_the_clear_unless_the_connection_says_so() -> None:
    with mail_receiver() as mail:
        with pytest.raises(Refused):
            build("email", f"smtp://127.0.0.1:{mail.port}", starttls="required").send(now())
        assert mail.mails == []
