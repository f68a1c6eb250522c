"""JSON read strictly and written canonically: what is hashed or signed has one form only.

Everything that is signed, hashed or fetched passes here: envelopes, statements, manifests, indexes.
"""

import json
import re
from typing import NoReturn

MAX_BYTES = 1 << 20
MAX_DEPTH = 16

_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class Unreadable(ValueError):
    """The bytes are not what they claim to be; the text is one plain sentence part."""


def loads(data: bytes, *, limit: int = MAX_BYTES) -> object:
    """The JSON value in `data` (UTF-8).

    Raises Unreadable: longer than `limit` bytes, deeper than MAX_DEPTH, duplicate keys, NaN or
    Infinity, lone surrogates, or no JSON at all.
    """
    if len(data) > limit:
        raise Unreadable(f"it is {len(data)} bytes long, the limit is {limit}")
    _refuse_depth(data)
    try:
        value: object = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # finds escaped lone surrogates
    except Unreadable:
        raise
    except (ValueError, RecursionError):
        raise Unreadable("it is not JSON in UTF-8") from None
    return value


def dumps(value: object) -> bytes:
    """Canonical form: keys sorted, no spaces, UTF-8 unescaped; numbers are integers only."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8")


def mapping(value: object, what: str) -> dict[str, object]:
    """`value` if it is a JSON object. Raises Unreadable, naming it as `what`."""
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is not an object")
    return value


def sequence(value: object, what: str) -> list[object]:
    """`value` if it is a JSON array. Raises Unreadable, naming it as `what`."""
    if not isinstance(value, list):
        raise Unreadable(f"{what} is not a list")
    return value


def text(value: object, what: str) -> str:
    """`value` if it is a string. Raises Unreadable, naming it as `what`."""
    if not isinstance(value, str):
        raise Unreadable(f"{what} is not a text")
    return value


def _refuse_depth(data: bytes) -> None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(data):
        mark = token.group()
        depth += 1 if mark in b"[{" else -1 if mark in b"]}" else 0
        if depth > MAX_DEPTH:
            raise Unreadable(f"it is nested deeper than {MAX_DEPTH}")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise Unreadable(f"the key {shown(key)} occurs twice")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not JSON")


def shown(hostile: str) -> str:
    """A hostile text made fit for a sentence: quoted, one line, no control codes, at most 120."""
    short = hostile if len(hostile) <= 120 else hostile[:117] + "..."
    return ascii(short) if not short.isprintable() else f"`{short}`"
