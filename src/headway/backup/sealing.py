"""The seal around a backup: a file that only whoever has the passphrase or the key can read.

A line `headway-sealed-backup 1`, a line of JSON that says how the key is made, then chunks of
64 KiB, each ChaCha20-Poly1305 (RFC 8439) with a nonce of its number (11 bytes) and whether it is
the last (1 byte); the two lines are the associated data of every chunk. This is the STREAM scheme
(Hoang, Reyhanitabar, Rogaway, Vizar 2015). The key is used for this one file:

    {"kdf": "scrypt", "salt": HEX}               scrypt (RFC 7914), N 2**15, r 8, p 1
    {"kdf": "x25519", "ephemeral": HEX}          X25519 (RFC 7748) with the recipient's key, then
                                                 HKDF-SHA256, salt: both public keys

Called by backup/archive.py.
"""

import io
import json
import os
from pathlib import Path
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from headway.model.errors import Invalid, Refused

MAGIC = b"headway-sealed-backup 1\n"
CHUNK = 1 << 16
TAG = 16
LEAST_PASSPHRASE = 12
_HEAD_LIMIT = 4096


class Lock(Protocol):
    """What a file is sealed with."""

    def fresh(self) -> tuple[dict[str, str], bytes]:
        """The head of a new file, and its key."""
        ...

    def key(self, head: dict[str, str]) -> bytes:
        """The key of a file with this head. Raises Refused (`sealed`), ValueError."""
        ...


class Passphrase:
    """A passphrase from a file; the line's end does not count. Raises Invalid (`passphrase`)."""

    def __init__(self, file: Path) -> None:
        self._secret = _read(file).rstrip(b"\r\n")
        if len(self._secret) < LEAST_PASSPHRASE:
            raise Invalid(
                "the passphrase is too short",
                why=f"it has fewer than {LEAST_PASSPHRASE} characters",
                next=f"head -c 24 /dev/urandom | base64 > {file.name}",
                code="passphrase",
            )

    def fresh(self) -> tuple[dict[str, str], bytes]:
        """See Lock."""
        head = {"kdf": "scrypt", "salt": os.urandom(16).hex()}
        return head, self.key(head)

    def key(self, head: dict[str, str]) -> bytes:
        """See Lock."""
        if head["kdf"] != "scrypt":
            raise _sealed("it was sealed for a key, not with a passphrase", "--identity KEY.pem")
        salt = bytes.fromhex(head["salt"])
        return Scrypt(salt=salt, length=32, n=1 << 15, r=8, p=1).derive(self._secret)


class Recipient:
    """The public key of whoever may read it (PEM, X25519). Raises Invalid (`key`)."""

    def __init__(self, file: Path) -> None:
        try:
            known = serialization.load_pem_public_key(_read(file))
        except ValueError as error:
            raise _no_key(file, "public") from error
        if not isinstance(known, X25519PublicKey):
            raise _no_key(file, "public")
        self._known = known

    def fresh(self) -> tuple[dict[str, str], bytes]:
        """See Lock."""
        mine = X25519PrivateKey.generate()
        public = mine.public_key().public_bytes_raw()
        key = _derived(mine.exchange(self._known), public, self._known.public_bytes_raw())
        return {"kdf": "x25519", "ephemeral": public.hex()}, key

    def key(self, head: dict[str, str]) -> bytes:
        """A public key opens nothing."""
        raise _sealed("a public key only seals", "--identity KEY.pem")


class Identity:
    """The private key that a Recipient is of (PEM, X25519). Raises Invalid (`key`)."""

    def __init__(self, file: Path) -> None:
        try:
            known = serialization.load_pem_private_key(_read(file), password=None)
        except (ValueError, TypeError) as error:
            raise _no_key(file, "private") from error
        if not isinstance(known, X25519PrivateKey):
            raise _no_key(file, "private")
        self._known = known

    def fresh(self) -> tuple[dict[str, str], bytes]:
        """Nothing is sealed with what opens it."""
        raise Invalid("a backup is sealed with a public key", code="key")

    def key(self, head: dict[str, str]) -> bytes:
        """See Lock."""
        if head["kdf"] != "x25519":
            raise _sealed("it was sealed with a passphrase", "--passphrase-file FILE")
        theirs = bytes.fromhex(head["ephemeral"])
        shared = self._known.exchange(X25519PublicKey.from_public_bytes(theirs))
        return _derived(shared, theirs, self._known.public_key().public_bytes_raw())


def _derived(shared: bytes, ephemeral: bytes, recipient: bytes) -> bytes:
    made = HKDF(hashes.SHA256(), 32, salt=ephemeral + recipient, info=b"headway backup 1")
    return made.derive(shared)


class Sealing(io.RawIOBase):
    """Writes through the seal; `close` writes the last chunk and leaves `out` open."""

    def __init__(self, out: BinaryIO, lock: Lock) -> None:
        head, key = lock.fresh()
        self._head = MAGIC + json.dumps(head).encode() + b"\n"
        self._cipher, self._out = ChaCha20Poly1305(key), out
        self._left, self._number = bytearray(), 0
        out.write(self._head)

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: object) -> int:
        """Take the bytes."""
        taken = bytes(memoryview(data))  # type: ignore[arg-type]
        self._left += taken
        while len(self._left) > CHUNK:
            self._put(last=False)
        return len(taken)

    def close(self) -> None:
        """Write what is left."""
        if not self.closed:
            self._put(last=True)
        super().close()

    def _put(self, *, last: bool) -> None:
        piece = bytes(self._left[:CHUNK])
        del self._left[:CHUNK]
        nonce = _nonce(self._number, last=last)
        self._out.write(self._cipher.encrypt(nonce, piece, self._head))
        self._number += 1


class Opening(io.RawIOBase):
    """Reads through the seal. Every read raises Refused (`sealed`) if the bytes are not as sealed,
    also if the end is missing.
    """

    def __init__(self, source: BinaryIO, lock: Lock | None) -> None:
        text = source.readline(_HEAD_LIMIT)
        if lock is None:
            raise _sealed("it is encrypted", "--passphrase-file FILE, or --identity KEY.pem")
        try:
            head = {str(k): str(v) for k, v in json.loads(text).items()}
            key = lock.key(head)
        except (ValueError, AttributeError, KeyError, RecursionError) as error:
            raise _sealed("its head cannot be read", "another backup") from error
        self._head = MAGIC + text
        self._cipher, self._source = ChaCha20Poly1305(key), source
        self._ready, self._number, self._ended = b"", 0, False
        self._next = source.read(CHUNK + TAG)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill as much of the buffer as the current chunk can."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._ready and not self._ended:
            self._take()
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _take(self) -> None:
        piece, self._next = self._next, self._source.read(CHUNK + TAG)
        self._ended = not self._next
        nonce = _nonce(self._number, last=self._ended)
        try:
            self._ready = self._cipher.decrypt(nonce, piece, self._head)
        except InvalidTag as error:
            raise _sealed("a wrong key, or the file was changed or cut", "another copy") from error
        self._number += 1


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()[:_HEAD_LIMIT]
    except OSError as error:
        why = error.strerror or str(error)
        raise Invalid(f"{file} cannot be read", why=why, code="key") from error


def _no_key(file: Path, kind: str) -> Invalid:
    return Invalid(
        f"{file} is no {kind} X25519 key in PEM",
        next="openssl genpkey -algorithm X25519 -out key.pem && "
        "openssl pkey -in key.pem -pubout -out key.pub",
        code="key",
    )


def _sealed(why: str, next: str) -> Refused:
    return Refused("the backup cannot be opened", why=why, next=next, code="sealed")
