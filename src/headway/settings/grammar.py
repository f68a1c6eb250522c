"""Is the file what the schema says? Finds faults; `sentences` words them.

jsonschema does the walking. Two keywords of Headway's own are added: `x-issue` and `x-issue-values`
refuse what is not built yet, where it is written. `pattern` is made to match the whole text (a `$`
alone would let a line break through). Called by `reading`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from headway.document import Node, Path, Value, plain
from headway.settings.schema import BUILT, Schema, full

PLANNED = ("x-issue", "x-issue-values")
# keys whose planned value decides which other keys exist or must exist beside it
_DECIDING = ("kind", "strategy")


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where the file breaks a rule of the schema.

    `rule` is the schema's keyword and `wants` its value; `value` is what is written at `path`.
    `of_key` is true if the fault is a key's name, which `value` then is.
    """

    path: Path
    rule: str
    wants: Any
    value: Any
    schema: Schema
    of_key: bool = False


def faults(root: Node) -> list[Fault]:
    """Every fault that a user should hear of: one cause, one fault. In no order.

    Never empty for a document that the published schema refuses.
    """
    found = [_fault(error) for error in _validator().iter_errors(plain(root)) if _counts(error)]
    return list(_first_of_each(_without_echoes(found)))


def is_secret(path: Path) -> bool:
    """Whether the path lies under `secrets`, whose values are never shown."""
    return bool(_secrets(path))


def _secrets(path: Path) -> Path:
    """The path of the `secrets` block that the path lies in, or nothing."""
    if path[:1] == ("secrets",):
        return path[:1]
    within = path[:1] == ("environments",) and path[2:3] == ("secrets",)
    return path[:3] if within else ()


@cache
def _validator() -> Any:
    own = {"pattern": _pattern, "x-issue": _planned, "x-issue-values": _planned_value}
    return extend(Draft202012Validator, own)(full())


def _pattern(_: Any, pattern: str, instance: Any, __: Schema) -> Iterator[ValidationError]:
    whole = pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern
    if isinstance(instance, str) and not re.search(whole, instance):
        yield ValidationError("does not match")


def _planned(_: Any, issue: str, __: Any, ___: Schema) -> Iterator[ValidationError]:
    if issue not in BUILT:
        yield ValidationError("planned")


def _planned_value(_: Any, issues: dict[str, str], value: Value, __: Schema) -> Iterator[Any]:
    if isinstance(value, str) and issues.get(value, "main") not in BUILT:
        yield ValidationError("planned value")


def _counts(error: ValidationError) -> bool:
    """`then: {x-issue}` repeats what the value that leads there says, `not` what a key says."""
    where = list(error.absolute_schema_path)
    return where[-2:] != ["then", "x-issue"] and error.validator != "not"


def _fault(error: ValidationError) -> Fault:
    path: Path = tuple(error.absolute_path)
    of_key = "propertyNames" in error.relative_schema_path
    rule = str(error.validator)
    return Fault(path, rule, error.validator_value, error.instance, error.schema, of_key)


def _without_echoes(found: list[Fault]) -> Iterator[Fault]:
    """Without what only follows from another fault: all that is inside a block that is planned,
    and what a planned `kind` or `strategy` makes of the block it stands in. A secret's value is
    told before anything else about `secrets`.
    """
    leaked = {_secrets(f.path[:-1]) for f in found if f.rule == "type"} - {()}
    planned = {f.path for f in found if f.rule == "x-issue"} - leaked
    decided = {f.path[:-1] for f in found if f.rule == "x-issue-values" and f.path[-1] in _DECIDING}
    for fault in found:
        if fault.path in leaked and fault.rule == "x-issue":
            continue
        inside = any(fault.path[: len(p)] == p for p in planned)
        if fault.rule not in PLANNED and (inside or fault.path in decided):
            continue
        if fault.rule == "x-issue" and any(_below(fault.path, p) for p in planned | decided - {()}):
            continue
        yield fault


def _below(path: Path, block: Path) -> bool:
    return len(path) > len(block) and path[: len(block)] == block


def _first_of_each(found: Iterable[Fault]) -> Iterator[Fault]:
    """One fault for a place and a rule; one wrong type for a list of steps, said once."""
    seen: set[tuple[Path, str, str]] = set()
    for fault in found:
        steps = fault.rule == "type" and fault.path[-2:-1] == ("steps",)
        which = str(fault.wants) if fault.rule == "required" else ""
        mark = (fault.path[:-1] if steps else fault.path, fault.rule, which)
        if mark not in seen or fault.of_key:
            seen.add(mark)
            yield fault
