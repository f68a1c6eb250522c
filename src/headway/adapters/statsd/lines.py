"""One line of statsd in the Datadog dialect. Pure; called by `listener`.

    NAME:VALUE[:VALUE…]|TYPE[|@RATE][|#TAG:VALUE,TAG,…]      (docs.datadoghq.com, DogStatsD)

Types: c counter, g gauge (with a sign: a change), ms h d timings and distributions, s sets.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

Type = Literal["c", "g", "ms", "h", "d", "s"]
MOST_TAGS, MOST_CHARACTERS, MOST_VALUES = 30, 200, 1000
# Datadog's unified service tags and Headway's words for the same.
_WORDS = {"env": "environment", "version": "release"}
_NAME = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class Line:
    """`values`: numbers, or for a set its members; `relative`: a gauge's change. `rate`: 0 to 1."""

    name: str
    type: Type
    values: tuple[float | str, ...]
    labels: dict[str, str]
    rate: float = 1.0
    relative: bool = False


def parse(text: str) -> Line | None:
    """The line; None for one that makes no sense, or an event or service check."""
    name, colon, rest = text.strip().partition(":")
    fields = rest.split("|")
    if not colon or not name or len(fields) < 2 or len(name) > MOST_CHARACTERS:
        return None
    kind = fields[1]
    if name.startswith(("_e{", "_sc")) or kind not in {"c", "g", "ms", "h", "d", "s"}:
        return None
    rate, labels = _options(fields[2:])
    words = fields[0].split(":")
    if rate is None or labels is None or len(words) > MOST_VALUES:
        return None
    values = _values(words, kind)
    relative = kind == "g" and fields[0][:1] in {"+", "-"}
    good = values is not None and name.isprintable()
    return Line(name, kind, values, labels, rate, relative) if good and values else None  # type: ignore[arg-type]


def _values(words: list[str], kind: str) -> tuple[float | str, ...] | None:
    if kind == "s":
        return tuple(word[:MOST_CHARACTERS] for word in words)
    try:
        numbers = tuple(float(word) for word in words)
    except ValueError:
        return None
    return numbers if all(math.isfinite(n) for n in numbers) else None


def _options(fields: list[str]) -> tuple[float | None, dict[str, str] | None]:
    """The sample rate and the labels; None for either if it makes no sense. Others are ignored."""
    rate: float | None = 1.0
    labels: dict[str, str] | None = {}
    for field in fields:
        if field.startswith("@"):
            rate = _rate(field[1:])
        elif field.startswith("#"):
            labels = _labels(field[1:])
    return rate, labels


def _rate(text: str) -> float | None:
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if 0 < rate <= 1 else None


def _labels(text: str) -> dict[str, str] | None:
    tags = [tag for tag in text.split(",") if tag]
    if len(tags) > MOST_TAGS:
        return None
    found = {}
    for tag in tags:
        name, _, value = tag.partition(":")
        if not name or len(tag) > MOST_CHARACTERS or not tag.isprintable():
            return None
        found[_NAME.sub("_", _WORDS.get(name, name))] = value or "true"
    return found
