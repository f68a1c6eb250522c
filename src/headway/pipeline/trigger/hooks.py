"""The six kinds of senders: which headers they use, how they prove themselves, who reads them.

Headers: GitHub `X-Hub-Signature-256: sha256=<hex>` (docs.github.com, "Validating webhook
deliveries"); Gitea `X-Gitea-Signature`, Forgejo `X-Forgejo-Signature` too: bare hex; all three are
HMAC-SHA256 over the raw body. GitLab: `X-Gitlab-Token` is the secret itself, or, for a signing
token `whsec_…`, the Standard Webhooks headers, which also cover the time. A registry is configured
with `Authorization: Bearer <token>`. CDEvents come by Standard Webhooks alone. Called by
api/webhook.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headway.pipeline.trigger import cdevents, github, gitlab, registry
from headway.pipeline.trigger.event import Ignored, Source, TriggerEvent
from headway.pipeline.trigger.payload import Unreadable

TOLERANCE_SECONDS = 300.0
LEAST_KEY_BYTES = 16
SIGNING = "whsec_"


@dataclass(frozen=True, slots=True)
class Kind:
    """Header names, lower case. `signatures`: in the order asked; the first that is there counts.

    `plain`: the header holds the secret itself, and so whoever can send again can also forge.
    """

    source: Source
    event: str
    deliveries: tuple[str, ...]
    signatures: tuple[str, ...]
    prefix: str = ""
    plain: bool = False


KINDS: dict[str, Kind] = {
    "github": Kind(
        "github", "x-github-event", ("x-github-delivery",), ("x-hub-signature-256",), "sha256="
    ),
    "gitea": Kind("gitea", "x-gitea-event", ("x-gitea-delivery",), ("x-gitea-signature",)),
    "forgejo": Kind(
        "forgejo",
        "x-forgejo-event",
        ("x-forgejo-delivery", "x-gitea-delivery"),
        ("x-forgejo-signature", "x-gitea-signature"),
    ),
    "gitlab": Kind(
        "gitlab",
        "x-gitlab-event",
        ("webhook-id", "idempotency-key", "x-gitlab-event-uuid", "x-gitlab-webhook-uuid"),
        ("x-gitlab-token",),
        plain=True,
    ),
    "registry": Kind("registry", "", (), ("authorization",), "Bearer ", plain=True),
    "cdevents": Kind("cdevents", "", ("webhook-id",), ()),
}
Headers = Mapping[str, str]


def sign(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of the body, lower-case hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def proven(kind: Kind, secret: str, headers: Headers, body: bytes, now: float) -> bool:
    """Whether the sender knows the secret. Takes the same time whichever part is wrong."""
    if secret.startswith(SIGNING):
        return _standard(secret, headers, body, now)
    given = next((headers[name] for name in kind.signatures if name in headers), "")
    due = kind.prefix + (secret if kind.plain else sign(secret, body))
    return bool(secret) and hmac.compare_digest(given.encode(), due.encode())


def _standard(secret: str, headers: Headers, body: bytes, now: float) -> bool:
    """Standard Webhooks: `v1,<base64>` over id, time and body, joined by full stops; several
    signatures stand apart by spaces.
    """
    id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    try:
        key = base64.b64decode(secret.removeprefix(SIGNING), validate=True)
    except binascii.Error:
        return False
    signed = b".".join((id.encode(), stamp.encode(), body))
    due = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    given = headers.get("webhook-signature", "").split()[:10]
    good = [hmac.compare_digest(g.encode(), due) for g in given]
    fresh = stamp.isdecimal() and len(stamp) < 12 and abs(now - int(stamp)) <= TOLERANCE_SECONDS
    return any(good) and fresh and bool(id) and len(key) >= LEAST_KEY_BYTES


def delivery(kind: Kind, headers: Headers) -> str:
    """The sender's id of this delivery, the same when it is sent again; "" if it has none."""
    return next((headers[n][:200] for n in kind.deliveries if headers.get(n)), "")


def read(kind: Kind, headers: Headers, payload: object) -> tuple[TriggerEvent, ...] | Ignored:
    """What the delivery tells. Raises Unreadable: it is not what its header says."""
    name = headers.get(kind.event, "") if kind.event else ""
    if not isinstance(payload, dict):
        raise Unreadable("the payload is not a JSON object")
    if kind.source == "registry":
        return registry.read(payload)
    if kind.source == "cdevents":
        told = cdevents.read(payload)
        return told if isinstance(told, Ignored) else (told,)
    found = _told(kind, name, payload)
    return found if isinstance(found, Ignored) else (found,)


def _told(kind: Kind, name: str, payload: dict[str, Any]) -> TriggerEvent | Ignored:
    if kind.source == "gitlab":
        return gitlab.read(name, payload)
    return github.read(kind.source, name, payload)
