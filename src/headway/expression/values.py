"""What values are equal, which is greater, what is true, and how one becomes another.

Called by evaluator and functions. The rules are those of ECMAScript's loose comparison, with three
exceptions of the language: texts are compared without case, lists and objects are equal only if
they are the same one, and are never converted.
"""

from collections.abc import Mapping
from math import isnan, nan

from headway.expression.numbers import number_of, rounded_text, whole
from headway.expression.terms import Value
from headway.expression.unicode import units, upper


class Filtered(list[Value]):
    """What `*` leaves. A further index is applied to every item."""

    __slots__ = ()


def kind(value: Value) -> str:
    """Null, Boolean, Number, String, Array or Object. Raises TypeError for what is no value."""
    found = _KINDS.get(type(value))
    return found if found else _odd_kind(value)


_KINDS: dict[type, str] = {
    type(None): "Null",
    bool: "Boolean",
    float: "Number",
    int: "Number",
    str: "String",
    list: "Array",
    Filtered: "Array",
    dict: "Object",
}


def _odd_kind(value: object) -> str:
    if isinstance(value, str):
        return "String"
    if isinstance(value, Mapping):
        return "Object"
    if isinstance(value, list):
        return "Array"
    raise TypeError(f"{type(value).__name__} is no value of an expression")


def primitive(value: Value) -> bool:
    """Neither a list nor an object."""
    return kind(value) not in ("Array", "Object")


def truth(found: Value) -> bool:
    """False for null, false, 0, NaN and the empty text."""
    if isinstance(found, int | float):
        return found != 0 and not isnan(found)
    return found is not None and (not isinstance(found, str) or found != "")


def text(found: Value) -> str:
    """The value as text, as the language converts it (a list is `Array`, a number without `.0`)."""
    match kind(found):
        case "String":
            return str(found)
        case "Null":
            return ""
        case "Boolean":
            return "true" if found else "false"
        case "Number":
            return rounded_text(number(found))
        case other:
            return other


def number(value: Value) -> float:
    """NaN for what cannot be read as a number."""
    if isinstance(value, str):
        return number_of(value)
    if isinstance(value, int):
        return whole(value)
    if isinstance(value, float):
        return value
    return 0.0 if value is None else nan


def equal(left: Value, right: Value) -> bool:
    """`==`."""
    left, right = _matched(left, right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right or upper(left) == upper(right)
    if isinstance(left, float) and isinstance(right, float):
        return left == right
    return left is right  # null, true, false, and the same list or object


def less(left: Value, right: Value) -> bool:
    """`<`."""
    left, right = _matched(left, right)
    if isinstance(left, str) and isinstance(right, str):
        return units(upper(left)) < units(upper(right))
    if isinstance(left, float | bool) and isinstance(right, float | bool):
        return left < right
    return False


def _matched(left: Value, right: Value) -> tuple[Value, Value]:
    """Both as numbers where the kinds differ and one of them is no list, object or text."""
    kinds = kind(left), kind(right)
    if kinds[0] == kinds[1]:
        return (number(left), number(right)) if kinds[0] == "Number" else (left, right)
    if "Array" in kinds or "Object" in kinds:
        return None, False  # neither equal nor ordered
    return number(left), number(right)
