"""The expression language of GitHub Actions: `${{ }}` parsed, checked and evaluated. Pure.

Values are JSON: None, bool, float, str, list, dict. Called by pipeline (conditions, matrices) and
the runner (everything that a step says).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Value = None | bool | float | str | list[Any] | dict[str, Any]
Fault = Literal["lexing", "parsing", "evaluation"]


class ExpressionError(ValueError):
    """`position` counts characters from 0 in the text that was parsed."""

    def __init__(self, kind: Fault, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.kind: Fault = kind
        self.position = position


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


def check(expression: str) -> Uses:
    """Parse only. Raises ExpressionError."""
    raise NotImplementedError


def evaluate(expression: str, scope: Scope) -> Value:
    """The value. Parsed expressions are remembered. Raises ExpressionError."""
    raise NotImplementedError


def condition(expression: str, scope: Scope) -> bool:
    """The truth of an `if`: one that calls no status function means `success() && (…)`; empty means
    `success()`. `${{ }}` around it is taken away.
    """
    raise NotImplementedError


def holes(text: str) -> tuple[Hole, ...]:
    """Every `${{ }}`. Raises ExpressionError (`lexing`) for one that is never closed."""
    raise NotImplementedError


def fill(text: str, scope: Scope) -> str:
    """The text with every hole's value as text. What is filled in is not read again."""
    raise NotImplementedError


def value(text: str, scope: Scope) -> Value:
    """The value itself where the whole text is one hole, else as `fill`."""
    raise NotImplementedError


def truth(found: Value) -> bool:
    """False for null, false, 0, NaN and the empty text."""
    raise NotImplementedError


def text(found: Value) -> str:
    """The value as text, as the language converts it (a list is `Array`, a number without `.0`)."""
    raise NotImplementedError
