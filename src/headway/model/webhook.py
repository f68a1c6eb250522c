"""Subscriptions of other systems to our events, and one request to such a system with its answer.

Made by flows/webhooks, kept by store/webhooks, sent by flows/webhook_rounds.
"""

from dataclasses import field
from typing import Literal

from headway.record import dataclass

Format = Literal["cloudevents", "cdevents"]
State = Literal["active", "paused"]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who gets which events. `events`: patterns (subscription/wanted); `service`, `environment`:
    "" for all. `home`: the one whose server sends, because it keeps the secret.

    `cursor`: every event up to this number of the log was looked at; `failures`: failed attempts
    since the last that succeeded; `failing_since`: when the first of them was, `next_at`: nothing
    is sent before; times are Unix seconds, 0 for none. `told`: a person knows that it fails.
    `changes` counts what people and Headway did to it.
    """

    id: str
    name: str
    url: str
    service: str
    environment: str
    events: tuple[str, ...]
    format: Format
    allow_private: bool
    home: str
    state: State
    because: str
    by: str
    created_at: float
    cursor: int
    changes: int = 0
    failures: int = 0
    failing_since: float = 0.0
    next_at: float = 0.0
    delivered_at: float = 0.0
    told: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """One POST. `headers` hold signatures, never a secret."""

    url: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. `status`: 0 if there was none, then `error` says why, without the address.
    `retry_after`: seconds, 0 if not said.
    """

    status: int = 0
    error: str = ""
    retry_after: float = 0.0

    @property
    def taken(self) -> bool:
        """Whether the receiver has it now."""
        return 200 <= self.status < 300
