"""`${{ }}` in a text: found, filled in, and what an `if` means. Called by the package's functions.

A hole ends at the first `}}` outside quotes, as in GitHub's reader of workflows. What is filled in
is never read again.
"""

import re
from functools import lru_cache

from headway.expression.evaluator import run
from headway.expression.limits import Meter
from headway.expression.parser import Parsed, parse
from headway.expression.terms import ExpressionError, Hole, Scope, Value
from headway.expression.unicode import WHITESPACE, joined
from headway.expression.values import text, truth
from headway.record import dataclass

OPEN, CLOSE = "${{", "}}"
_QUOTED_OR_CLOSE = re.compile(r"'[^']*(?:'|\Z)|\}\}")
UNCLOSED = (
    "The expression is not closed. An unescaped ${{ sequence was found, "
    "but the closing }} sequence was not found."
)
EMPTY = "An expression was expected"


@dataclass(frozen=True, slots=True)
class Condition:
    """An `if`: the parts whose truth it is. `parts` is empty for an empty one."""

    parts: "tuple[str | Hole, ...]"
    asks_status: bool


def holes(given: str) -> tuple[Hole, ...]:
    """Every `${{ }}`. Raises ExpressionError (`lexing`) for one that is never closed."""
    return tuple(part for part in parts(given) if isinstance(part, Hole))


def fill(given: str, scope: Scope) -> str:
    """The text with every hole's value as text. What is filled in is not read again."""
    if OPEN not in given:
        return given
    return _filled(parts(given), scope)


def value(given: str, scope: Scope) -> Value:
    """The value itself where the whole text is one hole, else as `fill`."""
    if OPEN not in given:
        return given
    return _whole(parts(given), scope)


def condition(expression: str, scope: Scope) -> bool:
    """The truth of an `if`: one that calls no status function means `success() && (…)`; empty means
    `success()`. `${{ }}` around it is taken away.
    """
    asked = _condition(expression)
    for part in asked.parts:
        if isinstance(part, Hole):
            _parsed(part).verify(scope.contexts, scope.functions)
    if not asked.asks_status and not _success(scope):
        return False
    return not asked.parts or truth(_whole(asked.parts, scope))


@lru_cache(maxsize=512)
def parts(given: str) -> tuple[str | Hole, ...]:
    """The text cut at its holes, empty pieces left out. Raises as `holes`."""
    found: list[str | Hole] = []
    at = 0
    while (start := given.find(OPEN, at)) >= 0:
        end = _end(given, start)
        found += [given[at:start]] if start > at else []
        found.append(_hole(given[start + len(OPEN) : end - len(CLOSE)], start + len(OPEN)))
        at = end
    return (*found, given[at:]) if at < len(given) else tuple(found)


def _end(given: str, start: int) -> int:
    """After the first `}}` outside quotes."""
    for match in _QUOTED_OR_CLOSE.finditer(given, start + len(OPEN)):
        if match.group() == CLOSE:
            return match.end()
    raise ExpressionError("lexing", UNCLOSED, start).within(given)


def _hole(inside: str, position: int) -> Hole:
    blanks = len(inside) - len(inside.lstrip(WHITESPACE))
    return Hole(inside.strip(WHITESPACE), position + blanks)


@lru_cache(maxsize=512)
def _condition(given: str) -> Condition:
    found = parts(given) if OPEN in given else ()
    if not found and given.strip(WHITESPACE):
        found = (_hole(given, 0),)
    asked = any(_parsed(part).asks_status for part in found if isinstance(part, Hole))
    return Condition(found, asked)


def _parsed(hole: Hole) -> Parsed:
    if not hole.expression:
        raise ExpressionError("parsing", EMPTY)
    return parse(hole.expression)


def _whole(found: tuple[str | Hole, ...], scope: Scope) -> Value:
    if len(found) == 1 and isinstance(found[0], Hole):
        return run(_parsed(found[0]), scope, Meter())
    return _filled(found, scope)


def _filled(found: tuple[str | Hole, ...], scope: Scope) -> str:
    """All holes of one text are paid for from one budget."""
    meter = Meter()
    return joined("".join([_piece(part, scope, meter) for part in found]))


def _piece(part: str | Hole, scope: Scope, meter: Meter) -> str:
    if isinstance(part, str):
        return part
    filled = text(run(_parsed(part), scope, meter))
    meter.spend(len(filled))
    return filled


def _success(scope: Scope) -> bool:
    return truth(run(parse("success()"), scope, Meter()))
