"""Answers as the reference implementation gives them: npm `@actions/expressions` 0.3.61.

Called by `headway workflow eval`, so that the two can be compared. The rules are the ones that runs
use; two slips of the reference are kept here only: of several `''` in a text just the first becomes
a `'`, and in an expression of several lines a parsing error's position counts from its own line.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from headway.expression.evaluator import run
from headway.expression.lexer import TOO_LONG
from headway.expression.limits import Meter
from headway.expression.numbers import number_text
from headway.expression.parser import parse
from headway.expression.terms import ExpressionError, Scope, Value
from headway.expression.unicode import WHITESPACE, length
from headway.expression.values import kind, number

NAMES = ("always", "success", "failure", "cancelled", "hashFiles")


def answer(expression: str, contexts: Mapping[str, Value], status: str) -> dict[str, Any]:
    """`{"result": {"kind", "value"}}` or `{"err": {"kind", "value"}}`, ready for JSON.

    A status function is true if it is `always` or has the status's name; hashFiles, which has no
    files here, is false.
    """
    if not expression.strip(WHITESPACE):
        return {"result": {"kind": "Null", "value": None}}
    scope = Scope(contexts, {name: _stated(name, status) for name in NAMES})
    try:
        found = run(parse(expression, once=True), scope, Meter())
        return {"result": shown(found)}
    except ExpressionError as error:
        return {"err": {"kind": error.kind, "value": _told(error, expression)}}


def shown(found: Value) -> dict[str, Any]:
    """Kind and value; a number without end as text, inside of a list or object as null."""
    match kind(found):
        case "Number":
            return {"kind": "Number", "value": _number(number(found))}
        case "Object":
            return {"kind": "Dictionary", "value": _plain(found)}
        case other:
            return {"kind": other, "value": _plain(found)}


def _number(size: float) -> Any:
    if not isfinite(size):
        return number_text(size)
    return int(size) if size == int(size) else size


def _plain(found: Value) -> Any:
    if isinstance(found, list):
        return [_plain(item) for item in found]
    if isinstance(found, Mapping):
        return {key: _plain(item) for key, item in found.items()}
    if isinstance(found, bool) or not isinstance(found, float):
        return found
    return _number(found) if isfinite(found) else None


def _stated(name: str, status: str) -> Callable[..., Value]:
    return lambda *_: name == "always" or name.lower() == status


def _told(error: ExpressionError, expression: str) -> str:
    if error.kind == "lexing":
        if str(error) == TOO_LONG:
            return "ErrorExceededMaxLength"
        place = f"at position {length(expression[: error.position]) + 1} "
    elif error.kind == "parsing":
        place = f"at position {_column(error, expression)} "
    else:
        place = ""
    return f"{error}. Located {place}within expression: {expression}"


def _column(error: ExpressionError, expression: str) -> int:
    """From 1. An end of expression after a line break stands before its line: 0."""
    if error.position < error.line_start:
        return error.position - error.line_start + 1
    return length(expression[error.line_start : error.position]) + 1
