"""The headers by which a receiver knows that a delivery is ours and new (Standard Webhooks 1.0.0,
github.com/standard-webhooks/standard-webhooks): `v1,` and the base64 of HMAC-SHA256 over the
delivery's id, the moment of sending and the body, joined by full stops.

While two secrets are valid there are two signatures, apart by a space.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32


def secret(random: bytes) -> str:
    """A secret as receivers' libraries read it; `random` is SECRET_BYTES of chance."""
    if len(random) != SECRET_BYTES:
        raise ValueError("a secret has 32 bytes")
    return PREFIX + base64.b64encode(random).decode()


def headers(id: str, at: float, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers, signed with each of the secrets; `at`: Unix seconds of this attempt."""
    stamp = str(int(at))
    return {
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(_signature(one, id, stamp, body) for one in secrets),
    }


def _signature(secret: str, id: str, stamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((id.encode(), stamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
