"""Inputs of a run that a person (or a program) starts, checked and typed by what the workflow says.

Called by flows/dispatch. Limits and the values of what is not given are GitHub's
(docs.github.com, `on.workflow_dispatch.inputs`).
"""

import re
from collections.abc import Mapping

from headway.model.errors import Invalid, Problem
from headway.pipeline.syntax import ir

MOST_INPUTS = 25
MOST_CHARS = 65_535
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
Typed = str | bool | int | float
_NOT_GIVEN: dict[str, Typed] = {"boolean": False, "number": 0}


def typed(file: str, trigger: ir.Trigger, given: Mapping[str, str]) -> dict[str, Typed]:
    """Every declared input with its value, of its type; what is not given has its default.

    Raises Invalid (`bad-input`) with one problem for each fault, placed at the declaration.
    """
    if len(given) > MOST_INPUTS or sum(len(k) + len(v) for k, v in given.items()) > MOST_CHARS:
        raise Invalid(
            f"a run takes at most {MOST_INPUTS} inputs of {MOST_CHARS} characters in all",
            code="bad-input",
        )
    problems = [_unknown(file, trigger, name) for name in given if not _known(trigger, name)]
    found: dict[str, Typed] = {}
    for declared in trigger.inputs:
        why, value = _value(declared, given.get(declared.name))
        found[declared.name] = value
        if why:
            at = declared.at
            sentence = f"the input `{declared.name}` {why}"
            problems.append(Problem(file, at.line, at.column, sentence, "bad-input"))
    if problems:
        raise Invalid("these inputs do not fit", code="bad-input", problems=tuple(problems))
    return found


def _known(trigger: ir.Trigger, name: str) -> bool:
    return any(i.name == name for i in trigger.inputs)


def _unknown(file: str, trigger: ir.Trigger, name: str) -> Problem:
    known = ", ".join(i.name for i in trigger.inputs) or "none"
    sentence = f"there is no input `{name[:100]}`; known: {known}"
    return Problem(file, trigger.at.line, trigger.at.column, sentence, "bad-input")


def _value(declared: ir.Input, given: str | None) -> tuple[str, Typed]:
    """(why it does not fit or "", the value)."""
    nothing = _NOT_GIVEN.get(declared.type, "")
    if given is None or (given == "" and declared.type != "string"):
        if declared.required and declared.default is None:
            return "is required", nothing
        given = declared.default.text if declared.default else None
    if given is None:
        return "", nothing
    match declared.type:
        case "boolean":
            good = given in {"true", "false"}
            return "" if good else "is `true` or `false`", given == "true"
        case "number":
            if not _NUMBER.fullmatch(given):
                return "is a number", nothing
            return "", float(given) if "." in given else int(given)
        case "choice":
            good = given in declared.options
            return "" if good else f"is one of {', '.join(declared.options)}", given
        case _:
            return "", given
