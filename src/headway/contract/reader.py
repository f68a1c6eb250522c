"""From a contract file to a Contract, strictly: the Pact format, versions 3 and 4.

The format: github.com/pact-foundation/pact-specification, branches version-3 and version-4. What
would make a comparison mean less than the consumer meant (unknown matchers, generated requests,
messages) is refused by name. Files are hostile text: bounded in size, depth and patterns.
"""

import base64
import binascii
import json
from typing import Any, NoReturn

from headway.contract import rules
from headway.contract.interaction import (
    Asked,
    Body,
    Contract,
    Interaction,
    State,
    Wanted,
)
from headway.model.errors import Invalid

MOST_BYTES = 4 * 1024 * 1024
MOST_INTERACTIONS = 2000
MOST_DEPTH = 60
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
_KEYS = frozenset(
    {"description", "type", "request", "response", "providerStates", "providerState", "pending"}
    | {"key", "comments", "pluginConfiguration", "transport", "interactionMarkup", "references"}
)


def read(data: bytes, file: str) -> Contract:
    """The contract. Raises Invalid (`bad-contract`), naming the place in the file."""
    return _Reader(file).contract(data)


class _Reader:
    """Reads one file; knows its name for errors."""

    def __init__(self, file: str) -> None:
        self._file = file

    def contract(self, data: bytes) -> Contract:
        """The whole."""
        root = self._parsed(data)
        version = self._version(root)
        major = version.split(".")[0]
        if root.get("messages"):
            self._no("messages", "messages are not replayed over HTTP; only requests are")
        found = self._list(root, "interactions", "$")
        if not found:
            self._no("interactions", "there is none")
        if len(found) > MOST_INTERACTIONS:
            self._no("interactions", f"there are more than {MOST_INTERACTIONS}")
        return Contract(
            consumer=self._party(root, "consumer"),
            provider=self._party(root, "provider"),
            specification=version,
            interactions=tuple(
                self._interaction(one, f"interactions[{n}]", major) for n, one in enumerate(found)
            ),
        )

    def _no(self, place: str, why: str) -> NoReturn:
        raise Invalid(f"{self._file}: `{place}`: {why}", code="bad-contract")

    def _parsed(self, data: bytes) -> dict[str, Any]:
        if len(data) > MOST_BYTES:
            raise Invalid(f"{self._file} is larger than 4 MiB", code="bad-contract")
        try:
            root = json.loads(data, object_pairs_hook=_once, parse_constant=_constant)
        except (ValueError, RecursionError) as error:
            why = str(error) or "it is nested too deeply"
            raise Invalid(f"{self._file} is not JSON", why=why, code="bad-contract") from error
        if not isinstance(root, dict) or _depth(root) > MOST_DEPTH:
            raise Invalid(f"{self._file} is no contract", code="bad-contract")
        return root

    def _version(self, root: dict[str, Any]) -> str:
        meta = root.get("metadata")
        said = meta.get("pactSpecification") if isinstance(meta, dict) else None
        version = str(said.get("version", "")) if isinstance(said, dict) else ""
        if version.split(".")[0] not in {"3", "4"}:
            self._no(
                "metadata.pactSpecification.version",
                f"{version[:20] or 'none'}; versions 3 and 4 are read",
            )
        return version

    def _party(self, root: dict[str, Any], key: str) -> str:
        party = root.get(key)
        name = party.get("name") if isinstance(party, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= 100 or not name.isprintable():
            self._no(f"{key}.name", "a name of at most 100 characters is needed")
        return name

    def _list(self, node: dict[str, Any], key: str, place: str) -> list[Any]:
        found = node.get(key, [])
        if not isinstance(found, list):
            self._no(f"{place}.{key}", "must be a list")
        return found

    def _dict(self, node: dict[str, Any], key: str, place: str) -> dict[str, Any]:
        found = node.get(key, {})
        if not isinstance(found, dict):
            self._no(f"{place}.{key}", "must be an object")
        return found

    def _interaction(self, node: Any, place: str, major: str) -> Interaction:
        if not isinstance(node, dict):
            self._no(place, "must be an object")
        unknown = sorted(set(node) - _KEYS)
        if unknown:
            self._no(f"{place}.{unknown[0]}", "this key is not known")
        kind = node.get("type", "Synchronous/HTTP")
        if kind != "Synchronous/HTTP":
            self._no(f"{place}.type", f"{str(kind)[:60]} is not replayed; only Synchronous/HTTP is")
        description = node.get("description")
        if not isinstance(description, str) or not description:
            self._no(f"{place}.description", "is missing")
        return Interaction(
            description=description,
            asked=self._asked(self._dict(node, "request", place), f"{place}.request", major),
            wanted=self._wanted(self._dict(node, "response", place), f"{place}.response", major),
            states=self._states(node, place),
            pending=node.get("pending") is True,
        )

    def _states(self, node: dict[str, Any], place: str) -> tuple[State, ...]:
        if isinstance(node.get("providerState"), str):
            return (State(node["providerState"]),)
        found = []
        for number, one in enumerate(self._list(node, "providerStates", place)):
            where = f"{place}.providerStates[{number}]"
            if not isinstance(one, dict) or not isinstance(one.get("name"), str):
                self._no(where, "needs a `name`")
            found.append(State(one["name"], self._dict(one, "params", where)))
        return tuple(found)

    def _asked(self, node: dict[str, Any], place: str, major: str) -> Asked:
        if node.get("generators"):
            self._no(f"{place}.generators", "values that are made up at each replay are not known")
        method, path = str(node.get("method", "")).upper(), node.get("path")
        if method not in _METHODS:
            self._no(f"{place}.method", f"{method[:20]!r} is none of {', '.join(_METHODS)}")
        if not isinstance(path, str) or not path.startswith("/") or not path.isprintable():
            self._no(f"{place}.path", "must be a path that begins with `/`")
        return Asked(
            method=method,
            path=path,
            query=self._query(node, place),
            headers=self._headers(node, place),
            body=self._body(node, place, major),
        )

    def _query(self, node: dict[str, Any], place: str) -> tuple[tuple[str, str], ...]:
        found = []
        for name, values in self._dict(node, "query", place).items():
            for value in values if isinstance(values, list) else [values]:
                if not isinstance(value, str):
                    self._no(f"{place}.query.{name}", "values must be texts")
                found.append((name, value))
        return tuple(found)

    def _headers(self, node: dict[str, Any], place: str) -> tuple[tuple[str, str], ...]:
        found = []
        for name, values in self._dict(node, "headers", place).items():
            parts = values if isinstance(values, list) else [values]
            whole = ", ".join(p for p in parts if isinstance(p, str))
            good = all(isinstance(p, str) for p in parts) and f"{name}{whole}".isprintable()
            if not good or not name.isascii():
                self._no(f"{place}.headers.{name[:60]}", "must be a text of one line")
            found.append((name, whole))
        return tuple(found)

    def _body(self, node: dict[str, Any], place: str, major: str) -> Body | None:
        headers = {n.lower(): v for n, v in self._headers(node, place)}
        if "body" not in node:
            return None
        written, kind = node["body"], headers.get("content-type", "")
        if major == "4":
            if not isinstance(written, dict) or "content" not in written:
                return None
            kind = str(written.get("contentType") or kind)
            written = self._decoded(written, place)
        is_json = not isinstance(written, str) or "json" in kind.lower()
        return Body(written, json=is_json, content_type=kind)

    def _decoded(self, written: dict[str, Any], place: str) -> Any:
        content, encoded = written["content"], written.get("encoded", False)
        if encoded is False or encoded is None:
            return content
        if encoded in {"JSON", "json"} and isinstance(content, str):
            try:
                return json.loads(content)
            except ValueError as error:
                self._no(f"{place}.body.content", str(error))
        if str(encoded).lower() not in {"base64", "true"} or not isinstance(content, str):
            self._no(f"{place}.body.encoded", f"{str(encoded)[:40]!r} is not known")
        try:
            return base64.b64decode(content, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            self._no(f"{place}.body.content", "is not text; bodies that are no text are not read")

    def _wanted(self, node: dict[str, Any], place: str, major: str) -> Wanted:
        status = node.get("status", 200)
        if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
            self._no(f"{place}.status", "must be from 100 to 599")
        written = self._dict(node, "matchingRules", place)
        if unknown := sorted(set(written) - {"body", "header", "headers", "status"}):
            self._no(f"{place}.matchingRules", f"{unknown[0][:60]!r} is not known")
        try:
            return Wanted(
                status=status,
                headers=self._headers(node, place),
                body=self._body(node, place, major),
                body_rules=rules.of_body(written.get("body")),
                header_rules=rules.of_names(written.get("header") or written.get("headers")),
                status_rules=rules.of_whole(written.get("status")),
            )
        except ValueError as error:
            self._no(f"{place}.matchingRules", str(error))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice in one object")
    return found


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _depth(value: Any) -> int:
    """How deep it is nested, counted without recursion, to MOST_DEPTH and one more."""
    level, depth = [value], 0
    while level and depth <= MOST_DEPTH:
        depth += 1
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
    return depth
