"""JSON to values and back: fromJSON, toJSON. Called by functions and by `headway workflow eval`.

Written as ECMAScript's JSON.stringify does, two blanks a level. As there, the keys of an object
that are whole numbers come first, by size; of keys that differ only in case the first one stays.
"""

import json
import re
from collections.abc import Iterator, Mapping
from json.encoder import encode_basestring
from math import isfinite

from headway.expression.limits import ITEM, MAX_JSON_DEPTH, PARSED, Meter
from headway.expression.numbers import number_text
from headway.expression.terms import ExpressionError, Value
from headway.expression.unicode import joined
from headway.expression.values import kind, number

_WHOLE = re.compile("0|[1-9][0-9]{0,9}")
_LAST_INDEX = 2**32 - 2
_HALF = re.compile("[\ud800-\udfff]")


def read(text: str, meter: Meter) -> Value:
    """The value, paid for. Raises as `decode`."""
    meter.spend(PARSED * len(text))
    return decode(text)


def decode(text: str) -> Value:
    """The value. Raises ValueError for what is no JSON or is nested too deeply."""
    try:
        found: Value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if (text.count("[") + text.count("{")) > MAX_JSON_DEPTH and _deep(found):
        raise ValueError("nested too deeply")
    return found


def write(value: Value, meter: Meter) -> str:
    """The value as JSON. Raises ExpressionError (`evaluation`) for one too large or too deep."""
    made = []
    for piece in _pieces(value, "\n"):
        meter.spend(len(piece) + ITEM)
        made.append(piece)
    return _storable("".join(made))


def _storable(text: str) -> str:
    """Halves of characters escaped, as JSON.stringify does."""
    if text.isascii():
        return text
    return _HALF.sub(lambda half: f"\\u{ord(half.group()):04x}", joined(text))


def _pieces(value: Value, newline: str) -> Iterator[str]:
    """`newline`: a line break and the indentation of the value's own line."""
    match kind(value):
        case "Array":
            assert isinstance(value, list)
            yield from _framed("[]", [("", item) for item in value], newline)
        case "Object":
            assert isinstance(value, Mapping)
            pairs = [(f"{encode_basestring(key)}: ", item) for key, item in value.items()]
            yield from _framed("{}", pairs, newline)
        case _:
            yield _simple(value)


def _framed(frame: str, pairs: list[tuple[str, Value]], newline: str) -> Iterator[str]:
    if len(newline) > 2 * MAX_JSON_DEPTH:
        raise ExpressionError("evaluation", "The value is nested too deeply for JSON")
    if not pairs:
        yield frame
        return
    inner, before = f"{newline}  ", frame[0]
    for label, item in pairs:
        yield f"{before}{inner}{label}"
        yield from _pieces(item, inner)
        before = ","
    yield newline + frame[1]


def _simple(value: Value) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    size = number(value)
    return number_text(size) if isfinite(size) else "null"


def _object(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found: dict[str, Value] = dict(pairs)
    if any(map(_WHOLE.fullmatch, found)):
        indexes = sorted((key for key in found if _is_index(key)), key=int)
        found = {key: found[key] for key in indexes} | found
    lowered = {key.lower() for key in found}
    return found if len(lowered) == len(found) else _first_of_each_case(found)


def _is_index(key: str) -> bool:
    return _WHOLE.fullmatch(key) is not None and int(key) <= _LAST_INDEX


def _first_of_each_case(given: dict[str, Value]) -> dict[str, Value]:
    kept: dict[str, str] = {}
    for key in given:
        kept.setdefault(key.lower(), key)
    return {key: given[key] for key in kept.values()}


def _refuse(word: str) -> Value:
    raise ValueError(f"{word} is no JSON")


def _deep(value: Value) -> bool:
    level = _inner([value])
    for _ in range(MAX_JSON_DEPTH):
        level = _inner([item for parent in level for item in parent])
    return bool(level)


def _inner(items: list[Value]) -> list[list[Value]]:
    """What is inside of each list and object among the items."""
    return [
        item if isinstance(item, list) else list(item.values())
        for item in items
        if isinstance(item, list | dict)
    ]


_DECODER = json.JSONDecoder(
    parse_int=float, object_pairs_hook=_object, parse_constant=_refuse, strict=True
)
