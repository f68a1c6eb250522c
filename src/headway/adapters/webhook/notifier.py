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

import msgspec

from headway.adapters.webhook.post import post
from headway.model.alert import Message
from headway.model.connection import Connection
from headway.ports.notifier import Notifier

VERSION = 1


class WebhookNotifier(Notifier):
    """One endpoint."""

    def __init__(self, _home: Path, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Message) -> None:
        """See Notifier."""
        content = body(message)
        headers = {
            "idempotency-key": message.key,
            "user-agent": "headway",
        }
        secret = self._connection.options.get("secret", "")
        if secret:
            stamp = str(int(time.time()))
            headers["headway-timestamp"] = stamp
            headers["headway-signature"] = signature(secret, stamp, content)
        post(self._connection, content, headers)


def body(message: Message) -> bytes:
    """The message with a version of its format."""
    known = msgspec.to_builtins(message)
    return msgspec.json.encode({"version": VERSION, **known})


def signature(secret: str, timestamp: str, content: bytes) -> str:
    """What a receiver computes and compares."""
    signed = timestamp.encode() + b"." + content
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
