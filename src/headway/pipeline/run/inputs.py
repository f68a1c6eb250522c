"""Typed inputs: those a run is started with, and those handed to a called workflow.

Called by program (the start) and schedule (a call).
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from headway import expression
from headway.document import quoted
from headway.model.errors import Problem
from headway.pipeline.run.state import RunSpec
from headway.pipeline.syntax.ir import Input, Workflow


class BadInput(ValueError):
    """A value is not of the type that the called workflow declares, in words."""


def dispatched(spec: RunSpec, workflow: Workflow) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """The `inputs` context of a run that was started with `spec.inputs`, and what is wrong.

    Declared by workflow_dispatch, or workflow_call where a called workflow is run by itself. Other
    events have none.
    """
    if spec.event not in {"workflow_dispatch", "workflow_call"} and not spec.inputs:
        return {}, ()
    declared = _declared(spec, workflow)
    values: dict[str, Any] = {}
    problems = [*_undeclared(workflow, spec.inputs, declared)]
    for name, wanted in declared.items():
        value, fault = _start_value(wanted, spec.inputs.get(name))
        values[name] = value
        if fault:
            sentence = f"the input {quoted(name)} {fault[0]}"
            problems.append(
                Problem(workflow.file, wanted.at.line, wanted.at.column, sentence, fault[1])
            )
    return values, tuple(problems)


def deprecated(spec: RunSpec, workflow: Workflow) -> tuple[str, ...]:
    """What is told of deprecated inputs that the run was started with."""
    declared = _declared(spec, workflow)
    given = (declared[n] for n, value in spec.inputs.items() if n in declared and value != "")
    return tuple(said for one in given if (said := one.deprecation()))


def called(declared: tuple[Input, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The `inputs` context of a called workflow. Names are compared without case.

    Raises BadInput: a boolean or a number must be one already, text takes anything.
    """
    by_name = {name.lower(): value for name, value in given.items()}
    values = {}
    for wanted in declared:
        value = by_name.get(wanted.name.lower())
        values[wanted.name] = _typed(wanted, value) if value is not None else _default(wanted)
    return values


def _declared(spec: RunSpec, workflow: Workflow) -> dict[str, Input]:
    event = "workflow_call" if spec.event == "workflow_call" else "workflow_dispatch"
    trigger = workflow.trigger(event) or workflow.trigger("workflow_call")
    return {i.name: i for i in trigger.inputs} if trigger else {}


def _typed(wanted: Input, value: Any) -> Any:
    if wanted.type == "boolean":
        right = isinstance(value, bool)
    elif wanted.type == "number":
        right = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        return expression.text(value)
    if not right:
        shown = quoted(expression.text(value))
        raise BadInput(f"the input {quoted(wanted.name)} is a {wanted.type}, not {shown}")
    return value


def _default(wanted: Input) -> Any:
    empty: dict[str, Any] = {"boolean": False, "number": 0}
    if wanted.default is None:
        return empty.get(wanted.type, "")
    if wanted.type in empty:
        return wanted.default.value
    return wanted.default.text


def _start_value(wanted: Input, given: Any) -> tuple[Any, tuple[str, str] | None]:
    """What was given, as text or as it is, in the declared type; and the fault with its code."""
    if given is None or given == "":
        missing = wanted.required and wanted.default is None
        fault = ("is required and was not given", "missing-input") if missing else None
        return _default(wanted), fault
    if wanted.type == "boolean":
        return _boolean(given)
    if wanted.type == "number":
        return _number(given)
    text = expression.text(given)
    if wanted.type == "choice" and text not in wanted.options:
        return text, (f"must be one of {', '.join(wanted.options)}", "bad-input")
    return text, None


def _boolean(given: Any) -> tuple[Any, tuple[str, str] | None]:
    if isinstance(given, bool):
        return given, None
    words = {"true": True, "false": False}
    if given in words:
        return words[given], None
    return False, ("must be `true` or `false`", "bad-input")


def _number(given: Any) -> tuple[Any, tuple[str, str] | None]:
    try:
        number = float(given)
    except (TypeError, ValueError):
        return 0, ("must be a number", "bad-input")
    return (int(number) if number.is_integer() else number), None


def _undeclared(
    workflow: Workflow, given: Mapping[str, Any], declared: Mapping[str, Input]
) -> Iterator[Problem]:
    for name in given:
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            known = ", ".join(declared) or "none"
            hint = f"Did you mean {quoted(near[0])}?" if near else f"Known here: {known}"
            sentence = f"unknown input {quoted(name)}. {hint}"
            at = workflow.at
            yield Problem(workflow.file, at.line, at.column, sentence, "unknown-input")
