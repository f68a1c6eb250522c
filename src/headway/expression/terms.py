"""The words of the expression language that every part of it uses: values, scope, errors, uses.

`headway.expression` gives them to the outside; nothing else is called from there.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from headway.record import dataclass

Value = None | bool | float | str | list[Any] | dict[str, Any]
Fault = Literal["lexing", "parsing", "evaluation"]


class ExpressionError(ValueError):
    """`position` counts characters from 0 in the text that was parsed; `line_start` is where its
    line begins. An error of evaluation has no position. `expression` is that text.
    """

    def __init__(
        self, kind: Fault, message: str, position: int = 0, *, line_start: int = 0
    ) -> None:
        super().__init__(kind, message, position)  # all, so that it can be pickled
        self.message = message
        self.kind: Fault = kind
        self.position = position
        self.line_start = line_start
        self.expression = ""

    def __str__(self) -> str:
        return self.message

    def within(self, expression: str) -> "ExpressionError":
        """A fresh error that says which text it is of: remembered errors are never raised."""
        said = ExpressionError(self.kind, self.message, self.position, line_start=self.line_start)
        said.expression = expression
        return said


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may see. Names are compared without case. `functions`: beside the built-in
    ones: hashFiles, and success, failure, cancelled, always where they mean something.
    """

    contexts: Mapping[str, Value]
    functions: Mapping[str, Callable[..., Value]]


@dataclass(frozen=True, slots=True)
class Uses:
    """What an expression reads: (context or function name in lower case, position)."""

    contexts: tuple[tuple[str, int], ...]
    functions: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Hole:
    """One `${{ }}` of a text: the expression inside, and where it begins in the text."""

    expression: str
    position: int
