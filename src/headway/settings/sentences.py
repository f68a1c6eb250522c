"""A fault of the schema in a user's words: what is wrong, and what to write instead.

`worded` is called by `reading` for each fault. The codes are those of docs/reference/errors.md.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any

from headway.document import Mapping, Mark, Node, Path, find, quoted
from headway.model.errors import Problem
from headway.settings.grammar import Fault, is_secret
from headway.settings.keys import kind_of
from headway.settings.schema import full, is_built

Said = tuple[str, str]  # sentence and code
_OF_STRATEGY = {
    "steps": "canary",
    "holdback": "canary",
    "match": "canary",
    "keep_old": "blue-green",
    "max_surge": "rolling",
    "max_unavailable": "rolling",
    "mirror": "shadow",
    "ignore_fields": "canary and shadow",
}
_EXAMPLES = {
    "run": "how is one instance started? For example `run: ./shop --port $PORT`",
    "service": "what is it called? For example `service: shop`",
    "environments": "where does it run? For example `environments: {staging: , production: }`",
    "strategy": "canary, blue-green, rolling or shadow?",
    "share": "how much traffic? For example `share: 25%`",
    "kind": "what runs the instances? Write `kind: local`",
    "path": "what is asked? For example `path: /health`",
    "source": "which metric source? For example `source: prometheus`, a name that "
    "`headway connection list` shows",
    "left": "how much of the error budget must be left? For example `left: 20%`",
    "below": "how fast may it burn? For example `below: 2`",
    "to": "who is told then? For example `to: [slack/on-call]`",
    "reports": "which files? For example `reports: [junit.xml]`",
    "rule": "which rule does it except? For example `rule: CVE-2026-12345`",
    "owner": "who has approved it? For example `owner: ana`",
    "reason": "why may it be so? For example `reason: not reachable here`",
    "expires": "through which day? For example `expires: 2026-12-31`",
    "all": "which symptoms? For example `all: [slo_burn, rollout_failed]`",
}
_TYPES = {
    "object": "a block of keys",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
    "null": "empty",
}


def worded(fault: Fault, root: Node, file: str) -> list[Problem]:
    """The problems of one fault, at their places. None only for a missing key whose misspelling
    is a fault of its own.
    """
    if fault.rule == "additionalProperties":
        return [_unknown(fault, key, root, file) for key in _extra(fault)]
    if fault.rule == "required":
        return _all_missing(fault, root, file)
    if fault.rule == "oneOf" and not isinstance(fault.value, dict):
        return []  # its type is told
    if fault.rule in ("anyOf", "oneOf") and isinstance(fault.value, dict) and _misspelled(fault):
        return []
    sentence, code = _SAYS.get(fault.rule, _otherwise)(fault)
    own = _key_place(root, fault) if fault.of_key or fault.rule == "x-issue" else None
    return [_problem(file, own or place(root, fault.path), sentence, code)]


def place(root: Node, path: Path) -> Mark:
    """Where the value at the path starts, or of the nearest block around it."""
    while (node := find(root, path)) is None:
        path = path[:-1]
    return node.at


def near(word: str, known: Iterable[str]) -> str:
    """A suggestion for a misspelled word, or all words that are known."""
    words = sorted(known)
    if best := closest(word, words):
        return f" Did you mean `{best}`?"
    return f" Known here: {', '.join(words)}." if words else ""


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one, or nothing."""
    return next(iter(difflib.get_close_matches(word[:80], sorted(known), 1, 0.6)), "")


def _problem(file: str, at: Mark, sentence: str, code: str) -> Problem:
    return Problem(file, at.line, at.column, sentence, code)


def _key_place(root: Node, fault: Fault) -> Mark | None:
    inside, name = (fault.path, fault.value) if fault.of_key else (fault.path[:-1], fault.path[-1])
    block = find(root, inside)
    key = block.key(str(name)) if isinstance(block, Mapping) else None
    return key.at if key else None


def _extra(fault: Fault) -> list[str]:
    return [key for key in fault.value if key not in fault.schema.get("properties", {})]


def _unknown(fault: Fault, key: str, root: Node, file: str) -> Problem:
    block = find(root, fault.path)
    written = block.key(key) if isinstance(block, Mapping) else None
    at = written.at if written else place(root, fault.path)
    known = [n for n, s in fault.schema.get("properties", {}).items() if is_built(s)]
    if fault.path[-1:] == ("rollout",) and key in _OF_STRATEGY:
        return _problem(file, at, *_other_strategy(key, str(fault.value["strategy"]), known))
    sentence = f"unknown key {quoted(key)}.{near(key, known)}"
    return _problem(file, at, sentence, "unknown-key")


def _other_strategy(key: str, strategy: str, known: list[str]) -> Said:
    here = ", ".join(sorted(set(known) - {"strategy"}))
    return (
        f"`{key}` belongs to strategy {_OF_STRATEGY[key]}; this rollout is {strategy}. "
        f"Known for {strategy}: {here}"
    ), "other-strategy"


def _name(fault: Fault) -> str:
    """The key that a fault is about: the last one on its path."""
    keys = [part for part in fault.path if isinstance(part, str)]
    return quoted(keys[-1]) if keys else "the file"


def _planned(fault: Fault) -> Said:
    return f"{_name(fault)} is planned, not in this version", "planned"


def _planned_value(fault: Fault) -> Said:
    issues = fault.schema["x-issue-values"]
    built = ", ".join(str(v) for v in fault.schema["enum"] if v not in issues)
    written = quoted(f"{fault.path[-1]}: {fault.value}")
    return f"{written} is planned, not in this version. Known here: {built}", "planned"


def _all_missing(fault: Fault, root: Node, file: str) -> list[Problem]:
    """Each missing key; a key that was probably meant to be it is told as unknown, and only that.

    A block that closes itself (`additionalProperties`) has told its unknown keys already.
    """
    schema = fault.schema if fault.path else full()["else"]
    known = schema.get("properties", {})
    meant = {closest(key, known): key for key in fault.value if key not in known}
    found = []
    for key in (key for key in fault.wants if key not in fault.value):
        if key not in meant:
            found.append(_problem(file, place(root, fault.path), *_missing(fault, key)))
        elif schema.get("additionalProperties") is not False:
            found.append(_unknown(fault, meant[key], root, file))
    return found


def _misspelled(fault: Fault) -> bool:
    """Whether the key that is missing was probably meant by one that is told as unknown."""
    meant = {key for rule in fault.wants for key in rule.get("required", ())}
    return bool(meant) and any(closest(key, meant) for key in _extra(fault))


def _missing(fault: Fault, key: str) -> Said:
    if key in _EXAMPLES:
        return f"`{key}` is missing: {_EXAMPLES[key]}", "missing-key"
    return f"`{key}` is missing in {_name(fault)}", "missing-key"


def _not_among(fault: Fault) -> Said:
    if is_secret(fault.path):
        return f"{_name(fault)} cannot be this.{near('', map(str, fault.wants))}", "unknown-value"
    issues = fault.schema.get("x-issue-values", {})
    built = [str(v) for v in fault.wants if v not in issues]
    written = quoted(_yaml(fault.value))
    return f"{_name(fault)} cannot be {written}.{near(_yaml(fault.value), built)}", "unknown-value"


def _constant(fault: Fault) -> Said:
    return f"{_name(fault)} can only be `{_yaml(fault.wants)}`", "unknown-value"


def _wrong_type(fault: Fault) -> Said:
    path, value = fault.path, fault.value
    name = path[-1] if path else ""
    if is_secret(path[:-1]):
        return _secret(str(path[path.index("secrets") + 1]))
    if path[-2:-1] == ("steps",) and _is_number(value):
        return f"a step is a percentage: write `{_percent(value)}`, not `{value}`", "no-unit"
    if name == "approval" and "gates" in path:
        return "`approval` says who and how many. Write `approval: {count: 1}`", "wrong-type"
    if _is_number(value) and (said := _without_unit(fault)):
        return said
    if value is None:
        return f"{_name(fault)} is empty. Write a value, or leave the key out", "wrong-type"
    wanted = [fault.wants] if isinstance(fault.wants, str) else fault.wants
    kinds = " or ".join(_TYPES[t] for t in wanted if t != "null")
    hint = f': write `"{_yaml(value)}"`' if kinds == "text" and not _is_container(value) else ""
    return f"{_name(fault)} must be {kinds}{hint}", "wrong-type"


def _secret(name: str) -> Said:
    return (
        f"the value of a secret does not belong in this file. Run `headway secret set {name}`, "
        f"leave `{name}:` empty, and rotate the value: it may be in Git already"
    ), "secret-in-file"


def _without_unit(fault: Fault) -> Said | None:
    value, name = fault.value, _name(fault)
    match kind_of(fault.schema):
        case "duration":
            return _needs_unit(name, value)
        case "percent" | "growth":
            return f"{name} is a percentage: write `{_percent(value)}`, not `{value}`", "no-unit"
        case "size":
            said = f"{name} needs a unit: {value} what? Write `{value}MiB` or `{value}GiB`"
            return said, "no-unit"
        case _:
            return None


def _needs_unit(name: str, value: object) -> Said:
    said = f"{name} needs a unit: {value} what? Write `{value}s`, `{value}m` or `{value}h`"
    return said, "no-unit"


def _wrong_form(fault: Fault) -> Said:
    kind = kind_of(fault.schema)
    says = _FORMS.get(kind)
    if is_secret(fault.path) and not fault.of_key:
        return f"{_name(fault)} has a form that Headway does not read", "wrong-form"
    if says is None:
        return f"{_name(fault)} cannot be {quoted(fault.value)}", "wrong-form"
    return says(_name(fault), str(fault.value))


def _duration(name: str, value: str) -> Said:
    if re.fullmatch("[0-9]{1,9}", value):
        return _needs_unit(name, value)
    said = f"{quoted(value)} is not a duration Headway reads. One number, one unit"
    return f"{said}: `500ms`, `30s`, `5m`, `2h`, `7d`", "unit"


def _share(name: str, value: str) -> Said:
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value):
        return f"{name} is a percentage: write `{_percent(float(value))}`", "no-unit"
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?%", value):
        return f"{name} cannot be {quoted(value)}: it lies between `0%` and `100%`", "range"
    return f"{quoted(value)} is not a percentage Headway reads. Write for example `5%`", "unit"


def _growth(name: str, value: str) -> Said:
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value):
        return f"{name} is a percentage: write `{_percent(float(value))}`", "no-unit"
    return f"{quoted(value)} is not a growth Headway reads. Write for example `10%`", "unit"


def _size(_: str, value: str) -> Said:
    said = f"{quoted(value)} is not a size Headway reads. Sizes are KiB, MiB, GiB"
    number = re.match("[1-9][0-9]{0,9}", value)
    return f"{said}: write `{number.group() if number else 512}MiB`", "unit"


def _path(name: str, value: str) -> Said:
    said = f"{name} is a URL path: it starts with `/` and holds no spaces or braces, not"
    return f"{said} {quoted(value)}", "path"


def _file(name: str, value: str) -> Said:
    if value.startswith("/") or ".." in value:
        return outside(name, value)
    return f"{name} is a path inside the repository, without braces or `$`", "path"


def outside(name: str, value: str) -> Said:
    """For a path that leaves the repository."""
    said = f"{name} leaves the repository: {quoted(value)}. Write a path below this file's folder"
    return said, "outside"


def _channel(_: str, value: str) -> Said:
    said = f"{quoted(value)} is not a channel: a kind, `/` and a connection's name. The kinds are"
    return f"{said} slack, webhook, email, alertmanager: `slack/shop-alerts`", "name"


def _service_name(name: str, value: str) -> Said:
    said = f"{quoted(value)} is not a name Headway reads: 2 to 40 of a-z 0-9 -, starting with"
    return f"{said} a letter and not ending with -", "name"


def _variable(_: str, value: str) -> Said:
    suggestion = re.sub("[^A-Z0-9_]", "_", value.upper()[:40]) or "LOG_LEVEL"
    said = f"{quoted(value)} is not a variable's name: A-Z, 0-9 and _, not starting with a digit"
    return f"{said}. Write for example `{re.sub('^[0-9]', '_', suggestion)}`", "name"


def _point(_name: str, value: str) -> Said:
    said = f"{quoted(value)} is no point of the latencies. Write a percentile such as `p99`, or a"
    return f"{said} time such as `250ms`", "wrong-form"


def _job(_name: str, value: str) -> Said:
    said = f"{quoted(value)} is not the name of a job. Write its id as in the workflow: `test`;"
    return f"{said} `ci.yml/test` in another file, `release / test` in a called one", "name"


def _check(_name: str, value: str) -> Said:
    said = f"{quoted(value)} is not the name of a check. Write a job of the pipeline: `test`;"
    return f"{said} `ci.yml` or `ci.yml/test` for another workflow's run", "name"


def _date(_name: str, value: str) -> Said:
    return f"{quoted(value)} is not a date Headway reads. Write `2026-12-31`", "wrong-form"


_FORMS: dict[str, Callable[[str, str], Said]] = {
    "date": _date,
    "duration": _duration,
    "percent": _share,
    "growth": _growth,
    "size": _size,
    "path": _path,
    "file": _file,
    "name": _service_name,
    "env_name": _variable,
    "channel": _channel,
    "point": _point,
    "job_name": _job,
    "check_name": _check,
}


def _too_little(fault: Fault) -> Said:
    return f"{_name(fault)} must be at least {fault.wants}", "range"


def _too_much(fault: Fault) -> Said:
    return f"{_name(fault)} must be at most {fault.wants}", "range"


def _more_than(fault: Fault) -> Said:
    return f"{_name(fault)} must be more than {fault.wants}", "range"


def _empty(fault: Fault) -> Said:
    if fault.rule == "minItems" and fault.wants > 1 and fault.value:
        return f"{_name(fault)} needs at least {fault.wants} of them", "range"
    if fault.rule == "minLength" and fault.value:
        return f"{_name(fault)} is too short: write {fault.wants} characters or more", "range"
    if "properties" in fault.schema:
        return f"{_name(fault)} says nothing: write {_one_of(fault)}", "empty"
    return f"{_name(fault)} is empty. Write at least one, or leave the key out", "empty"


def _two(fault: Fault) -> Said:
    both = " and ".join(quoted(key) for key in fault.value)
    return f"{_name(fault)} holds {both}: write {_one_of(fault)}", "conflict"


def _one_of(fault: Fault) -> str:
    built = (quoted(n) for n, s in fault.schema["properties"].items() if is_built(s))
    return "one of " + ", ".join(built)


def _exactly_one(fault: Fault) -> Said:
    """Of keys, each of which is enough: none is written, or more than one."""
    keys = [rule["required"][0] for rule in fault.wants]
    several = " and ".join(quoted(key) for key in keys if key in fault.value)
    one = "one of " + ", ".join(quoted(key) for key in keys)
    if several:
        return f"{_name(fault)} holds {several}: write {one}", "conflict"
    return f"{_name(fault)} measures nothing: write {one}", "missing-key"


def _neither(fault: Fault) -> Said:
    if "slos" in fault.path:
        said = f"{_name(fault)} has no `target`: write for example `target: 99.9%`"
        return f"{said}, or `openslo` and a file", "missing-key"
    if "env" in fault.path:
        hint = "" if _is_container(fault.value) else f': write `"{_yaml(fault.value)}"`'
        return f"{_name(fault)} must be text or a whole number{hint}", "wrong-type"
    return f"{_name(fault)} is a count or a percentage: write `1` or `25%`", "unit"


def _otherwise(fault: Fault) -> Said:
    return f"{_name(fault)} breaks the rule `{fault.rule}`: see `headway config explain`", "invalid"


_SAYS: dict[str, Callable[[Fault], Said]] = {
    "x-issue": _planned,
    "x-issue-values": _planned_value,
    "enum": _not_among,
    "const": _constant,
    "type": _wrong_type,
    "pattern": _wrong_form,
    "minimum": _too_little,
    "maximum": _too_much,
    "exclusiveMinimum": _more_than,
    "minItems": _empty,
    "minLength": _empty,
    "minProperties": _empty,
    "maxProperties": _two,
    "anyOf": _neither,
    "oneOf": _exactly_one,
}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_container(value: object) -> bool:
    return isinstance(value, dict | list)


def _percent(value: float) -> str:
    return f"{value * 100 if value <= 1 else value:g}%"


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)
