"""Builds the triggers, inputs and secrets under `on`. Called by `reader`."""

from typing import cast

from headway.document import Mapping, Mark, Node, Scalar, Sequence, quoted
from headway.pipeline.syntax import scan
from headway.pipeline.syntax.ir import Bindings, Input, InputType, Secret, Trigger
from headway.pipeline.syntax.keys import KEYS
from headway.pipeline.syntax.page import Page

_NONE = Mapping((), Mark(1, 1))


def triggers(page: Page, node: Node | None) -> tuple[Trigger, ...]:
    """Every event, in the order written; unknown and repeated ones are noted on the page."""
    if isinstance(node, Mapping):
        return tuple(_trigger(key, value) for key, value in node.entries)
    names = node.items if isinstance(node, Sequence) else (node,)
    words = [n for n in names if isinstance(n, Scalar) and n.text]
    for word in words:
        _check_name(page, word)
    return tuple(_trigger(word, _NONE) for word in words)


def _check_name(page: Page, word: Scalar) -> None:
    known = KEYS["on"].get(word.text)
    if known is None:
        names = [name for name, key in KEYS["on"].items() if not key.refused]
        page.unknown(word.at, word.text, names, "event")
    elif known.refused:
        sentence = f"{quoted(word.text)} is not supported: {known.refused}"
        page.fault(word.at, sentence, "unsupported")


def _trigger(event: Scalar, node: Node) -> Trigger:
    keys = scan.mapping(node)
    return Trigger(
        event.text,
        event.at,
        types=scan.words(keys.get("types")),
        branches=scan.words(keys.get("branches")),
        branches_ignore=scan.words(keys.get("branches-ignore")),
        tags=scan.words(keys.get("tags")),
        tags_ignore=scan.words(keys.get("tags-ignore")),
        paths=scan.words(keys.get("paths")),
        paths_ignore=scan.words(keys.get("paths-ignore")),
        inputs=inputs(keys.get("inputs")),
        secrets=_secrets(keys.get("secrets")),
        outputs=outputs(keys.get("outputs")),
        crons=_crons(node) if event.text == "schedule" else (),
        workflows=scan.words(keys.get("workflows")) or (),
    )


def inputs(node: Node | None) -> tuple[Input, ...]:
    """Declared inputs of a workflow or an action."""
    return tuple(_input(key, value) for key, value in scan.mapping(node).entries)


def _input(name: Scalar, node: Node) -> Input:
    keys = scan.mapping(node)
    return Input(
        name.text,
        name.at,
        cast("InputType", scan.plain(keys.get("type")) or "string"),
        required=scan.flag(keys.get("required")),
        default=scan.text(keys.get("default")),
        options=scan.words(keys.get("options")) or (),
        description=scan.plain(keys.get("description")),
        deprecated=scan.plain(keys.get("deprecationMessage")),
    )


def outputs(node: Node | None) -> Bindings:
    """Declared outputs: each name with its `value`."""
    pairs = (
        (key.text, scan.text(scan.mapping(value).get("value")))
        for key, value in scan.mapping(node).entries
    )
    return tuple((name, value) for name, value in pairs if value is not None)


def _secrets(node: Node | None) -> tuple[Secret, ...]:
    return tuple(
        Secret(key.text, key.at, scan.flag(scan.mapping(value).get("required")))
        for key, value in scan.mapping(node).entries
    )


def _crons(node: Node) -> tuple[tuple[str, str], ...]:
    entries = (scan.mapping(item) for item in scan.items(node))
    return tuple((scan.plain(e.get("cron")), scan.plain(e.get("timezone"))) for e in entries)
