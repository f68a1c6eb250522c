"""Checks every `${{ }}` of a value: its syntax, and that its key may see what it names.

Called by `shapes` for each single value and each condition. What an expression means is
`headway.expression`'s; which names are there is the table's.
"""

from collections.abc import Iterable

from headway import expression
from headway.document import Mark, Scalar, quoted
from headway.expression import ExpressionError, Hole, Uses
from headway.expression.parser import parse
from headway.pipeline.syntax.contexts import BUILT_IN, CONTEXTS, FUNCTIONS, STATUS
from headway.pipeline.syntax.page import OPEN, Page, suggestion

MAX_LENGTH = 21_000
"""Characters of one value with expressions, as GitHub's own limit."""


def has_holes(text: str) -> bool:
    """Whether a value holds `${{`."""
    return OPEN in text


def is_hole(text: str) -> bool:
    """Whether the whole value is one `${{ }}`."""
    found = _holes(text)
    return len(found) == 1 and text.strip().startswith(OPEN) and text.strip().endswith("}}")


def check_text(page: Page, node: Scalar, sees: frozenset[str], what: str) -> None:
    """Note every fault of the expressions in a value. `what` names its key."""
    if not sees:
        sentence = f"{what} cannot hold an expression (`${{{{ }}}}`). Write the value itself"
        page.fault(page.place(node.at, 0), sentence, "expression-here")
        return
    if len(node.text) > MAX_LENGTH:
        sentence = f"more than {MAX_LENGTH} characters with expressions. Put the script in a file"
        page.fault(node.at, sentence, "too-long")
        return
    try:
        found = expression.holes(node.text)
    except ExpressionError as error:
        _fault(page, page.place(node.at, _opened(node.text, error.position)), error)
        return
    for hole in found:
        _check_hole(page, node, hole, sees)


def check_condition(page: Page, node: Scalar, sees: frozenset[str]) -> None:
    """The same for an `if`, where the `${{ }}` may be left out."""
    if has_holes(node.text):
        check_text(page, node, sees, "`if`")
    elif node.text.strip() and node.value is not None:
        lead = len(node.text) - len(node.text.lstrip())
        _check(page, node.text.strip(), sees, _Places(page, node, None, lead))


def number_of(text: str, hole: Hole) -> int:
    """How many `${{` are before that of the hole; one may also stand in a quoted text."""
    return max(0, text.count(OPEN, 0, hole.position) - 1)


def _check_hole(page: Page, node: Scalar, hole: Hole, sees: frozenset[str]) -> None:
    number = number_of(node.text, hole)
    lead = hole.position - max(0, node.text.rfind(OPEN, 0, hole.position))
    text = hole.expression
    if not text:
        sentence = "there is no expression between `${{` and `}}`. Remove both, or write one"
        page.fault(page.place(node.at, number), sentence, "expression")
    elif text.split()[0] == "insert":
        sentence = "`${{ insert }}` is not read here. Write the names and values one by one"
        page.fault(page.place(node.at, number), sentence, "unsupported")
    else:
        _check(page, text, sees, _Places(page, node, number, lead))


class _Places:
    """Where in the file a position of an expression is."""

    def __init__(self, page: Page, node: Scalar, number: int | None, lead: int) -> None:
        self._page, self._node, self._number, self._lead = page, node, number, lead

    def __call__(self, position: int) -> Mark:
        if self._number is not None:
            return self._page.place(self._node.at, self._number, self._lead + position)
        return self._page.within(self._node.at, self._node.text, self._lead + position)


def _check(page: Page, text: str, sees: frozenset[str], places: _Places) -> None:
    used = parse(text).uses
    unknown = [name for name, _ in used.functions if name not in FUNCTIONS]
    try:
        if not unknown:
            used = expression.check(text)
    except ExpressionError as error:
        _fault(page, places(error.position), error)
        return
    _check_names(page, used, sees, places)


def _check_names(page: Page, used: Uses, sees: frozenset[str], places: _Places) -> None:
    for name, position in used.contexts:
        if name not in sees:
            page.fault(places(position), *_no_context(name, sees))
    for name, position in used.functions:
        if name not in sees | BUILT_IN:
            page.fault(places(position), *_no_function(name, sees))


def _no_context(name: str, sees: frozenset[str]) -> tuple[str, str]:
    if name in CONTEXTS:
        return f"{quoted(name)} is not known yet here. {_known(sees - FUNCTIONS)}", "not-here"
    return (
        f"unknown context {quoted(name)}. {suggestion(name, sees - FUNCTIONS)}",
        "unknown-context",
    )


def _no_function(name: str, sees: frozenset[str]) -> tuple[str, str]:
    if name in FUNCTIONS:
        where = "only in `if`" if name in STATUS else "only in steps"
        return f"the function {quoted(name)} means something {where}", "not-here"
    known = BUILT_IN | (sees & FUNCTIONS)
    return f"unknown function {quoted(name)}. {suggestion(name, known)}", "unknown-function"


def _known(names: Iterable[str]) -> str:
    return f"Known here: {', '.join(sorted(names))}"


def _fault(page: Page, at: Mark, error: ExpressionError) -> None:
    page.fault(at, f"the expression is wrong: {error}", "expression")


def _holes(text: str) -> tuple[Hole, ...]:
    try:
        return expression.holes(text)
    except ExpressionError:
        return ()


def _opened(text: str, position: int) -> int:
    """The number of the `${{` at or before a position."""
    return max(0, text.count(OPEN, 0, position + len(OPEN)) - 1)
