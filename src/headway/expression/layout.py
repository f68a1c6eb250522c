"""The function `format`: `{0}` takes an argument, `{{` and `}}` are braces. Called by functions."""

from collections.abc import Callable, Iterator, Sequence

from headway.expression.terms import ExpressionError

_DIGITS = "0123456789"


def fill_in(template: str, arguments: Sequence[Callable[[], str]]) -> Iterator[str]:
    """The pieces of the filled template. `arguments` are asked for when they are wanted.

    Raises ExpressionError (`evaluation`) for a lonely brace and an argument that is not there. What
    stands after the digits (`{0:x}`) is read over, as in the reference.
    """
    at, opening, closing = 0, -2, -2
    while at < len(template):
        opening, closing = _next(template, "{", at, opening), _next(template, "}", at, closing)
        if opening >= 0 and (closing < 0 or opening < closing):
            if template[opening + 1 : opening + 2] == "{":
                yield template[at : opening + 1]
                at = opening + 2
                continue
            argument = _argument(template, opening, closing, len(arguments))
            yield template[at:opening]
            yield arguments[argument]()
            at = closing + 1
        elif closing >= 0:
            if template[closing + 1 : closing + 2] != "}":
                raise _invalid(template)
            yield template[at : closing + 1]
            at = closing + 2
        else:
            yield template[at:]
            return


def _next(template: str, brace: str, at: int, known: int) -> int:
    """Where the next brace is; looked for only when the known one is behind (-1: there is none)."""
    return known if known >= at or known == -1 else template.find(brace, at)


def _argument(template: str, opening: int, closing: int, count: int) -> int:
    rest = template[opening + 1 : closing] if closing > opening else ""
    digits = rest[: len(rest) - len(rest.lstrip(_DIGITS))]
    if not digits:
        raise _invalid(template)
    index = int(digits) if len(digits.lstrip("0")) <= 3 else count
    if index >= count:
        raise ExpressionError(
            "evaluation",
            f"The following format string references more arguments than were supplied: {template}",
        )
    return index


def _invalid(template: str) -> ExpressionError:
    return ExpressionError("evaluation", f"The following format string is invalid: {template}")
