"""A strategy's matrix written out: the product of its vectors, less `exclude`, more `include`.

The rules are those of docs.github.com, "Running variations of jobs in a workflow": excludes first;
an include adds its own keys to every combination whose original values it does not contradict, and
is a combination of its own where there is none; what was added may be overwritten by a later
include, what was in a vector may not. Values are compared as `==` compares them, leaf by leaf.
Called by schedule.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

from headway import expression
from headway.document import Mapping, Node, Scalar, Sequence
from headway.expression import Scope, Value

MAX_INSTANCES = 256
MAX_NAME = 100

Matrix = dict[str, Any]


class BadMatrix(ValueError):
    """The matrix cannot be written out; the message is a sentence about it."""


def expand(node: Node, scope: Scope) -> tuple[tuple[Matrix, tuple[str, ...]], ...]:
    """Every combination, with the words that tell it from the others in a name.

    Raises BadMatrix, ExpressionError.
    """
    given = evaluated(node, scope)
    if not isinstance(given, dict):
        raise BadMatrix("a matrix is a mapping of lists")
    excludes = _mappings(given.pop("exclude", None), "exclude")
    includes = _mappings(given.pop("include", None), "include")
    vectors = {name: _vector(name, values) for name, values in given.items()}
    _check_excludes(vectors, excludes)
    if vectors and math.prod(len(v) for v in vectors.values()) > 100 * MAX_INSTANCES:
        raise _too_many()
    found = [*_combinations(vectors, excludes, includes)]
    if not found:
        raise BadMatrix("no combination is left in the matrix")
    if len(found) > MAX_INSTANCES:
        raise _too_many()
    return tuple(found)


def evaluated(node: Node, scope: Scope) -> Value:
    """A node of the document as data, every `${{ }}` in it evaluated. Raises ExpressionError."""
    match node:
        case Scalar():
            if isinstance(node.value, str) and "${{" in node.text:
                return expression.value(node.text, scope)
            return node.value
        case Sequence():
            return [evaluated(item, scope) for item in node.items]
        case Mapping():
            return {key.text: evaluated(value, scope) for key, value in node.entries}


def suffixed(name: str, words: tuple[str, ...]) -> str:
    """A job's name with what its combination is: `test (3.12, linux)`, at most 100 characters."""
    whole = f"{name} ({', '.join(words)})" if words else name
    return whole if len(whole) <= MAX_NAME else f"{whole[: MAX_NAME - 3]}..."


def _combinations(
    vectors: dict[str, list[Any]], excludes: list[Matrix], includes: list[Matrix]
) -> Iterator[tuple[Matrix, tuple[str, ...]]]:
    added: set[int] = set()
    product = itertools.product(*vectors.values()) if vectors else ()
    for values in product:
        original = dict(zip(vectors, values, strict=True))
        if any(_matches(exclude, original) for exclude in excludes):
            continue
        extra: Matrix = {}
        for number, include in enumerate(includes):
            if _matches({k: v for k, v in include.items() if k in vectors}, original):
                added.add(number)
                extra |= {k: v for k, v in include.items() if k not in vectors}
        yield original | extra, tuple(_words(original))
    for number, include in enumerate(includes):
        if number not in added:
            yield include, tuple(_words(include))


def _matches(wanted: Value, found: Value) -> bool:
    """Whether every leaf of `wanted` equals what is at its place in `found`."""
    if isinstance(wanted, dict):
        inside = found if isinstance(found, dict) else {}
        return all(_matches(value, inside.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        items = found if isinstance(found, list) else []
        return all(
            _matches(value, items[n] if n < len(items) else None) for n, value in enumerate(wanted)
        )
    if isinstance(wanted, str) and isinstance(found, str):
        return wanted.upper() == found.upper()
    scope = Scope({"matrix": found, "inputs": wanted}, {})
    return expression.evaluate("matrix == inputs", scope) is True


def _words(value: Value) -> Iterator[str]:
    if isinstance(value, dict):
        for inside in value.values():
            yield from _words(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _words(inside)
    elif value is not None and (word := expression.text(value)):
        yield word


def _vector(name: str, values: Value) -> list[Any]:
    if not isinstance(values, list):
        raise BadMatrix(f"`{name}` of the matrix is not a list")
    if not values:
        raise BadMatrix(f"`{name}` of the matrix is an empty list")
    return values


def _mappings(values: Value, name: str) -> list[Matrix]:
    if values is None or values == "":
        return []
    if not isinstance(values, list) or not all(isinstance(v, dict) and v for v in values):
        raise BadMatrix(f"`{name}` of the matrix is not a list of mappings")
    return [dict(v) for v in values if isinstance(v, dict)]


def _check_excludes(vectors: dict[str, list[Any]], excludes: list[Matrix]) -> None:
    for key in {key for exclude in excludes for key in exclude}:
        if key not in vectors:
            raise BadMatrix(f"`exclude` names `{key}`, which is no key of the matrix")


def _too_many() -> BadMatrix:
    return BadMatrix(f"the matrix has more than {MAX_INSTANCES} combinations")
