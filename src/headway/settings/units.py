"""One number, one unit: `30s`, `5%`, `512MiB` to seconds, fractions of 1 and bytes.

The schema's patterns say what is readable; these functions are called after it said yes.
"""

import math
from decimal import Decimal

_SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_BYTES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def seconds(text: str) -> float:
    """`500ms` is 0.5, `2h` is 7200."""
    number = text.rstrip("mshd")
    return float(_whole(number) * _SECONDS[text[len(number) :]])


def size(text: str) -> int:
    """`512MiB` in bytes."""
    return _whole(text[:-3]) * _BYTES[text[-3:]]


def _whole(digits: str) -> int:
    """The number; beyond 18 digits just a number that every check finds too large."""
    return int(digits) if len(digits) <= 18 else 10**18


def fraction(text: str) -> float:
    """`5%` is 0.05. Shares and growths alike."""
    return float(_share(text))


def count(text: int | str, whole: int, *, up: bool) -> int:
    """A count as it is, or a percentage of `whole`, rounded up or down."""
    if isinstance(text, int):
        return text
    return (math.ceil if up else math.floor)(_share(text) * whole)


def _share(text: str) -> Decimal:
    return Decimal(text.removesuffix("%")) / 100


def duration(value: float) -> str:
    """Seconds as headway.yaml writes them, in the largest unit that leaves a whole number."""
    if value != int(value):
        return f"{round(value * 1000)}ms"
    whole = int(value)
    for unit, of in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole and whole % of == 0:
            return f"{whole // of}{unit}"
    return f"{whole}s"


def memory(value: int) -> str:
    """Bytes as headway.yaml writes them."""
    for unit in ("GiB", "MiB"):
        if value % _BYTES[unit] == 0:
            return f"{value // _BYTES[unit]}{unit}"
    return f"{value // 1024}KiB"


def percent(value: float) -> str:
    """A fraction as headway.yaml writes it: 0.05 is `5%`."""
    return f"{round(value * 100, 6):g}%"
