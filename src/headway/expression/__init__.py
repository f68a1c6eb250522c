"""The expression language of GitHub Actions: `${{ }}` parsed, checked and evaluated. Pure.

Values are JSON: None, bool, float, str, list, dict. Called by pipeline (conditions, matrices) and
the runner (everything that a step says). docs/reference/expressions.md tells the language.
"""

from headway.expression.evaluator import run as _run
from headway.expression.functions import ARITIES as _ARITIES
from headway.expression.limits import Meter as _Meter
from headway.expression.parser import parse as _parse
from headway.expression.templates import EMPTY as _EMPTY
from headway.expression.templates import condition, fill, holes, value
from headway.expression.terms import ExpressionError, Fault, Hole, Scope, Uses, Value
from headway.expression.unicode import WHITESPACE as _WHITESPACE
from headway.expression.values import text, truth

__all__ = [
    "ExpressionError", "Fault", "Hole", "Scope", "Uses", "Value",
    "check", "condition", "evaluate", "fill", "holes", "text", "truth", "value",
]  # fmt: skip


def check(expression: str) -> Uses:
    """Parse only; which contexts and functions mean something at a place is for the caller to say.

    Raises ExpressionError: also for an empty text, and for a function that means nothing anywhere.
    """
    if not expression.strip(_WHITESPACE):
        raise ExpressionError("parsing", _EMPTY).within(expression)
    parsed = _parse(expression)
    parsed.verify([name for name, _ in parsed.uses.contexts], _ARITIES)
    return parsed.uses


def evaluate(expression: str, scope: Scope) -> Value:
    """The value; None for an empty text. Parsed expressions are remembered.

    Raises ExpressionError.
    """
    return _run(_parse(expression), scope, _Meter())
