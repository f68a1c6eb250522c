"""The built-in functions, and how many arguments each one takes. Called by parser and evaluator."""

from collections.abc import Callable, Mapping
from sys import maxsize

from headway.expression import json_text, layout
from headway.expression.limits import ITEM, MAX_ARGUMENTS, Meter
from headway.expression.terms import ExpressionError, Value
from headway.expression.unicode import WHITESPACE, joined, units, upper
from headway.expression.values import equal, kind, primitive, text
from headway.record import dataclass

Arguments = list[Value]
STATUS = frozenset(("success", "failure", "cancelled", "always"))


@dataclass(frozen=True, slots=True)
class Arity:
    """How many arguments: from `least` to `most`."""

    least: int
    most: int

    def fault(self, name: str, count: int) -> str:
        """What is wrong with so many; empty if nothing is."""
        if count < self.least:
            return "Too few parameters supplied"
        if count > self.most:
            return "Too many parameters supplied"
        if name == "case" and count % 2 == 0:
            return "Even number of parameters supplied, requires an odd number of parameters"
        return ""


def contains(arguments: Arguments, meter: Meter) -> Value:
    """A text in a text, or an equal item in a list."""
    where, what = arguments
    if primitive(where):
        if not primitive(what):
            return False
        return units(_paid(where, meter).lower()).find(units(_paid(what, meter).lower())) >= 0
    if not isinstance(where, list):
        return False
    return any(_same(item, what, meter) for item in where)


def starts_with(arguments: Arguments, meter: Meter) -> Value:
    """Without case."""
    pair = _upper_pair(arguments, meter)
    return pair is not None and pair[0].startswith(pair[1])


def ends_with(arguments: Arguments, meter: Meter) -> Value:
    """Without case."""
    pair = _upper_pair(arguments, meter)
    return pair is not None and pair[0].endswith(pair[1])


def format_text(arguments: Arguments, meter: Meter) -> Value:
    """A template filled in."""
    template = _paid(arguments[0], meter)
    givers = [lambda given=given: _paid(given, meter) for given in arguments[1:]]
    return joined("".join(layout.fill_in(template, givers)))


def join(arguments: Arguments, meter: Meter) -> Value:
    """The items of a list as one text. Anything else as text; an object is an empty one."""
    given = arguments[0]
    if primitive(given):
        return text(given)
    if not isinstance(given, list):
        return ""
    between = text(arguments[1]) if len(arguments) > 1 and primitive(arguments[1]) else ","
    meter.spend((ITEM + len(between)) * len(given))
    return joined(between.join([_paid(item, meter) for item in given]))


def to_json(arguments: Arguments, meter: Meter) -> Value:
    """As JSON."""
    return json_text.write(arguments[0], meter)


def from_json(arguments: Arguments, meter: Meter) -> Value:
    """From JSON."""
    given = text(arguments[0])
    if not given.strip(WHITESPACE):
        raise ExpressionError("evaluation", "empty input")
    try:
        return json_text.read(given, meter)
    except ExpressionError:
        raise
    except ValueError as error:
        sentence = "Error parsing JSON when evaluating fromJson"
        raise ExpressionError("evaluation", sentence) from error


def case(arguments: Arguments, meter: Meter) -> Value:
    """The value after the first predicate that is true; the last argument if none is."""
    meter.spend(len(arguments))
    for predicate, found in zip(arguments[:-1:2], arguments[1::2], strict=True):
        if not isinstance(predicate, bool):
            sentence = "case predicate must evaluate to a boolean value"
            raise ExpressionError("evaluation", sentence)
        if predicate:
            return found
    return arguments[-1]


def _paid(value: Value, meter: Meter) -> str:
    found = text(value)
    meter.spend(len(found))
    return found


def _upper_pair(arguments: Arguments, meter: Meter) -> tuple[str, str] | None:
    if not all(map(primitive, arguments)):
        return None
    whole, part = (units(upper(_paid(argument, meter))) for argument in arguments)
    return whole, part


def _same(item: Value, what: Value, meter: Meter) -> bool:
    meter.spend(weight(item) + weight(what))
    return equal(what, item)


def weight(value: Value) -> int:
    """What comparing it costs."""
    return len(value) if kind(value) == "String" and isinstance(value, str) else 1


BUILT_IN: Mapping[str, Callable[[Arguments, Meter], Value]] = {
    "case": case,
    "contains": contains,
    "endswith": ends_with,
    "format": format_text,
    "fromjson": from_json,
    "join": join,
    "startswith": starts_with,
    "tojson": to_json,
}
ARITIES: Mapping[str, Arity] = {
    "case": Arity(3, maxsize),
    "contains": Arity(2, 2),
    "endswith": Arity(2, 2),
    "format": Arity(1, MAX_ARGUMENTS),
    "fromjson": Arity(1, 1),
    "join": Arity(1, 2),
    "startswith": Arity(2, 2),
    "tojson": Arity(1, 1),
    "always": Arity(0, 0),
    "cancelled": Arity(0, 0),
    "failure": Arity(0, MAX_ARGUMENTS),
    "success": Arity(0, MAX_ARGUMENTS),
    "hashfiles": Arity(1, MAX_ARGUMENTS),
}
