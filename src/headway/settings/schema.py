"""The schema of headway.yaml: all of it, and the part that this version has built.

`headway.schema.json` names every key that Headway will ever read, each with the issue it comes with
(`x-issue`). Only what is in `BUILT` is published and read; the rest is refused by name. Called by
grammar (reading), keys and origins (telling), and `headway config schema`.
"""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

BUILT = frozenset({"main", "judge"})
Schema = dict[str, Any]


@cache
def full() -> Schema:
    """The whole schema. Shared: do not change it."""
    text = files("headway.settings").joinpath("headway.schema.json").read_text("utf-8")
    whole: Schema = json.loads(text)
    return whole


@cache
def published() -> Schema:
    """JSON Schema (draft 2020-12) of what this version reads, for editors. Shared, too."""
    whole = full()
    out = {name: whole[name] for name in ("$schema", "$id")}
    out |= {"title": "headway.yaml", "if": whole["if"]}
    out |= {part: _built(whole[part]) for part in ("then", "else")}
    out["$defs"] = _built_all(whole["$defs"])
    out["$defs"] = _used(out)
    return out


def resolve(schema: Schema) -> Schema:
    """The schema with its `$ref` replaced by the definition; keys written beside it win."""
    if "$ref" not in schema:
        return schema
    definition = full()["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return resolve(definition) | {k: v for k, v in schema.items() if k != "$ref"}


def is_built(schema: Schema) -> bool:
    """Whether this version reads the key with this schema."""
    return schema.get("x-issue", "main") in BUILT


def _built(schema: Any) -> Any:
    """The schema without what is planned and without Headway's own keywords."""
    if isinstance(schema, list):
        return [_built(item) for item in schema if not _is_planned_branch(item)]
    if not isinstance(schema, dict):
        return schema
    if "if" in schema and not is_built(schema.get("then", {})):
        return _built(schema["else"])
    out = {name: _keyword(name, value, schema) for name, value in schema.items()}
    told = _told(schema)
    if told:
        out["description"] = told
    return {name: value for name, value in out.items() if not name.startswith("x-")}


def _built_all(schemas: Schema) -> Schema:
    return {name: _built(s) for name, s in schemas.items() if is_built(s)}


def _keyword(name: str, value: Any, schema: Schema) -> Any:
    if name == "properties":
        return _built_all(value)
    if name == "enum":
        issues = schema.get("x-issue-values", {})
        return [v for v in value if issues.get(v, "main") in BUILT]
    return _built(value)


def _is_planned_branch(branch: Any) -> bool:
    """A branch of `allOf` about a value or a key that is not built."""
    then = branch.get("then", {}) if isinstance(branch, dict) else {}
    return not is_built(then) or "schedule" in then.get("required", ())


def _told(schema: Schema) -> str:
    default = f"Default: {schema['x-default']}." if "x-default" in schema else ""
    meaning = str(schema.get("description", ""))
    return f"{meaning}. {default}".strip() if meaning and default else meaning or default


def _used(schema: Schema) -> Schema:
    """The definitions that are reached from the root."""
    definitions, reached = schema["$defs"], dict[str, Any]()
    waiting = list(_references({k: v for k, v in schema.items() if k != "$defs"}))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = definitions[name]
            waiting += _references(definitions[name])
    return {name: definitions[name] for name in definitions if name in reached}


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item)
    elif isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix("#/$defs/")
        for value in schema.values():
            yield from _references(value)
