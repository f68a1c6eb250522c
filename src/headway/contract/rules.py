"""The `matchingRules` of an answer: from JSON to Rules. Called by reader.

Words as in the Pact specification. A matcher that is not known here is refused: to leave it out
would pass answers that the consumer cannot read. Patterns are hostile: nested repetition, which can
take for ever, is refused too.
"""

import re
from typing import Any

from headway.contract.interaction import Matcher, Rule, Rules
from headway.contract.paths import parse

MOST_PATTERN = 500
MOST_RULES = 5000
_PLAIN = frozenset({"equality", "integer", "decimal", "number", "boolean", "null", "values"})
_PLAIN_TOO = frozenset({"type", "notEmpty", "semver"})
_CLASSES = frozenset(
    {"info", "success", "redirect", "clientError", "serverError", "nonError", "error"}
)
_REPEAT = r"(?:[*+]|\{\d*,\d*\})"
_NESTED = re.compile(rf"\((?:[^()\\]|\\.)*{_REPEAT}(?:[^()\\]|\\.)*\){_REPEAT}")


def of_body(node: Any) -> Rules:
    """Rules by path. Raises ValueError with a sentence."""
    pairs = _pairs(node, "body")
    return tuple(_rule(parse_named(path), given) for path, given in pairs)


def parse_named(path: str) -> tuple[str | int, ...]:
    """The path, its error naming it."""
    try:
        return parse(path)
    except ValueError as error:
        raise ValueError(f"body {path[:80]!r}: {error}") from error


def of_names(node: Any) -> Rules:
    """Rules by the names of headers, which are compared in lower case."""
    return tuple(_rule((name.lower(),), given) for name, given in _pairs(node, "header"))


def of_whole(node: Any) -> Rules:
    """The rule of the status."""
    if node is None or node == {}:
        return ()
    if isinstance(node, dict) and "" in node and "matchers" not in node:
        node = node[""]
    return (_rule((), node),)


def _pairs(node: Any, what: str) -> list[tuple[str, Any]]:
    if node is None:
        return []
    if not isinstance(node, dict) or len(node) > MOST_RULES:
        raise ValueError(f"{what}: must be an object of at most {MOST_RULES} rules")
    return list(node.items())


def _rule(path: tuple[str | int, ...], given: Any) -> Rule:
    matchers = given.get("matchers") if isinstance(given, dict) else None
    if not isinstance(matchers, list) or not matchers or len(matchers) > 20:
        raise ValueError("a rule needs `matchers`, a list")
    combine = str(given.get("combine", "AND"))
    if combine not in {"AND", "OR"}:
        raise ValueError(f"`combine` is AND or OR, not {combine[:20]!r}")
    return Rule(path, tuple(_matcher(one) for one in matchers), any=combine == "OR")


def _matcher(given: Any) -> Matcher:
    if not isinstance(given, dict):
        raise ValueError("a matcher must be an object")
    kind = given.get("match", "type" if {"min", "max"} & set(given) else "")
    if kind == "regex":
        return Matcher("regex", _pattern(given.get("regex")))
    if kind == "include":
        return Matcher("include", str(given.get("value", "")))
    if kind == "statusCode":
        return _status(given.get("status"))
    if kind in _PLAIN | _PLAIN_TOO or kind in {"min", "max"}:
        return Matcher(str(kind), least=_bound(given, "min"), most=_bound(given, "max"))
    raise ValueError(f"the matcher {str(kind)[:40]!r} is not known here")


def _bound(given: dict[str, Any], key: str) -> int | None:
    value = given.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"`{key}` must be a number from 0")
    return value


def _status(given: Any) -> Matcher:
    if isinstance(given, list) and given and all(isinstance(s, int) for s in given):
        return Matcher("statusCode", statuses=tuple(given))
    if given in _CLASSES:
        return Matcher("statusCode", str(given))
    raise ValueError(f"the status {str(given)[:40]!r} is not known here")


def _pattern(given: Any) -> str:
    """A pattern that is quick on any text. Raises ValueError."""
    if not isinstance(given, str) or len(given) > MOST_PATTERN:
        raise ValueError(f"`regex` must be a text of at most {MOST_PATTERN} characters")
    if _NESTED.search(given):
        raise ValueError(f"the pattern {given[:60]!r} repeats what repeats; it may take for ever")
    try:
        re.compile(given)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"the pattern {given[:60]!r} cannot be read: {error}") from error
    return given
