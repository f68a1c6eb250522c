"""The signing secrets of webhooks: one file each in HOME/webhooks, readable by its owner.

Files and not rows, because a database is copied about (as store/connections has it). So only this
home can send for a subscription that was made here. Used by flows/webhooks and
flows/webhook_attempts.
"""

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from headway import typed
from headway.model.errors import Refused

ROTATION_SECONDS = 86400.0
_ID = re.compile(r"whk_[0-9A-Z]{26}")


@dataclass(frozen=True, slots=True)
class Secrets:
    """`previous` signs too until then (Unix seconds); "" if there is none."""

    current: str = field(repr=False)
    previous: str = field(default="", repr=False)
    until: float = 0.0

    def valid(self, now: float) -> tuple[str, ...]:
        """Those that sign now, the newest first."""
        return (
            (self.current, self.previous) if self.previous and now < self.until else (self.current,)
        )


def get(home: Path, id: str) -> Secrets:
    """Raises Refused (`webhook-secret`): the file is not there."""
    try:
        return typed.loads(_file(home, id).read_bytes(), Secrets)
    except FileNotFoundError:
        raise Refused(
            "the secret of the webhook is not in this home",
            why="without it nothing can be signed",
            next="headway webhook rotate NAME",
            code="webhook-secret",
        ) from None


def put(home: Path, id: str, secret: str) -> None:
    """The first secret of a subscription."""
    _write(home, id, Secrets(secret))


def rotate(home: Path, id: str, secret: str, now: float) -> None:
    """A new secret; the one before goes on for a day."""
    try:
        before = get(home, id).current
    except Refused:
        before = ""
    _write(home, id, Secrets(secret, before, now + ROTATION_SECONDS if before else 0.0))


def tidy(home: Path, now: float) -> None:
    """Forget secrets whose day is over."""
    for file in sorted((home / "webhooks").glob("whk_*.json")):
        known = typed.loads(file.read_bytes(), Secrets)
        if known.previous and now >= known.until:
            _write(home, file.stem, replace(known, previous="", until=0.0))


def remove(home: Path, id: str) -> None:
    """Forget it; one that is not there is forgotten already."""
    _file(home, id).unlink(missing_ok=True)


def _write(home: Path, id: str, secrets: Secrets) -> None:
    file = _file(home, id)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_bytes(msgspec.json.encode(secrets))
    temporary.replace(file)


def _file(home: Path, id: str) -> Path:
    if not _ID.fullmatch(id):
        raise ValueError("this is no id of a webhook")
    return home / "webhooks" / f"{id}.json"
