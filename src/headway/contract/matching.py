"""Compares a provider's answer with what a contract records. Pure; called by flows/contracts.

Where no rule says otherwise: the status is equal, named headers are equal, every key of a recorded
object is there with an equal value (what is there besides does no harm), and lists are equal. With
a rule, the recorded value is only an example of its kind (Pact specification, versions 3 and 4).
"""

import json
import re
from typing import Any

from headway.contract.interaction import Body, Got, Matcher, Mismatch, Rule, Wanted
from headway.contract.paths import Path, nearest, said

MOST_MISMATCHES = 50
MOST_TEXT = 10_000
SHOWN = 200
_CLASSES = {
    "info": range(100, 200),
    "success": range(200, 300),
    "redirect": range(300, 400),
    "clientError": range(400, 500),
    "serverError": range(500, 600),
    "nonError": range(100, 400),
    "error": range(400, 600),
}
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"
)


def compare(wanted: Wanted, got: Got) -> tuple[Mismatch, ...]:
    """Everything that differs; the first MOST_MISMATCHES of it."""
    found = _Found()
    _status(wanted, got, found)
    for name, value in wanted.headers:
        _header(wanted, name, value, got, found)
    if wanted.body is not None:
        _body(wanted.body, wanted.body_rules, got, found)
    return tuple(found)


class _Found(list[Mismatch]):
    """What differs, bounded."""

    def add(self, place: str, expected: str, got: object) -> None:
        if len(self) < MOST_MISMATCHES:
            self.append(Mismatch(place, expected, got if isinstance(got, str) else shown(got)))


def shown(value: object) -> str:
    """A value for people, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _status(wanted: Wanted, got: Got, found: _Found) -> None:
    rule = nearest(wanted.status_rules, ())
    if rule is None:
        if got.status != wanted.status:
            found.add("status", str(wanted.status), str(got.status))
        return
    for matcher in rule.matchers:
        allowed = matcher.statuses or _CLASSES.get(matcher.text, ())
        if got.status not in allowed:
            named = matcher.text or " or ".join(map(str, matcher.statuses))
            found.add("status", named, str(got.status))


def _header(wanted: Wanted, name: str, value: str, got: Got, found: _Found) -> None:
    place = f"header {name}"
    actual = got.headers.get(name.lower())
    if actual is None:
        found.add(place, shown(value), "none")
        return
    rule = nearest(wanted.header_rules, (name.lower(),))
    if rule is not None:
        _judge(rule, value, _number(rule, actual), place, found)
    elif name.lower() == "content-type":
        if not _same_type(value, actual):
            found.add(place, shown(value), shown(actual))
    elif _listed(value) != _listed(actual):
        found.add(place, shown(value), shown(actual))


def _number(rule: Rule, text: str) -> object:
    """A header's text as the number that the rule is about, if it is one."""
    if any(m.kind in _WORDS for m in rule.matchers) and _NUMBER.fullmatch(text[:SHOWN]):
        return json.loads(text)
    return text


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]


def _same_type(expected: str, actual: str) -> bool:
    """Equal types; parameters that are expected (charset) must be there and equal."""
    kind, *wanted = [part.strip().lower() for part in expected.split(";")]
    given, *there = [part.strip().lower() for part in actual.split(";")]
    return kind == given and set(wanted) <= set(there)


def _body(body: Body, rules: tuple[Rule, ...], got: Got, found: _Found) -> None:
    if not body.json:
        text = got.body.decode("utf-8", "replace")
        rule = nearest(rules, ())
        if rule is not None:
            _judge(rule, body.value, text, "body", found)
        elif text != body.value:
            found.add("body", shown(body.value), shown(text))
        return
    try:
        value = json.loads(got.body) if got.body else None
    except (ValueError, RecursionError):
        found.add("body", "JSON", shown(got.body[:SHOWN].decode("utf-8", "replace")))
        return
    _value(rules, body.value, value, (), found)


def _value(rules: tuple[Rule, ...], expected: Any, got: Any, at: Path, found: _Found) -> None:
    rule = nearest(rules, at)
    place = f"body {said(at)}"
    if rule is not None and not (isinstance(expected, dict | list) and _by_kind(rule)):
        _judge(rule, expected, got, place, found)
    elif isinstance(expected, dict):
        _object(rules, expected, got, at, found)
    elif isinstance(expected, list):
        _list(rules, expected, got, at, found)
    elif not _equal(expected, got):
        found.add(place, shown(expected), shown(got))


def _by_kind(rule: Rule) -> bool:
    """Whether a rule about an object or a list is about what is in it."""
    return all(m.kind in {"type", "min", "max", "values", "notEmpty"} for m in rule.matchers)


def _object(
    rules: tuple[Rule, ...], expected: dict[str, Any], got: Any, at: Path, found: _Found
) -> None:
    if not isinstance(got, dict):
        found.add(f"body {said(at)}", "an object", shown(got))
        return
    own = nearest(rules, at)
    if own is not None and own.path == at and any(m.kind == "values" for m in own.matchers):
        example = next(iter(expected.values()), None)
        for key, value in got.items():
            _value(rules, expected.get(key, example), value, (*at, key), found)
        return
    for key, value in expected.items():
        if key in got:
            _value(rules, value, got[key], (*at, key), found)
        else:
            found.add(f"body {said((*at, key))}", shown(value), "nothing")


def _list(rules: tuple[Rule, ...], expected: list[Any], got: Any, at: Path, found: _Found) -> None:
    place = f"body {said(at)}"
    if not isinstance(got, list):
        found.add(place, "a list", shown(got))
        return
    rule = nearest(rules, at)
    if rule is None:
        if len(expected) != len(got):
            found.add(place, f"{len(expected)} elements", f"{len(got)}")
        for number, (one, other) in enumerate(zip(expected, got, strict=False)):
            _value(rules, one, other, (*at, number), found)
        return
    if len(rule.path) == len(at):
        _length(rule, got, place, found)
    for number, other in enumerate(got if expected else ()):
        example = expected[number] if number < len(expected) else expected[0]
        _value(rules, example, other, (*at, number), found)


def _length(rule: Rule, got: list[Any], place: str, found: _Found) -> None:
    for matcher in rule.matchers:
        least = 1 if matcher.kind == "notEmpty" else matcher.least
        if least is not None and len(got) < least:
            found.add(place, f"at least {least} elements", f"{len(got)}")
        if matcher.most is not None and len(got) > matcher.most:
            found.add(place, f"at most {matcher.most} elements", f"{len(got)}")


def _judge(rule: Rule, expected: Any, got: Any, place: str, found: _Found) -> None:
    wrong = [why for m in rule.matchers if (why := fault(m, expected, got))]
    if wrong and not (rule.any and len(wrong) < len(rule.matchers)):
        found.add(place, wrong[0], shown(got))


def fault(matcher: Matcher, expected: Any, got: Any) -> str:
    """What would have been right, in words; "" if it is."""
    match matcher.kind:
        case "equality":
            return "" if _equal(expected, got) else shown(expected)
        case "type" | "min" | "max" | "values":
            return "" if _kind(expected) == _kind(got) else f"{_kind(expected)}"
        case "notEmpty":
            good = _kind(expected) == _kind(got) and got not in ("", [], {})
            return "" if good else f"{_kind(expected)} that is not empty"
        case "regex":
            good = isinstance(got, str | int | float) and _search(matcher.text, got)
            return "" if good else f"what matches `{matcher.text}`"
        case "include":
            good = matcher.text in (got if isinstance(got, str) else shown(got))
            return "" if good else f"text with {shown(matcher.text)}"
        case "semver":
            good = isinstance(got, str) and bool(_SEMVER.fullmatch(got))
            return "" if good else "a semantic version"
        case _:
            return "" if _is(matcher.kind, got) else _WORDS[matcher.kind]


_WORDS = {
    "integer": "an integer",
    "decimal": "a decimal number",
    "number": "a number",
    "boolean": "a boolean",
    "null": "null",
}


def _is(kind: str, got: Any) -> bool:
    number = isinstance(got, int | float) and not isinstance(got, bool)
    return {
        "integer": number and isinstance(got, int),
        "decimal": number and isinstance(got, float),
        "number": number,
        "boolean": isinstance(got, bool),
        "null": got is None,
    }[kind]


def _search(pattern: str, got: str | float) -> bool:
    text = got if isinstance(got, str) else shown(got)
    return len(text) <= MOST_TEXT and re.search(pattern, text) is not None


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    names = {str: "text", list: "a list", dict: "an object", type(None): "null"}
    return names[type(value)]


def _equal(expected: Any, got: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are, true and 1 are not."""
    if _kind(expected) != _kind(got):
        return False
    if isinstance(expected, dict):
        same = expected.keys() == got.keys()
        return same and all(_equal(v, got[k]) for k, v in expected.items())
    if isinstance(expected, list):
        same = len(expected) == len(got)
        return same and all(_equal(a, b) for a, b in zip(expected, got, strict=True))
    return bool(expected == got)
