"""Where two HTTP answers differ. Pure. Called by the watcher.

A difference is (kind, where): the status; the content type; for JSON the schema (a field is missing
or has another type) and the body (a value differs), each with its path, `[]` for any index; for
anything else the body's hash. Answers are hostile: depth and number of differences are bounded.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

KINDS = ("status", "content_type", "schema", "body")
_DEEPEST = 40
_MOST = 200

Where = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Got:
    """One answer; status 0 is none."""

    status: int
    content_type: str = ""
    body: bytes = b""


def differences(one: Got, other: Got, ignore: Collection[str] = ()) -> frozenset[Where]:
    """All that differs, at most a few hundred; fields named in `ignore` never do."""
    found: set[Where] = set()
    if one.status != other.status:
        found.add(("status", ""))
    if _kind(one) != _kind(other):
        found.add(("content_type", ""))
    left, right = _json(one), _json(other)
    if left is None or right is None:
        if hashlib.sha256(one.body).digest() != hashlib.sha256(other.body).digest():
            found.add(("body", ""))
        return frozenset(found)
    for where in _walk(left[0], right[0], "$", frozenset(ignore), 0):
        found.add(where)
        if len(found) >= _MOST:
            break
    return frozenset(found)


def first(found: Collection[Where]) -> Where:
    """The one to tell of: the gravest kind, then by its path."""
    return min(found, key=lambda where: (KINDS.index(where[0]), where[1]))


def _kind(got: Got) -> str:
    return got.content_type.partition(";")[0].strip().lower()


def _json(got: Got) -> tuple[Any] | None:
    """The body's value in a tuple, because null is a value; None: no JSON."""
    if not _kind(got).endswith(("/json", "+json")):
        return None
    try:
        return (json.loads(got.body),)
    except (ValueError, RecursionError):
        return None


def _walk(one: Any, other: Any, at: str, ignore: frozenset[str], depth: int) -> Iterator[Where]:
    if _type(one) != _type(other):
        yield ("schema", at)
    elif isinstance(one, dict):
        yield from _objects(one, other, at, ignore, depth)
    elif isinstance(one, list):
        yield from _lists(one, other, at, ignore, depth)
    elif one != other:
        yield ("body", at)


def _objects(
    one: dict[str, Any], other: dict[str, Any], at: str, ignore: frozenset[str], depth: int
) -> Iterator[Where]:
    for name in sorted((one.keys() | other.keys()) - ignore):
        where = f"{at}.{name}"[:200]
        if name not in one or name not in other:
            yield ("schema", where)
        elif depth < _DEEPEST:
            yield from _walk(one[name], other[name], where, ignore, depth + 1)
        elif one[name] != other[name]:
            yield ("body", where)


def _lists(
    one: list[Any], other: list[Any], at: str, ignore: frozenset[str], depth: int
) -> Iterator[Where]:
    if len(one) != len(other):
        yield ("body", f"{at}.length")
    for left, right in zip(one, other, strict=False):
        if depth < _DEEPEST:
            yield from _walk(left, right, f"{at}[]", ignore, depth + 1)
        elif left != right:
            yield ("body", f"{at}[]")


def _type(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "boolean" if value is not None else "null"
    return {int: "number", float: "number", str: "string", list: "list"}.get(type(value), "object")
