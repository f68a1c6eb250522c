"""An expression's text cut into tokens. Called by parser.

Which character ends a word, and that a leading `.`, `+` or `-` begins a number, is as in the
reference (actions/languageservices, expressions/src/lexer.ts).
"""

import re

from headway.expression.limits import MAX_LENGTH
from headway.expression.numbers import number_of
from headway.expression.terms import ExpressionError, Value
from headway.expression.unicode import WHITESPACE, length
from headway.record import dataclass

TOO_LONG = f"Exceeded max expression length {MAX_LENGTH}"
_ENDS = r"()\[\],!><=&|" + WHITESPACE
_WORD = re.compile(f"[^.{_ENDS}]*")
_NUMBER = re.compile(f"[^{_ENDS}]*")
_OPERATOR = re.compile(r"&&|\|\||[=!<>]=|[()\[\],!<>*]")
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_-]*")
_BLANK = re.compile("[ \r\t\n]+")
_CONSTANTS: dict[str, Value] = {
    "true": True,
    "false": False,
    "null": None,
    "NaN": float("nan"),
    "Infinity": float("inf"),
}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: an operator, `name`, `constant` or `end`. `value`: of a constant."""

    kind: str
    lexeme: str
    start: int
    line_start: int
    value: Value = None

    def __str__(self) -> str:
        if self.kind == "end":
            return "EOF"
        return self.value if isinstance(self.value, str) else self.lexeme


class Lexer:
    """`once`: as the reference does, only the first `''` of a text becomes a `'`."""

    def __init__(self, text: str, *, once: bool) -> None:
        self._text, self._once = text, once
        self._start = self._line_start = 0
        self._tokens: list[Token] = []

    def tokens(self) -> list[Token]:
        """Every token, `end` last. Raises ExpressionError (`lexing`)."""
        text, at = self._text, 0
        if length(text) > MAX_LENGTH:
            raise ExpressionError("lexing", TOO_LONG)
        while at < len(text):
            self._start = at
            at = self._token(text[at])
        self._add("end", "")
        return self._tokens

    def _token(self, first: str) -> int:
        """Read one token or a run of blanks; where the next begins."""
        if first in " \r\t\n":
            return self._blanks()
        if first == "'":
            return self._quoted()
        if first in "0123456789+-" or (first == "." and not self._may_dot()):
            return self._number()
        if first == ".":
            return self._add(".", ".")
        operator = _OPERATOR.match(self._text, self._start)
        return self._add(operator.group(), operator.group()) if operator else self._name()

    def _blanks(self) -> int:
        """The last blank counts as the start: that is where an end of expression is reported."""
        match = _BLANK.match(self._text, self._start)
        assert match is not None
        last = self._text.rfind("\n", self._start, match.end())
        self._line_start = last + 1 if last >= 0 else self._line_start
        self._start = match.end() - 1
        return match.end()

    def _may_dot(self) -> bool:
        return bool(self._tokens) and self._tokens[-1].kind in ("name", "]", ")", "*")

    def _number(self) -> int:
        lexeme = self._from_second(_NUMBER)
        value = number_of(lexeme)
        if value != value:  # noqa: PLR0124  NaN
            raise self._unexpected(lexeme)
        return self._add("constant", lexeme, value)

    def _quoted(self) -> int:
        text, end = self._text, self._text.find("'", self._start + 1)
        while end >= 0 and text[end + 1 : end + 2] == "'":
            end = text.find("'", end + 2)
        if end < 0:
            raise self._unexpected(text[self._start :])
        inside = text[self._start + 1 : end]
        value = inside.replace("''", "'", 1 if self._once else -1)
        return self._add("constant", text[self._start : end + 1], value)

    def _name(self) -> int:
        lexeme = self._from_second(_WORD)
        if not _NAME.fullmatch(lexeme):
            raise self._unexpected(lexeme)
        dotted = bool(self._tokens) and self._tokens[-1].kind == "."
        if lexeme in _CONSTANTS and not dotted:
            return self._add("constant", lexeme, _CONSTANTS[lexeme])
        return self._add("name", lexeme)

    def _from_second(self, pattern: re.Pattern[str]) -> str:
        """The first character, whatever it is, and what the pattern takes after it."""
        match = pattern.match(self._text, self._start + 1)
        assert match is not None
        return self._text[self._start] + match.group()

    def _add(self, kind: str, lexeme: str, value: Value = None) -> int:
        self._tokens.append(Token(kind, lexeme, self._start, self._line_start, value))
        return self._start + len(lexeme)

    def _unexpected(self, lexeme: str) -> ExpressionError:
        return ExpressionError(
            "lexing",
            f"Unexpected symbol: '{lexeme}'",
            self._start,
            line_start=self._line_start,
        )
