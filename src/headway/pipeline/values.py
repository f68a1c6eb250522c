"""Reads what jobs and steps share: environments, `with`, permissions, and the `${{ }}` in them.

Called by reader and steps. `Scope` says which `${{ }}` mean something at a place.
"""

import re
from dataclasses import dataclass

from headway.document import Mapping, Mark, Node, Scalar, quoted
from headway.pipeline.expression import Hole, Reference, holes
from headway.pipeline.page import Page
from headway.pipeline.workflow import Binding

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = ("GITHUB_", "RUNNER_")


@dataclass(frozen=True, slots=True)
class Scope:
    """`inputs`: the names declared. `env`: whether `env.NAME` may be read. `script`: in `run`."""

    inputs: tuple[str, ...]
    env: bool = False
    script: bool = False


def read_env(page: Page, node: Node | None, scope: Scope) -> tuple[Binding, ...]:
    """The variables of one `env` block."""
    variables = page.mapping(node, "`env`")
    if variables is None:
        return ()
    for name, _ in variables.entries:
        if not _VARIABLE.fullmatch(name.text):
            page.fault(name.at, f"{quoted(name.text)} cannot be the name of a variable", "bad-name")
        elif name.text.upper().startswith(_TAKEN):
            sentence = f"{quoted(name.text)} is taken: Headway sets `GITHUB_…` and `RUNNER_…`"
            page.fault(name.at, sentence, "reserved-name")
    return read_bindings(page, variables, scope, "`env`")


def read_bindings(page: Page, mapping: Mapping, scope: Scope, where: str) -> tuple[Binding, ...]:
    """Every name with its value as text, the `${{ }}` in it checked."""
    found = []
    for name, node in mapping.entries:
        value = page.text(node, f"{quoted(name.text)} in {where}")
        if value is not None:
            check_holes(page, value, node.at, scope)
            found.append(Binding(name.text, value, name.at))
    return tuple(found)


def check_holes(page: Page, text: str, at: Mark, scope: Scope) -> None:
    """Note every `${{ }}` that this version cannot fill in, or must not at this place."""
    for hole in holes(text):
        place = page.place(at, hole.number)
        if not hole.closed:
            page.fault(place, "this `${{` is never closed. Write `}}` after it", "expression")
        elif hole.reference is None:
            page.planned(place, quoted(hole.text))
        else:
            _check_reference(page, hole, hole.reference, place, scope)


def _check_reference(page: Page, hole: Hole, reference: Reference, at: Mark, scope: Scope) -> None:
    context, name = reference.context, reference.name
    if context == "env" and not scope.env:
        sentence = f"{quoted(hole.text)} is not known here yet; only steps can read `env`"
        page.fault(at, sentence, "expression")
    elif context == "inputs" and name not in scope.inputs:
        declared = scope.inputs or ("no input is declared",)
        page.unknown(at, name, declared, "input")
    elif scope.script and context != "env" and (context, name) != ("github", "sha"):
        variable = re.sub(r"[^A-Z0-9]", "_", name.upper())
        sentence = (
            f"{quoted(hole.text)} in a script runs whatever the value says. "
            f'Write `env: {{{variable}: "{hole.text}"}}` and use `"${variable}"`'
        )
        page.fault(at, sentence, "injection")


def check_permissions(page: Page, node: Node | None) -> None:
    """Only `contents: read`, which is what a job gets; anything else would be ignored."""
    if node is None:
        return
    if isinstance(node, Mapping) and len(node.entries) == 1:
        name, value = node.entries[0]
        if name.text == "contents" and isinstance(value, Scalar) and value.text == "read":
            return
    page.planned(node.at, "a permission other than `contents: read`")
