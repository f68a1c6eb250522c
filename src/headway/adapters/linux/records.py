"""A job's boundaries on disk: steps.jsonl, one line appended where a step ends and the next begins.

Called by runner. What a step leaves to later ones (variables, outputs, masks) may hold secrets:
then it is encrypted (AES-256-GCM) before it is written, under HOME/keys/steps.key and the job's own
secrets, so that neither a copy of the run's folder nor the key alone opens it.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from headway import typed
from headway.adapters.linux.workspace import open_regular
from headway.model.errors import Drifted, Failed
from headway.once import once
from headway.pipeline.step.masking import Masker
from headway.pipeline.step.state import Left, Record

_NONCE = 12
_encode = msgspec.json.Encoder().encode


class Seal:
    """Encrypts with a key that is made when it is first needed."""

    def __init__(self, home: Path, secrets: Mapping[str, str], about: str) -> None:
        """`about`: what the sealed text belongs to; it opens nowhere else."""
        self._path = home / "keys" / "steps.key"
        self._secrets = json.dumps(sorted(secrets.items())).encode()
        self._about = about.encode()

    def close(self, data: bytes) -> str:
        """Encrypted, as text."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - slow

        nonce = os.urandom(_NONCE)
        sealed = nonce + AESGCM(self._key()).encrypt(nonce, data, self._about)
        return base64.b64encode(sealed).decode()

    def open(self, text: str) -> bytes:
        """The bytes again. Raises Drifted (`secrets-changed`)."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - slow
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - slow

        data = base64.b64decode(text)
        try:
            return AESGCM(self._key()).decrypt(data[:_NONCE], data[_NONCE:], self._about)
        except InvalidTag as error:
            raise Drifted(
                "the job cannot go on where it stopped",
                why="its secrets, or the key that seals what its steps left, have changed",
                next="run it again as a new attempt",
                code="secrets-changed",
            ) from error

    def _key(self) -> bytes:
        return hmac.new(
            once(self._path, lambda: os.urandom(32)), self._secrets, hashlib.sha256
        ).digest()


class Records:
    """The boundaries of one job."""

    def __init__(self, path: Path, seal: Seal, masker: Masker) -> None:
        self._path, self._seal, self._masker = path, seal, masker
        self._file = -1

    def read(self, attempt: int) -> list[tuple[Record, Left]]:
        """What was written of this attempt; a line that was being written when the process died is
        dropped. Raises Drifted (`secrets-changed`).
        """
        try:
            with open_regular(self._path) as file:
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.truncate(self._path, len(whole))
        found = [typed.loads(line, Record) for line in whole.splitlines()]
        return [(record, self._left(record)) for record in found if record.attempt == attempt]

    def add(self, record: Record) -> None:
        """Append; sealed if anything that was left behind is secret. Raises Failed
        (`storage-full`).
        """
        if record.left is not None and self._secret(record.left):
            sealed = self._seal.close(_encode(record.left))
            record = replace(record, left=None, sealed=sealed)
        try:
            if self._file < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._file = os.open(self._path, flags, 0o644)
            view = memoryview(_encode(record) + b"\n")
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            raise Failed(
                f"{self._path} cannot be written", why=str(error), code="storage-full"
            ) from error

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _left(self, record: Record) -> Left:
        if record.sealed:
            return typed.loads(self._seal.open(record.sealed), Left)
        return record.left or Left()

    def _secret(self, left: Left) -> bool:
        hides: Callable[[str], bool] = self._masker.hides
        return bool(left.masks) or any(map(hides, _texts(msgspec.to_builtins(left))))


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value, names too."""
    match value:
        case str():
            yield value
        case dict():
            for name, each in value.items():
                yield str(name)
                yield from _texts(each)
        case list() | tuple():
            for each in value:
                yield from _texts(each)
