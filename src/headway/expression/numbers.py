"""Numbers to text and back, by the rules of ECMAScript (Number::toString, StringToNumber).

Called by lexer, values and json_text. All numbers are 64-bit floats.
"""

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from math import inf, isfinite, isnan, nan

from headway.expression.unicode import WHITESPACE

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BASED = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_BASES = {"x": 16, "o": 8, "b": 2}
_ENDLESS = {"Infinity": inf, "+Infinity": inf, "-Infinity": -inf}
_EXACT = 1e15  # a whole number below needs neither rounding nor an exponent
_FIFTEEN = Decimal(1).scaleb(-15)
_WIDE = Context(prec=60)


def number_of(text: str) -> float:
    """NaN for what is no number, 0 for an empty text. Whitespace around is no matter."""
    trimmed = text.strip(WHITESPACE)
    if not trimmed:
        return 0.0
    if _DECIMAL.fullmatch(trimmed):
        return float(trimmed)
    if _BASED.fullmatch(trimmed):
        return whole(int(trimmed[2:], _BASES[trimmed[1].lower()]))
    return _ENDLESS.get(trimmed, nan)


def whole(number: int) -> float:
    """The nearest float; infinity for what is too large."""
    try:
        return float(number)
    except OverflowError:
        return inf if number > 0 else -inf


def number_text(number: float) -> str:
    """The shortest text that reads back as the number, `1e+21` and `1.5e-7` for the far ends."""
    if isnan(number):
        return "NaN"
    if not isfinite(number):
        return "Infinity" if number > 0 else "-Infinity"
    if -_EXACT < number < _EXACT and number == int(number):
        return str(int(number))
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)  # only a non-finite number has none
    shown = _placed("".join(map(str, digits)), len(digits) + exponent)
    return f"-{shown}" if sign else shown


def rounded_text(number: float) -> str:
    """As `number_text`, with at most 15 digits after the point."""
    if not isfinite(number) or abs(number) >= 1e21 or number == int(number):
        return number_text(number)
    return number_text(float(Decimal(number).quantize(_FIFTEEN, ROUND_HALF_UP, _WIDE)))


def _placed(digits: str, point: int) -> str:
    """Digits with the point after the first `point` of them."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if digits[1:] else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"
