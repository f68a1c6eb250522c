"""A tree and a scope to a value. Called by templates, by the package's functions and by reference.

Operands are evaluated in the reference's order: the key of an index before what is indexed, all
arguments of a function before the function.
"""

from collections.abc import Callable, Mapping
from math import floor, isfinite
from typing import Any

from headway.expression.ast import Call, Compare, Context, Index, Literal, Logic, Node, Not
from headway.expression.functions import BUILT_IN, weight
from headway.expression.limits import FREE, ITEM, Meter
from headway.expression.parser import Parsed
from headway.expression.terms import ExpressionError, Scope, Value
from headway.expression.values import Filtered, equal, less, number, primitive, text, truth

_MISSING: Any = object()
_COMPARE: Mapping[str, Callable[[Value, Value], bool]] = {
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": less,
    "<=": lambda left, right: equal(left, right) or less(left, right),
    ">": lambda left, right: less(right, left),
    ">=": lambda left, right: equal(left, right) or less(right, left),
}


def run(parsed: Parsed, scope: Scope, meter: Meter) -> Value:
    """The value of a parsed text. Raises ExpressionError: its own, or `evaluation`."""
    parsed.verify(scope.contexts, scope.functions)
    if parsed.tree is None:
        return None
    try:
        found = Evaluation(scope, meter).value(parsed.tree)
    except ExpressionError as error:
        raise error.within(parsed.text) from error.__cause__
    return list(found) if isinstance(found, Filtered) else found


class Evaluation:
    """One evaluation: what it sees, and what it may still spend."""

    __slots__ = ("_meter", "_scope")

    def __init__(self, scope: Scope, meter: Meter) -> None:
        self._scope, self._meter = scope, meter

    def value(self, node: Node) -> Value:
        """The value of one node."""
        match node:
            case Literal(found):
                return found
            case Context(name):
                found = entry(self._scope.contexts, name, self._meter)
                return None if found is _MISSING else found
            case Index():
                return self._index(node)
            case Call():
                return self._call(node)
            case Compare():
                return self._compare(node)
            case Logic():
                return self._logic(node)
            case Not(of):
                return not truth(self.value(of))

    def _logic(self, node: Logic) -> Value:
        found: Value = None
        for operand in node.operands:
            found = self.value(operand)
            if truth(found) is not node.every:
                break
        return found

    def _compare(self, node: Compare) -> Value:
        left = self.value(node.first)
        for operator, operand in node.rest:
            right = self.value(operand)
            cost = weight(left) + weight(right)
            if cost > FREE:
                self._meter.spend(cost)
            left = _COMPARE[operator](left, right)
        return left

    def _call(self, node: Call) -> Value:
        arguments = [self.value(argument) for argument in node.arguments]
        given = entry(self._scope.functions, node.name, self._meter)
        if given is _MISSING:
            return BUILT_IN[node.name.lower()](arguments, self._meter)
        found: Value = given(*arguments)
        self._meter.spend(weight(found))
        return found

    def _index(self, node: Index) -> Value:
        if node.key is None:
            return self._star(self.value(node.of))
        try:
            key = self.value(node.key)
        except ExpressionError as error:
            sentence = f"could not evaluate index for index access: {error}"
            raise ExpressionError("evaluation", sentence) from error
        of = self.value(node.of)
        if isinstance(of, Filtered):
            self._meter.spend(ITEM * len(of))
            items = (_item(item, key, self._meter) for item in of)
            return Filtered([item for item in items if item is not _MISSING])
        found = _item(of, key, self._meter)
        return None if found is _MISSING else found

    def _star(self, of: Value) -> Value:
        parents = of if isinstance(of, Filtered) else [of]
        found = Filtered()
        for parent in parents:
            items = _items(parent)
            self._meter.spend(ITEM * (len(items) + 1))
            found.extend(items)
        return found


def entry(of: Mapping[str, Any], name: str, meter: Meter) -> Any:
    """The value of a key, else of the first one that differs only in case, else _MISSING."""
    found = of.get(name, _MISSING)
    if found is not _MISSING or not of:
        return found
    meter.spend(ITEM * len(of))
    lowered = name.lower()
    for key, other in of.items():
        if key.lower() == lowered:
            return other
    return _MISSING


def _items(of: Value) -> list[Value]:
    if isinstance(of, list):
        return of
    return list(of.values()) if isinstance(of, Mapping) else []


def _item(of: Value, key: Value, meter: Meter) -> Any:
    """What is at the key; _MISSING where nothing is."""
    if isinstance(of, Mapping):
        return entry(of, text(key), meter) if primitive(key) else _MISSING
    if isinstance(of, list):
        place = number(key)
        if isfinite(place) and 0 <= place < len(of):
            return of[floor(place)]
    return _MISSING
