"""From the text of an action.yml to the intermediate form, strictly. Called by what runs actions.

The keys are those of the table, place `action`; other keys of an input are for people and refused
nowhere, as GitHub's own reader has it.
"""

from headway.document import Mapping, Node, invalid
from headway.document import read as read_document
from headway.pipeline.syntax import build, build_on, rules, scan
from headway.pipeline.syntax.ir import Action
from headway.pipeline.syntax.page import KEPT, Page
from headway.pipeline.syntax.reader import LIMITS
from headway.pipeline.syntax.shape import Shape
from headway.pipeline.syntax.shapes import Place, check

_FILE = Shape(place="action")
_NEEDED = {"composite": "steps", "docker": "image"}
_OF_KIND = {
    "composite": ("steps",),
    "docker": (
        *("image", "entrypoint", "pre-entrypoint", "post-entrypoint", "args", "env", "pre-if"),
        "post-if",
    ),
    "node": ("main", "pre", "post", "pre-if", "post-if"),
}


def read_action(text: str, file: str) -> Action:
    """The action; `file` names it in errors. Raises Invalid with every problem and its place.

    Codes: those of `reader.read`, and `conflict` for a key of another kind of action.
    """
    root = read_document(text, file, limits=LIMITS)
    page = Page(text, file)
    check(page, root, _FILE, Place("the action"))
    if not isinstance(root, Mapping):
        raise invalid(page.problems, most=KEPT)
    runs = scan.mapping(root.get("runs"))
    found = _action(page, root, runs)
    _check_kind(page, runs, found.using)
    _check_steps(page, runs.get("steps"), found)
    if page.problems:
        raise invalid(page.problems, most=KEPT)
    return found


def _action(page: Page, root: Mapping, runs: Mapping) -> Action:
    return Action(
        page.file,
        scan.plain(root.get("name")),
        root.at,
        scan.plain(runs.get("using")),
        inputs=build_on.inputs(root.get("inputs")),
        outputs=build_on.outputs(root.get("outputs")),
        steps=build.steps(runs.get("steps")),
        main=scan.plain(runs.get("main")),
        pre=scan.plain(runs.get("pre") or runs.get("pre-entrypoint")),
        post=scan.plain(runs.get("post") or runs.get("post-entrypoint")),
        pre_if=scan.plain(runs.get("pre-if")),
        post_if=scan.plain(runs.get("post-if")),
        image=scan.plain(runs.get("image")),
        entrypoint=scan.plain(runs.get("entrypoint")),
        args=scan.texts(runs.get("args")),
        env=scan.bindings(runs.get("env")),
    )


def _check_kind(page: Page, runs: Mapping, using: str) -> None:
    if not using:
        return
    kind = "node" if using.startswith("node") else using
    needed = _NEEDED.get(kind, "main")
    if runs.get(needed) is None:
        page.fault(
            runs.at,
            f"`{needed}` is missing: an action with `using: {using}` needs it",
            "missing-key",
        )
    for key, _ in runs.entries:
        if key.text != "using" and key.text not in _OF_KIND.get(kind, (key.text,)):
            page.fault(
                key.at, f"`{key.text}` means nothing for `using: {using}`. Remove it", "conflict"
            )


def _check_steps(page: Page, node: Node | None, found: Action) -> None:
    nodes = scan.items(node)
    rules.check_steps(page, nodes, found.steps)
    for item, step in zip(nodes, found.steps, strict=True):
        if step.run is not None and step.shell is None and isinstance(item, Mapping):
            page.fault(
                item.at,
                "`shell` is missing: an action's `run` needs it, as `shell: bash`",
                "missing-key",
            )
