"""Messages as JSON to anybody's HTTP endpoint, signed if the connection has a `secret`.

Headers, also in docs/how-to/alerts.md: `Idempotency-Key` is the message's key, the same when it is
sent again; `Headway-Timestamp` the Unix seconds of sending; `Headway-Signature` is
`sha256=<hex>`, HMAC-SHA256 (RFC 2104) with the secret over timestamp, a full stop, and the body.
Called by flows/telling.
"""

import hashlib
import hmac
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec

from headway.model.alert import Message
from headway.model.connection import Connection
from headway.model.errors import Refused, Unreachable
from headway.ports.notifier import Notifier

TIMEOUT_SECONDS = 10.0
RETRIED = frozenset({408, 425, 429})
VERSION = 1


class WebhookNotifier(Notifier):
    """One endpoint."""

    def __init__(self, _home: Path, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Message) -> None:
        """See Notifier."""
        content = body(message)
        headers = {
            "content-type": "application/json",
            "idempotency-key": message.key,
            "user-agent": "headway",
        }
        secret = self._connection.options.get("secret", "")
        if secret:
            stamp = str(int(time.time()))
            headers["headway-timestamp"] = stamp
            headers["headway-signature"] = signature(secret, stamp, content)
        _post(self._connection, content, headers)


def body(message: Message) -> bytes:
    """The message with a version of its format."""
    known = msgspec.to_builtins(message)
    return msgspec.json.encode({"version": VERSION, **known})


def signature(secret: str, timestamp: str, content: bytes) -> str:
    """What a receiver computes and compares."""
    signed = timestamp.encode() + b"." + content
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _post(connection: Connection, content: bytes, headers: dict[str, str]) -> None:
    """Raises Unreachable or Refused; neither says the address."""
    if urlsplit(connection.url).scheme not in {"http", "https"}:
        raise Refused(f"the address of `{connection.name}` is not http or https", code="channel")
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            answer = client.post(connection.url, content=content, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(
            f"`{connection.name}` does not answer", why=type(error).__name__, code="channel"
        ) from None
    if answer.is_success:
        return
    what = f"`{connection.name}` answers with status {answer.status_code}"
    if answer.status_code in RETRIED or answer.status_code >= 500:
        raise Unreachable(what, code="channel")
    raise Refused(what, why="redirects are not followed" * answer.is_redirect, code="channel")
