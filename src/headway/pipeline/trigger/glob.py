"""The glob patterns of `branches`, `tags` and `paths`, as GitHub documents them.

`*` any characters but `/`; `**` any characters; `?` none or one and `+` one or more of the
character before; `[a-z]` one of these; `\\` takes the next character as it is; a leading `!` takes
back. The last pattern that matches decides (docs.github.com, "Filter pattern cheat sheet").

Patterns and names are both written by strangers. A pattern becomes a bit-parallel automaton, whose
time is pattern length times text length, where a backtracking one could take for ever.
Called by filters and, for `fault`, by whoever reads workflow files.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

MOST_PATTERN = 1000
_RANGE = re.compile(r"([A-Za-z0-9])-([A-Za-z0-9])|([A-Za-z0-9_])")
_ANY, _NO_SLASH = "any", "no slash"


@dataclass(frozen=True, slots=True)
class _Token:
    """One character of `chars` (or any, or any but a slash); `optional`: or none; `many`: or more.
    `leap`: this one and the next may both be left out.
    """

    chars: str | frozenset[str]
    optional: bool = False
    many: bool = False
    leap: bool = False

    def takes(self, char: str) -> bool:
        if self.chars == _ANY:
            return True
        return char != "/" if self.chars == _NO_SLASH else char in self.chars


class Glob:
    """A compiled pattern without its `!`. State bit i: the first i tokens are behind us."""

    __slots__ = ("_leaps", "_skips", "_steps", "_tokens")

    def __init__(self, tokens: tuple[_Token, ...]) -> None:
        self._tokens = tokens
        self._skips = sum(1 << i for i, t in enumerate(tokens) if t.optional)
        self._leaps = sum(1 << i for i, t in enumerate(tokens) if t.leap)
        self._steps: dict[str, tuple[int, int]] = {}

    def matches(self, text: str) -> bool:
        """Whether it matches the whole text."""
        state = self._leapt(1)
        for char in text:
            step, stay = self._steps.get(char) or self._learn(char)
            state = self._leapt(((state & step) << 1) | (state & stay))
            if not state:
                return False
        return bool(state >> len(self._tokens))

    def _learn(self, char: str) -> tuple[int, int]:
        step = sum(1 << i for i, t in enumerate(self._tokens) if t.takes(char))
        stay = sum(1 << i + 1 for i, t in enumerate(self._tokens) if t.many and t.takes(char))
        self._steps[char] = step, stay
        return step, stay

    def _leapt(self, state: int) -> int:
        while True:
            more = state | ((state & self._skips) << 1) | ((state & self._leaps) << 2)
            if more == state:
                return state
            state = more


def fault(pattern: str) -> str:
    """Why the pattern cannot be read; empty if it can."""
    try:
        _compiled(pattern.removeprefix("!"))
    except ValueError as error:
        return str(error)
    return ""


def included(patterns: Iterable[str], text: str) -> bool:
    """Whether the last pattern that matches the text is one without `!`.

    Raises ValueError for a pattern that `fault` finds fault with.
    """
    inside = False
    for pattern in patterns:
        glob, taken_back = _compiled(pattern.removeprefix("!")), pattern.startswith("!")
        if inside == taken_back and glob.matches(text):
            inside = not taken_back
    return inside


@lru_cache(maxsize=2048)
def _compiled(pattern: str) -> Glob:
    if len(pattern) > MOST_PATTERN:
        raise ValueError(f"a pattern has at most {MOST_PATTERN} characters")
    tokens: list[_Token] = []
    rest = pattern
    while rest:
        rest = _next(rest, tokens)
    return Glob(tuple(tokens))


def _next(rest: str, tokens: list[_Token]) -> str:
    """Add what the pattern begins with to the tokens; gives the remainder."""
    if rest.startswith("**/"):
        tokens += [_Token(_ANY, many=True, leap=True), _Token(frozenset("/"))]
        return rest[3:]
    if rest.startswith("**"):
        tokens.append(_Token(_ANY, optional=True, many=True))
        return rest[2:]
    match rest[0]:
        case "*":
            tokens.append(_Token(_NO_SLASH, optional=True, many=True))
        case "?" | "+" if tokens:
            last = tokens[-1]
            more = rest[0] == "+"
            tokens[-1] = _Token(last.chars, last.optional or not more, last.many or more, last.leap)
        case "[":
            return _bracket(rest, tokens)
        case "\\":
            if len(rest) == 1:
                raise ValueError("a `\\` needs a character after it")
            tokens.append(_Token(frozenset(rest[1])))
            return rest[2:]
        case char:
            tokens.append(_Token(frozenset(char)))
    return rest[1:]


def _bracket(rest: str, tokens: list[_Token]) -> str:
    inner, closed, after = rest[1:].partition("]")
    if not closed:
        raise ValueError("a `[` needs a `]`")
    if not inner:
        raise ValueError("`[]` can match nothing")
    chars: set[str] = set()
    at = 0
    while at < len(inner):
        found = _RANGE.match(inner, at)
        if not found or (found[1] and not _orderly(found[1], found[2])):
            raise ValueError(
                "between `[` and `]` are a-z, A-Z and 0-9 only, ranges from low to high"
            )
        at = found.end()
        chars |= _span(found[1], found[2]) if found[1] else {found[3]}
    tokens.append(_Token(frozenset(chars)))
    return after


def _orderly(low: str, high: str) -> bool:
    kinds = [(c.isdigit(), c.isupper()) for c in (low, high)]
    return low <= high and kinds[0] == kinds[1]


def _span(low: str, high: str) -> set[str]:
    return {chr(code) for code in range(ord(low), ord(high) + 1)}
