"""Messages as e-mail over SMTP (RFC 5321, 5322). Called by flows/telling.

The connection's URL is `smtp://HOST:PORT` or `smtps://HOST:PORT`; user and password may stand in
it or in the options `user` and `password`. Other options: `from`, `to` (several with commas),
`starttls` (`required`, the default; `off` for a relay on this machine), `ca` (a file of trusted
certificates). Message-ID is made of the message's key, so that a repetition is recognised; a
thread is kept with References.
"""

import hashlib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from headway.model.alert import Message
from headway.model.connection import Connection
from headway.model.errors import Refused, Unreachable
from headway.ports.notifier import Notifier

TIMEOUT_SECONDS = 10.0
PORTS = {"smtp": 587, "smtps": 465}
DOMAIN = "headway.invalid"


class EmailNotifier(Notifier):
    """One mail server, one sender, its receivers."""

    def __init__(self, _home: Path, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Message) -> None:
        """See Notifier."""
        mail = letter(self._connection, message)
        name = f"`{self._connection.name}`"
        try:
            with _server(self._connection) as server:
                refused = server.send_message(mail)
        except smtplib.SMTPAuthenticationError:
            raise Refused(f"{name} does not take the login", code="channel") from None
        except smtplib.SMTPNotSupportedError:
            raise Refused(f"{name} does not offer STARTTLS or login", code="channel") from None
        except smtplib.SMTPResponseException as error:
            raise _answered(name, error.smtp_code) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _answered(name, min(codes, default=550)) from None
        except ssl.SSLError:
            raise Refused(f"the certificate of {name} is not trusted", code="channel") from None
        except (OSError, smtplib.SMTPException) as error:
            why = type(error).__name__
            raise Unreachable(f"{name} does not answer", why=why, code="channel") from None
        if refused:
            raise Refused(f"{name} refused {len(refused)} of the receivers", code="channel")


def letter(connection: Connection, message: Message) -> EmailMessage:
    """The mail. Raises Refused (`channel`) if the options name no sender or receiver."""
    options = connection.options
    mail = EmailMessage()
    mail["From"] = _addresses(connection, options.get("from", ""))[0]
    mail["To"] = _addresses(connection, options.get("to", ""))
    mail["Subject"] = one_line(message.title)
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
    mail["Message-ID"] = _id(message.key)
    thread = _id(message.thread)
    mail["References"] = thread
    mail["In-Reply-To"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Headway-Alert"] = one_line(message.thread)
    fields = [f"{name}: {one_line(text, 2000)}" for name, text in message.fields.items() if text]
    link = [one_line(message.link, 2000), ""] if message.link else []
    mail.set_content("\n".join([message.title, "", message.text, "", *link, *fields, ""]))
    if urlsplit(message.link).scheme in {"http", "https"}:
        mail.add_alternative(_page(message), subtype="html")
    return mail


def _page(message: Message) -> str:
    """The same as HTML, for those who like to click: the text, the link, nothing loaded."""
    lines = "<br>".join(escape(line) for line in message.text.splitlines())
    rows = "".join(
        f"<tr><th align=left>{escape(name)}</th><td>{escape(one_line(text, 2000))}</td></tr>"
        for name, text in message.fields.items()
        if text
    )
    link = f'<p><a href="{escape(one_line(message.link, 2000))}">Open in Headway</a></p>'
    head = f"<h3>{escape(message.title)}</h3>"
    return (
        f"<!doctype html><html><body>{head}<p>{lines}</p>{link}<table>{rows}</table></body></html>"
    )


def one_line(text: str, most: int = 200) -> str:
    """Nothing that could end a header line and begin another."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most]


def _id(text: str) -> str:
    return f"<{hashlib.sha256(text.encode()).hexdigest()[:40]}@{DOMAIN}>"


def _addresses(connection: Connection, text: str) -> list[Address]:
    found = []
    for name, address in getaddresses([one_line(text, 10_000)]):
        user, _, domain = address.rpartition("@")
        if user and domain:
            found.append(Address(name, user, domain))
    if not found:
        raise Refused(
            f"`{connection.name}` lacks a sender or a receiver",
            why="options `from` and `to` are mail addresses",
            next="headway connection add --help",
            code="channel",
        )
    return found


@contextmanager
def _server(connection: Connection) -> Iterator[smtplib.SMTP]:
    """A session that is encrypted and logged in, as far as the connection says."""
    where, options = urlsplit(connection.url), connection.options
    if where.scheme not in PORTS or not where.hostname:
        raise Refused(f"`{connection.name}` is not smtp://HOST or smtps://HOST", code="channel")
    port = where.port or PORTS[where.scheme]
    trust = ssl.create_default_context(cafile=options.get("ca") or None)
    if where.scheme == "smtps":
        session: smtplib.SMTP = smtplib.SMTP_SSL(
            where.hostname, port, timeout=TIMEOUT_SECONDS, context=trust
        )
    else:
        session = smtplib.SMTP(where.hostname, port, timeout=TIMEOUT_SECONDS)
    with session as server:
        if where.scheme == "smtp" and options.get("starttls", "required") != "off":
            server.starttls(context=trust)
        user = options.get("user") or unquote(where.username or "")
        password = options.get("password") or unquote(where.password or "")
        if user:
            server.login(user, password)
        yield server


def _answered(name: str, code: int) -> Refused | Unreachable:
    """4xx of SMTP is for now, 5xx for ever (RFC 5321 4.2.1)."""
    what = f"{name} answers with {code}"
    return Unreachable(what, code="channel") if 400 <= code < 500 else Refused(what, code="channel")
