"""The server's signing key in a file, and the keys it trusts. Wiring builds it, flows sign with it.

ECDSA P-256 with SHA-256 over the DSSE PAE. The signature is deterministic (RFC 6979): signing the
same statement again after a crash gives the same envelope. Trusted keys may also be Ed25519.
"""

import errno
import hashlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from headway.artifact.envelope import pae
from headway.artifact.strict import shown
from headway.model.artifact import Envelope, Signature
from headway.model.errors import Failed, Invalid, Refused
from headway.once import once
from headway.ports.signer import Signer as SignerPort

KEY_FILE = "signing.pem"
TRUSTED_FOLDER = "trusted"
BUILDERS_SUFFIX = ".builders"

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class KeySigner(SignerPort):
    """Signs with the key in `folder`, made on first use; trusts it and `folder/trusted/*.pub`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: ec.EllipticCurvePrivateKey | None = None

    def sign(self, payload: bytes, payload_type: str) -> Envelope:
        """One signature with the server's key, which is made if there is none.

        Raises Refused (`key-exposed`), Invalid (`bad-key`), Failed (`storage-full`, `storage`).
        """
        key = self._key()
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        sig = key.sign(pae(payload_type, payload), algorithm)
        return Envelope(payload_type, payload, (Signature(keyid(key.public_key()), sig),))

    def verify(self, envelope: Envelope) -> str:
        """The trusted keyid of the first signature that holds.

        A signature without a keyid is tried with every trusted key. Raises Refused: `unknown-key`
        if no signature names a trusted key, `bad-signature` if none of those that do holds.
        """
        trusted = self._trusted()
        message = pae(envelope.payload_type, envelope.payload)
        tried = False
        for signature in envelope.signatures:
            for name in [signature.keyid] if signature.keyid else list(trusted):
                if name not in trusted:
                    continue
                tried = True
                if _holds(trusted[name], signature.sig, message):
                    return name
        raise _bad_signature() if tried else _unknown_key(envelope)

    def speaks_for(self, key: str) -> tuple[str, ...]:
        """As the port says: the lines of `NAME.builders` beside `NAME.pub`."""
        with _storage_errors():
            for file in sorted((self._folder / TRUSTED_FOLDER).glob("*.pub")):
                named = file.with_suffix(BUILDERS_SUFFIX)
                if keyid(_load_public(file)) == key and named.exists():
                    return _lines(named)
        return ()

    def public_key_pem(self) -> str:
        """The server's public key as PEM (SubjectPublicKeyInfo), to be trusted elsewhere."""
        return (
            self._key()
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode("ascii")
        )

    def keyid(self) -> str:
        """The id of the server's own key."""
        return keyid(self._key().public_key())

    def _key(self) -> ec.EllipticCurvePrivateKey:
        if self._own is None:
            with _storage_errors():
                if not (self._folder / KEY_FILE).exists():
                    _make_key(self._folder)
                self._own = _load_private(self._folder / KEY_FILE)
        return self._own

    def _trusted(self) -> dict[str, PublicKey]:
        with _storage_errors():
            files = sorted((self._folder / TRUSTED_FOLDER).glob("*.pub"))
            keys: list[PublicKey] = [self._key().public_key(), *map(_load_public, files)]
        return {keyid(key): key for key in keys}


def keyid(key: PublicKey) -> str:
    """The hex SHA-256 of the key's DER SubjectPublicKeyInfo."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def _lines(file: Path) -> tuple[str, ...]:
    """A file that names nobody must not mean everybody."""
    found = tuple(line.strip() for line in file.read_text("utf-8").splitlines() if line.strip())
    if not found:
        raise _bad_key(file, "it names no builder")
    return found


def _holds(key: PublicKey, sig: bytes, message: bytes) -> bool:
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(sig, message)
        else:
            key.verify(sig, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _make_key(folder: Path) -> None:
    """Write a new key, unless another process does so first."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    once(folder / KEY_FILE, _new_key)


def _new_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _load_private(path: Path) -> ec.EllipticCurvePrivateKey:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Refused(
            f"the signing key {path} can be read by others (mode {mode:o})",
            why="whoever has read it can sign in this server's name",
            next=f"make a new key, or chmod 600 {path} if nobody else had access",
            code="key-exposed",
        )
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _bad_key(path, "it is no unencrypted private key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _bad_key(path, "it is no ECDSA P-256 key")
    return key


def _load_public(path: Path) -> PublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm):
        raise _bad_key(path, "it is no public key in PEM") from None
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise _bad_key(path, "it is neither ECDSA P-256 nor Ed25519")


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        raise Failed(
            f"the signing key cannot be used: {error.filename}",
            why=error.strerror or str(error),
            next="headway doctor",
            code="storage-full" if full else "storage",
        ) from error


def _bad_key(path: Path, why: str) -> Invalid:
    return Invalid(
        f"the key {path} cannot be used", why=why, next=f"replace {path}", code="bad-key"
    )


def _bad_signature() -> Refused:
    return Refused(
        "the signature does not hold",
        why="the statement or its signature was changed after it was signed",
        next="deliver the commit again, so that it is built and signed anew",
        code="bad-signature",
    )


def _unknown_key(envelope: Envelope) -> Refused:
    names = ", ".join(shown(s.keyid) for s in envelope.signatures) or "no key at all"
    return Refused(
        "the statement is not signed by a trusted key",
        why=f"it is signed by {names}",
        next=f"put that key's public PEM into {TRUSTED_FOLDER}/NAME.pub if you trust it",
        code="unknown-key",
    )
