"""JSON and plain data into types, from any thread. Whoever decodes into a type does it here.

The decoder's library remembers a dataclass before it has looked at all its fields; a second thread
that decodes the same type in that moment reads what is not there, and the whole process dies. So
what is to be known of a type is found out by one thread at a time, before anything is decoded.
"""

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_made: dict[Any, msgspec.json.Decoder[Any]] = {}
_making = threading.Lock()


def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of JSON for the type, also for a union; made once, complete when given."""
    found = _made.get(kind)
    if found is None:
        with _making:
            found = _made.setdefault(kind, msgspec.json.Decoder(kind))
    return found


def loads(text: str | bytes, kind: type[T]) -> T:
    """The value of that type. Raises msgspec.DecodeError, msgspec.ValidationError."""
    found: T = decoder(kind).decode(text)
    return found


def convert(value: object, kind: type[T]) -> T:
    """The same from plain data (dict, list, text, number). Raises msgspec.ValidationError."""
    decoder(kind)
    return msgspec.convert(value, kind)
