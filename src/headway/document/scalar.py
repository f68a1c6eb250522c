r"""What an unquoted word means: the core schema of YAML 1.2.2, section 10.3.2.

YAML 1.1 reads `on` and `no` as booleans, `12:30` as 750 and `010` as 8; here they stay text, and so
do dates. Three things of the core schema stay text too, because no document read here can mean
them: numbers with leading zeros (8 in YAML 1.1, 10 in 1.2), infinity and not-a-number, and numbers
beyond 64 bits (a commit's name may look like one). Called by `reader`.
"""

import math
import re

from headway.document.node import Value

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_UNBOUNDED = (".inf", ".nan")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_BASED = re.compile(r"0o([0-7]{1,21})|0x([0-9a-fA-F]{1,16})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def resolve(text: str) -> Value:
    """The value of an unquoted scalar: None, bool, int, float, or the text itself."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    number = _number(text)
    return text if number is None else number


def is_a(kind: str, value: Value) -> bool:
    """Whether a value is of a kind of the core schema: `str` `int` `float` `bool` `null`."""
    if kind == "null":
        return value is None
    if isinstance(value, bool) or kind == "bool":
        return isinstance(value, bool) and kind == "bool"
    if isinstance(value, str):
        return kind == "str" or (kind == "float" and value.lower().lstrip("+-") in _UNBOUNDED)
    return isinstance(value, int) if kind == "int" else kind == "float" and value is not None


def _number(text: str) -> int | float | None:
    if _INTEGER.fullmatch(text):
        return int(text) if abs(int(text)) < 2**63 else None
    if based := _BASED.fullmatch(text):
        octal, hexadecimal = based.groups()
        return int(octal, 8) if octal else int(hexadecimal, 16)
    if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit():
        return float(text) if math.isfinite(float(text)) else None
    return None
