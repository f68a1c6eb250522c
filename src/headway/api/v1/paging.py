"""Lists in pages: `?limit=50&cursor=…` gives `{items, next}`, newest first; `since` and `until`.

A cursor names the last item of the page before, so that what is added meanwhile neither repeats nor
hides anything. It is sealed with a key of the home, together with the list's address and filters:
another list's cursor, or one that was changed, is 400.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BeforeValidator, WithJsonSchema
from starlette.requests import Request

from headway.api.problems import Wrong
from headway.once import once

MOST = 200
HALF = 5e-7
"""Seconds: times are told rounded to microseconds, and are asked for as they were told."""
T = TypeVar("T")
_FREE = frozenset({"limit", "cursor"})


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next`: the cursor of the page after this one; null at the end."""

    items: tuple[T, ...]
    next: str | None


def _moment(given: object) -> object:
    """RFC 3339: a date, a time, and where on earth."""
    try:
        found = datetime.fromisoformat(str(given))
    except ValueError as error:
        raise ValueError("not a time of RFC 3339, as 2026-03-01T12:00:00Z") from error
    if found.tzinfo is None or len(str(given)) < 20:
        raise ValueError("a time needs its offset, as 2026-03-01T12:00:00Z")
    return found.astimezone(UTC)


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


@dataclass(frozen=True, slots=True)
class Span:
    """What part of a list is asked for. `after`: the key of the item before it, or empty."""

    limit: int
    after: str
    since: float | None
    until: float | None
    seal: Callable[[str], str]

    def page(self, found: Sequence[T], key: Callable[[T], str]) -> Page[T]:
        """Of `limit + 1` items at most: one more than asked for says that there are more."""
        shown = tuple(found[: self.limit])
        more = len(found) > self.limit
        return Page(shown, self.seal(key(shown[-1])) if more else None)

    @property
    def reach(self) -> int:
        """How many items to read."""
        return self.limit + 1


def _span(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Items in a page.")] = 50,
    cursor: Annotated[str, Query(max_length=2000, description="`next` of the page before.")] = "",
    since: Annotated[Moment | None, Query(description="Not before.")] = None,
    until: Annotated[Moment | None, Query(description="Before.")] = None,
) -> Span:
    seal = _Seal(request)
    return Span(
        limit,
        seal.open(cursor) if cursor else "",
        since.timestamp() - HALF if since else None,
        until.timestamp() - HALF if until else None,
        seal.close,
    )


Spanned = Annotated[Span, Depends(_span)]


class _Seal:
    """Of one list with these filters."""

    def __init__(self, request: Request) -> None:
        home = request.app.state.headway.home
        self._key = once(home / "cursor.key", lambda: os.urandom(32))
        filters = sorted(i for i in request.query_params.multi_items() if i[0] not in _FREE)
        self._about = repr((request.scope["path"], filters)).encode()

    def close(self, key: str) -> str:
        text = key.encode()
        return base64.urlsafe_b64encode(self._mac(text) + text).decode().rstrip("=")

    def open(self, cursor: str) -> str:
        """Raises Wrong (`bad-cursor`)."""
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            whole = base64.b64decode(padded, altchars=b"-_", validate=True)
            mac, text = whole[:16], whole[16:]
            if hmac.compare_digest(mac, self._mac(text)):
                return text.decode()
        except (binascii.Error, UnicodeError, ValueError):
            pass
        raise Wrong(
            "this cursor is not of this list",
            400,
            code="bad-cursor",
            why="a cursor belongs to the filters of the list that gave it",
            next="begin without a cursor",
        )

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._key, self._about + b"\0" + text, hashlib.sha256)[:16]
