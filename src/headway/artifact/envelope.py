"""DSSE: how a statement is signed (PAE) and how the signed envelope is written as JSON.

Format: secure-systems-lab/dsse, protocol.md and envelope.md, version 1. The signer signs `pae`;
the artifact store keeps `encode`d envelopes and reads them back with `decode`.
"""

import base64
import binascii

from headway.artifact import strict
from headway.artifact.strict import Unreadable
from headway.model.artifact import Envelope, Signature

MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"
MAX_SIGNATURES = 16


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: the bytes that are signed. Lengths count bytes."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def encode(envelope: Envelope) -> bytes:
    """Canonical JSON of the envelope; the same envelope gives the same bytes."""
    return strict.dumps(
        {
            "payload": _b64(envelope.payload),
            "payloadType": envelope.payload_type,
            "signatures": [{"keyid": s.keyid, "sig": _b64(s.sig)} for s in envelope.signatures],
        }
    )


def decode(data: bytes) -> Envelope:
    """The envelope in `data`. Unknown fields are skipped, as the format demands.

    Raises Unreadable: not strict JSON, a field missing or of another type, base64 with strange
    characters or spare bits, no signature or more than MAX_SIGNATURES.
    """
    fields = strict.mapping(strict.loads(data), "the envelope")
    listed = strict.sequence(fields.get("signatures"), "`signatures`")
    if not 1 <= len(listed) <= MAX_SIGNATURES:
        raise Unreadable(f"the envelope has {len(listed)} signatures")
    return Envelope(
        payload_type=strict.text(fields.get("payloadType"), "`payloadType`"),
        payload=_bytes(fields.get("payload"), "`payload`"),
        signatures=tuple(_signature(one) for one in listed),
    )


def _signature(value: object) -> Signature:
    fields = strict.mapping(value, "a signature")
    keyid = strict.text(fields.get("keyid", ""), "`keyid`")
    return Signature(keyid, _bytes(fields.get("sig"), "`sig`"))


def _b64(data: bytes) -> str:
    return base64.standard_b64encode(data).decode("ascii")


def _bytes(value: object, what: str) -> bytes:
    written = strict.text(value, what)
    standard = written.replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(standard, validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable(f"{what} is not base64") from None
    if _b64(data) != standard:
        raise Unreadable(f"{what} is base64 with spare bits")
    return data
