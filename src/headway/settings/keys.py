"""Every key of headway.yaml with its meaning, values and default, for people.

Called by sentences (which unit a value has), `headway config explain` and reference.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from headway.settings.schema import BUILT, Schema, full, resolve

BLOCKS = ("run", "health", "env", "rollout", "analysis", "traffic", "tests", "gates", "target")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file. `path` is dotted: `NAME` stands for any name, `[]` for any list item.

    `meaning` and `default` are empty where the schema says nothing. `strategy` is set for keys that
    only one strategy knows. `values` says what may be written.
    """

    path: str
    values: str
    default: str = ""
    meaning: str = ""
    strategy: str = ""
    issue: str = "main"

    @property
    def in_environments(self) -> bool:
        """Whether the key may also be written inside an environment."""
        return self.path.split(".")[0].rstrip("[]") in BLOCKS


def keys(*, planned: bool = False) -> tuple[Key, ...]:
    """Every key of one service's file, in the schema's order; with those planned, if asked."""
    strategies: dict[Key, list[str]] = {}
    for key in (*_keys(_workspace(), Key("", "")), *_keys(full()["else"], Key("", ""))):
        if planned or key.issue in BUILT:
            strategies.setdefault(replace(key, strategy=""), []).append(key.strategy)
    return tuple(
        replace(k, strategy=", ".join(dict.fromkeys(filter(None, s))))
        for k, s in strategies.items()
    )


def _workspace() -> Schema:
    """What only the file of a workspace knows."""
    one, many = full()["else"]["properties"], full()["then"]["properties"]
    return {"properties": {name: many[name] for name in many if name not in one}}


def _keys(schema: Schema, at: Key) -> Iterator[Key]:
    """The keys below `at`, whose path, issue and strategy they inherit."""
    schema = resolve(schema)
    for name, value in schema.get("properties", {}).items():
        if at.path == "environments.NAME" and name in (*BLOCKS, "secrets"):
            continue
        yield from _one(name, value, at)
    for branch, inside in _branches(schema, at):
        yield from _keys(branch, inside)


def _one(name: str, schema: Schema, at: Key) -> Iterator[Key]:
    schema = resolve(schema)
    if set(schema) == {"const"}:
        return
    issue = schema.get("x-issue", at.issue)
    key = Key(
        path=f"{at.path}.{name}" if at.path else name,
        values=_values(schema),
        default=_text(schema.get("x-default", "")),
        meaning=schema.get("description", ""),
        strategy=at.strategy,
        issue=at.issue if at.issue not in BUILT else issue,
    )
    yield key
    yield from _keys(schema, key)


def _branches(schema: Schema, at: Key) -> Iterator[tuple[Schema, Key]]:
    """Where else keys may stand: in a condition's branch, a named entry, a list's item."""
    for part in (schema, *schema.get("allOf", ())):
        if "then" not in part:
            continue
        then = part["then"]
        issue = then.get("x-issue", at.issue) if at.issue in BUILT else at.issue
        strategy = part.get("if", {}).get("properties", {}).get("strategy", {}).get("const", "")
        yield then, replace(at, strategy=strategy or at.strategy, issue=issue)
        if "else" in part:
            yield part["else"], at
    if isinstance(more := schema.get("additionalProperties"), dict):
        yield more, replace(at, path=f"{at.path}.NAME")
    if "items" in schema:
        yield schema["items"], replace(at, path=f"{at.path}[]")


def _values(schema: Schema) -> str:
    if "enum" in schema:
        issues = schema.get("x-issue-values", {})
        return " | ".join(str(v) for v in schema["enum"] if issues.get(v, "main") in BUILT)
    if "const" in schema:
        return str(schema["const"])
    kinds = schema.get("type", "")
    if "anyOf" in schema:
        return " or ".join(_values(resolve(s)) for s in schema["anyOf"])
    if pattern := _FORMS.get(kind_of(schema)):
        return pattern
    words = [_WORDS[k] for k in ([kinds] if isinstance(kinds, str) else kinds) if k in _WORDS]
    return " or ".join(words) or "anything"


def _text(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


_WORDS = {
    "object": "a block",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


@cache
def _patterns() -> dict[str, str]:
    definitions = full()["$defs"]
    return {definitions[name]["pattern"]: name for name in _FORMS}


def kind_of(schema: Schema) -> str:
    """Which of the schema's definitions a pattern is: `duration`, `percent` …; or empty."""
    return _patterns().get(schema.get("pattern", ""), "")


_FORMS = {
    "name": "a name",
    "env_name": "a variable's name",
    "date": "a date",
    "duration": "a duration",
    "percent": "a percentage",
    "growth": "a growth in percent",
    "size": "a size",
    "path": "a URL path",
    "file": "a path in the repository",
    "channel": "a channel",
    "point": "a percentile or a time",
    "job_name": "a job's name",
    "check_name": "a check's name",
}
