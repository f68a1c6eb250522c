"""Reads `on`: what starts a workflow, and with which inputs. Called by reader.

`starts_on_push` is asked by whoever has a push in hand.
"""

import re
from typing import cast, get_args

from headway.document import Mapping, Mark, Node, Scalar, Sequence, quoted
from headway.pipeline.page import Page
from headway.pipeline.supported import SUPPORTED
from headway.pipeline.workflow import Call, Input, InputType, Name, Push, Triggers, Workflow

_BRANCH = re.compile(r"[A-Za-z0-9._/*-]+")
_INPUT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_TYPES = get_args(InputType)


def starts_on_push(workflow: Workflow, branch: str) -> bool:
    """Whether a push to this branch starts the workflow: `*` stays in one part, `**` does not."""
    push = workflow.on.push
    if push is None:
        return False
    return push.branches is None or any(_matches(p.text, branch) for p in push.branches)


def read_triggers(page: Page, node: Node | None, at: Mark) -> Triggers:
    """The triggers, faults noted on the page. `at` is where the file starts."""
    if node is None:
        page.fault(at, "`on` is missing: what starts it? For example `on: push`", "missing-key")
        return Triggers(at)
    events = page.known(_as_mapping(node), SUPPORTED["on"], "`on`")
    if events is None:
        return Triggers(node.at)
    push, dispatch = events.get("push"), events.get("workflow_dispatch")
    call = events.get("workflow_call")
    triggers = Triggers(
        node.at,
        _push(page, push) if push else None,
        _call(page, dispatch, "workflow_dispatch") if dispatch else None,
        _call(page, call, "workflow_call") if call else None,
    )
    _same_inputs(page, triggers)
    return triggers


def _as_mapping(node: Node) -> Node:
    """`push` and `[push, workflow_dispatch]` written out as a map; anything else as it is."""
    names = node.items if isinstance(node, Sequence) else (node,)
    words = tuple(n for n in names if isinstance(n, Scalar) and n.text)
    if not words or len(words) != len(names):
        return node
    return Mapping(tuple((word, Scalar(None, "", word.at)) for word in words), node.at)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _push(page: Page, node: Node) -> Push:
    keys = None if _is_null(node) else page.known(node, SUPPORTED["on.push"], "`push`")
    branches = keys.get("branches") if keys else None
    if branches is None:
        return Push(node.at)
    names = tuple(Name(b.text, b.at) for b in page.texts(branches, "`branches`"))
    for name in names:
        if not _BRANCH.fullmatch(name.text):
            page.planned(name.at, f"the branch pattern {quoted(name.text)}")
    return Push(node.at, names)


def _call(page: Page, node: Node, event: str) -> Call:
    keys = None if _is_null(node) else page.known(node, SUPPORTED[f"on.{event}"], f"`{event}`")
    inputs = keys.get("inputs") if keys else None
    if inputs is None or _is_null(inputs):
        return Call(node.at)
    named = page.mapping(inputs, "`inputs`")
    return Call(node.at, tuple(_input(page, k, v) for k, v in named.entries) if named else ())


def _input(page: Page, name: Scalar, node: Node) -> Input:
    if not _INPUT.fullmatch(name.text):
        page.fault(name.at, f"{quoted(name.text)} cannot be the name of an input", "bad-name")
    keys = None if _is_null(node) else page.known(node, SUPPORTED["input"], "an input")
    if keys is None:
        return Input(name.text, name.at)
    found = Input(
        name.text,
        name.at,
        _type(page, keys.get("type")),
        _flag(page, keys.get("required"), "`required`"),
        page.text(keys.get("default"), "`default`"),
        tuple(o.text for o in page.texts(keys.get("options"), "`options`")),
        page.text(keys.get("description"), "`description`") or "",
    )
    _check_input(page, found)
    return found


def _type(page: Page, node: Node | None) -> InputType:
    text = page.plain(node, "`type`") if node else None
    if node is None or text is None:
        return "string"
    if text == "environment":
        page.planned(node.at, "an input of type `environment`")
    elif text not in _TYPES:
        page.unknown(node.at, text, _TYPES, "value")
    return cast("InputType", text) if text in _TYPES else "string"


def _flag(page: Page, node: Node | None, where: str) -> bool:
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    if node is not None:
        page.fault(node.at, f"{where} is `true` or `false`", "wrong-type")
    return False


def _check_input(page: Page, found: Input) -> None:
    if found.type == "choice" and not found.options:
        page.fault(found.at, f"the choice {quoted(found.name)} needs `options`", "missing-key")
    elif found.default is not None and (fault := input_fault(found, found.default)):
        page.fault(found.at, f"the default of {quoted(found.name)} {fault}", "bad-input")


def input_fault(declared: Input, value: str) -> str:
    """Why this value does not fit the declared input; empty if it does."""
    if declared.type == "boolean" and value not in {"true", "false"}:
        return f"must be `true` or `false`, not {quoted(value)}"
    if declared.type == "choice" and value not in declared.options:
        return f"must be one of {', '.join(declared.options)}, not {quoted(value)}"
    if declared.type == "number" and not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return f"must be a number, not {quoted(value)}"
    return ""


def _same_inputs(page: Page, triggers: Triggers) -> None:
    """One name means one thing, however the workflow was started."""
    called = {i.name: i for i in triggers.call.inputs} if triggers.call else {}
    for other in triggers.dispatch.inputs if triggers.dispatch else ():
        if _meaning(other) != _meaning(called.get(other.name, other)):
            sentence = f"the input {quoted(other.name)} is declared twice and differs. Make it one"
            page.fault(other.at, sentence, "conflict")


def _meaning(declared: Input) -> tuple[object, ...]:
    return declared.type, declared.required, declared.default, declared.options


def _matches(pattern: str, branch: str) -> bool:
    parts = re.split(r"(\*\*|\*)", pattern)
    words = {"**": ".*", "*": "[^/]*"}
    return bool(re.fullmatch("".join(words.get(p, re.escape(p)) for p in parts), branch))
