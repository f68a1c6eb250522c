"""Reads the steps of a job. Called by reader."""

import re
from dataclasses import replace

from headway.document import Mapping, Mark, Node, Sequence, quoted
from headway.pipeline.page import Page
from headway.pipeline.supported import ACTIONS, SHELLS, SUPPORTED, VERSIONS
from headway.pipeline.values import Scope, check_holes, read_bindings, read_env
from headway.pipeline.workflow import Binding, Step

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")


def read_steps(page: Page, node: Node | None, inputs: tuple[str, ...]) -> tuple[Step, ...]:
    """The steps, in order, each with an id of its own."""
    if node is None or not isinstance(node, Sequence) or not node.items:
        if node is not None:
            page.fault(node.at, "`steps` must be a list with at least one step", "wrong-type")
        return ()
    steps = tuple(
        step
        for number, item in enumerate(node.items, start=1)
        if (step := _step(page, item, number, inputs))
    )
    _check_ids(page, steps)
    return steps


def _step(page: Page, node: Node, number: int, inputs: tuple[str, ...]) -> Step | None:
    keys = page.known(node, SUPPORTED["step"], "a step")
    if keys is None:
        return None
    run, uses = keys.get("run"), keys.get("uses")
    if (run is None) == (uses is None):
        sentence = "a step has either `run` or `uses`"
        page.fault(keys.at, sentence, "missing-key" if run is None else "conflict")
        return None
    scope = Scope(inputs, env=True)
    name = page.plain(keys.get("name"), "`name`")
    step = Step(
        _id(page, keys, number), name or "", keys.at, env=read_env(page, keys.get("env"), scope)
    )
    return _run(page, keys, step, scope) if run else _use(page, keys, step, scope)


def _run(page: Page, keys: Mapping, step: Step, scope: Scope) -> Step:
    node = keys.get("run")
    script = page.text(node, "`run`") or ""
    assert node is not None
    check_holes(page, script, node.at, replace(scope, script=True))
    if not script.strip():
        page.fault(node.at, "`run` is empty", "empty")
    if given := keys.key("with"):
        page.fault(given.at, "`with` belongs to `uses`; this step has `run`", "conflict")
    first = script.strip().partition("\n")[0]
    return replace(
        step,
        name=step.name or f"Run {first}"[:80],
        run=script,
        shell=_shell(page, keys.get("shell")),
        working_directory=_folder(page, keys.get("working-directory")),
    )


def _shell(page: Page, node: Node | None) -> str:
    shell = page.plain(node, "`shell`")
    if shell is None:
        return SHELLS[0]
    if node is not None and shell not in SHELLS:
        page.planned(node.at, f"the shell {quoted(shell)} (here: {', '.join(SHELLS)})")
    return shell


def _folder(page: Page, node: Node | None) -> str | None:
    folder = page.plain(node, "`working-directory`")
    if node is not None and folder is not None and leaves(folder):
        page.fault(node.at, f"{quoted(folder)} is outside the workspace", "outside")
    return folder


def _use(page: Page, keys: Mapping, step: Step, scope: Scope) -> Step:
    for word in ("shell", "working-directory"):
        if given := keys.key(word):
            page.fault(
                given.at, f"{quoted(word)} belongs to `run`; this step has `uses`", "conflict"
            )
    node = keys.get("uses")
    uses = page.plain(node, "`uses`")
    if node is None or uses is None:
        return step
    action = _action(page, uses, node.at)
    inputs = _inputs(page, keys.get("with"), action, scope) if action else ()
    if action == "actions/upload-artifact" and not any(i.name == "path" for i in inputs):
        page.fault(
            keys.at, "upload-artifact needs `with: {path: …}`: what is uploaded?", "missing-key"
        )
    return replace(step, name=step.name or uses, uses=uses, inputs=inputs)


def _action(page: Page, uses: str, at: Mark) -> str | None:
    """The built-in action's name without its version."""
    action, _, version = uses.partition("@")
    if action not in ACTIONS:
        page.planned(at, f"the action {quoted(uses)} (here: {', '.join(ACTIONS)})")
        return None
    if version not in VERSIONS[action]:
        page.planned(at, f"{quoted(uses)} (here: {', '.join(VERSIONS[action])})")
    return action


def _inputs(page: Page, node: Node | None, action: str, scope: Scope) -> tuple[Binding, ...]:
    keys = page.known(node, ACTIONS[action], "`with`")
    if keys is None:
        return ()
    found = read_bindings(page, keys, scope, "`with`")
    for binding in found:
        value = keys.get(binding.name)
        if value is not None and (fault := _input_fault(binding)):
            page.planned(value.at, fault)
    return found


def _input_fault(binding: Binding) -> str:
    """What is planned about this input's value; empty if it is done here."""
    if binding.name == "if-no-files-found" and binding.value != "error":
        return f"`if-no-files-found: {binding.value}`: nothing found is always an error; that"
    if binding.name == "include-hidden-files" and binding.value not in {"true", "false"}:
        return f"`include-hidden-files: {binding.value}` (here: true, false)"
    if binding.name == "path" and any(p.strip().startswith("!") for p in binding.value.split("\n")):
        return "leaving out paths with `!`"
    return ""


def _id(page: Page, keys: Mapping, number: int) -> str:
    node = keys.get("id")
    name = page.plain(node, "`id`")
    if node is None or name is None:
        return f"__{number}"
    if not _ID.fullmatch(name) or name.startswith("__"):
        page.fault(node.at, f"{quoted(name)} cannot be the id of a step", "bad-name")
    return name


def _check_ids(page: Page, steps: tuple[Step, ...]) -> None:
    seen: set[str] = set()
    for step in steps:
        if step.id in seen:
            page.fault(step.at, f"two steps have the id {quoted(step.id)}", "duplicate-id")
        seen.add(step.id)


def leaves(folder: str) -> bool:
    """Whether a relative path is written so that it leaves where it starts."""
    return folder.startswith("/") or ".." in folder.split("/") or "\0" in folder
