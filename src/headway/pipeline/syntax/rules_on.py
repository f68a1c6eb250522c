"""What the table cannot say of `on`: patterns, times, and inputs that agree with their type.

Called by `rules`.
"""

import re

from headway.document import Mapping, Mark, Node, Scalar, quoted
from headway.pipeline.syntax import cron, glob, scan
from headway.pipeline.syntax.events import FILTER_PAIRS
from headway.pipeline.syntax.expressions import has_holes
from headway.pipeline.syntax.ir import Input, Text, Workflow
from headway.pipeline.syntax.page import Page
from headway.pipeline.syntax.shapes import is_number

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")


def check(page: Page, on: Node | None, workflow: Workflow) -> None:
    """Note every fault under `on`."""
    for event, node in scan.mapping(on).entries:
        if event.text == "schedule":
            _check_schedule(page, event, node)
        _check_patterns(page, scan.mapping(node))
        _check_inputs(page, scan.mapping(scan.mapping(node).get("inputs")))
    for trigger in workflow.on:
        for declared in trigger.inputs:
            _check_input(page, declared)


def _check_schedule(page: Page, event: Scalar, node: Node) -> None:
    for item in scan.items(node):
        keys = scan.mapping(item)
        text, zone = scan.text(keys.get("cron")), scan.text(keys.get("timezone"))
        if text and text.text and (wrong := cron.fault(text.text)):
            page.fault(text.at, f"the cron expression {quoted(text.text)} {wrong}", "cron")
        if zone and zone.text and not _ZONE.fullmatch(zone.text):
            sentence = f"{quoted(zone.text)} is no time zone. Write a name as `Europe/Berlin`"
            page.fault(zone.at, sentence, "time-zone")


def _check_patterns(page: Page, keys: Mapping) -> None:
    for name in (n for pair in FILTER_PAIRS for n in pair):
        for pattern in scan.texts(keys.get(name)):
            if pattern.text and (wrong := glob.fault(pattern.text)):
                page.fault(pattern.at, f"the pattern {quoted(pattern.text)} {wrong}", "pattern")


def _check_inputs(page: Page, inputs: Mapping) -> None:
    """Where the written form matters: a default that YAML makes something else of."""
    for _, node in inputs.entries:
        keys = scan.mapping(node)
        default, type = keys.get("default"), scan.plain(keys.get("type")) or "string"
        if isinstance(default, Scalar) and not has_holes(default.text):
            _check_default(page, default, type)


def _check_default(page: Page, default: Scalar, type: str) -> None:
    if default.value is None:
        return
    if type == "boolean" and not isinstance(default.value, bool):
        sentence = f"a boolean's default is `true` or `false`, not {quoted(default.text)}"
        page.fault(default.at, sentence, "input-default")
    elif type == "number" and not is_number(default):
        sentence = f"a number's default is a number, not {quoted(default.text)}"
        page.fault(default.at, sentence, "input-default")
    elif type in ("string", "choice", "environment") and not isinstance(default.value, str):
        sentence = f"the default of a {type} is a text. Write `'{default.text}'` with quotes"
        page.fault(default.at, sentence, "input-default")


def _check_input(page: Page, found: Input) -> None:
    if found.type != "choice":
        if found.options:
            sentence = (
                f"{quoted(found.name)} has `options` and is no `choice`. Write `type: choice`"
            )
            page.fault(found.at, sentence, "input-options")
        return
    if not found.options:
        sentence = f"{quoted(found.name)} is a `choice` without `options`. Write a list of them"
        page.fault(found.at, sentence, "input-options")
    elif found.default and found.default.text and found.default.text not in found.options:
        _no_option(page, found.default)


def _no_option(page: Page, default: Text) -> None:
    at: Mark = default.at
    page.fault(at, f"the default {quoted(default.text)} is none of `options`", "input-default")
