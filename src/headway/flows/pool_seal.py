"""Secrets of a job on their way to the one worker that holds it.

A sealed box: an X25519 key made for this one message and the worker's public key give, by HKDF with
SHA-256 over both public keys, a key for ChaCha20-Poly1305 (RFC 7748, 5869, 8439). What it is about
(job, generation, worker) is authenticated with it, so it opens nowhere else. Called by
flows/pool_away and flows/pool_task.
"""

import os
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headway import typed
from headway.model.errors import Drifted
from headway.store.pool_claims import Claim

_KEY, _NONCE = 32, 12


def make_key() -> bytes:
    """A worker's private key."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public(private: bytes) -> bytes:
    """The public half."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def close(secrets: Mapping[str, str], public_key: bytes, claim: Claim) -> bytes:
    """For who has the private half, and this claim, only."""
    once = X25519PrivateKey.generate()
    own = once.public_key().public_bytes_raw()
    shared = once.exchange(X25519PublicKey.from_public_bytes(public_key))
    nonce = os.urandom(_NONCE)
    box = ChaCha20Poly1305(_derived(shared, own, public_key))
    return own + nonce + box.encrypt(nonce, msgspec.json.encode(dict(secrets)), _about(claim))


def open_(sealed: bytes, private: bytes, claim: Claim) -> dict[str, str]:
    """The secrets. Raises Drifted (`sealed-for-another`)."""
    own, nonce, rest = sealed[:_KEY], sealed[_KEY : _KEY + _NONCE], sealed[_KEY + _NONCE :]
    shared = X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(own)
    )
    box = ChaCha20Poly1305(_derived(shared, own, public(private)))
    try:
        return typed.loads(box.decrypt(nonce, rest, _about(claim)), dict[str, str])
    except InvalidTag as error:
        raise Drifted(
            f"the secrets of job {claim.job} are not for this worker", code="sealed-for-another"
        ) from error


def _derived(shared: bytes, own: bytes, worker: bytes) -> bytes:
    info = b"headway pool secrets" + own + worker
    return HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=None, info=info).derive(shared)


def _about(claim: Claim) -> bytes:
    return msgspec.json.encode([claim.job, claim.generation, claim.worker])
