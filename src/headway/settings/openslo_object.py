"""One object of an OpenSLO file, read strictly: every key is asked for by name, the rest refused.

Called by openslo.py and openslo_parts.py. Faults are gathered, each with its place.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from headway.document import Mapping, Mark, Node, Scalar, Sequence, quoted
from headway.model.errors import Problem
from headway.settings.sentences import near

TOP = ("apiVersion", "kind", "metadata", "spec")


@dataclass(slots=True)
class Faults:
    """What is wrong in one file."""

    file: str
    found: list[Problem] = field(default_factory=list)

    def add(self, at: Node | Mark, sentence: str, code: str) -> None:
        """One more, at the place of a node."""
        mark = at if isinstance(at, Mark) else at.at
        self.found.append(Problem(self.file, mark.line, mark.column, sentence, code))


@dataclass(frozen=True, slots=True)
class Part:
    """A block of an object; `name` is what it is called in sentences."""

    node: Mapping
    name: str
    faults: Faults

    def only(self, *known: str, meaningless: str = "") -> None:
        """Refuse every key that is not one of these; `meaningless` says why of those that OpenSLO
        has and Headway cannot keep.
        """
        for key, _ in self.node.entries:
            if key.text in known:
                continue
            if meaningless and key.text in meaningless.split():
                said = f"`{key.text}` of OpenSLO has no meaning in Headway. Leave it out"
                self.faults.add(key, said, "unsupported")
            else:
                said = f"unknown key {quoted(key.text)} in {self.name}.{near(key.text, known)}"
                self.faults.add(key, said, "unknown-key")

    def has(self, key: str) -> bool:
        """Whether it is written."""
        return self.node.get(key) is not None

    def at(self, key: str) -> Node | Mark:
        """Where the value is, or the block if there is none."""
        return self.node.get(key) or self.node.at

    def text(self, key: str, *, needed: bool = False) -> str:
        """The text under the key, or ''."""
        found = self.node.get(key)
        if isinstance(found, Scalar) and found.value is not None:
            return found.text
        if found is not None:
            self.faults.add(found, f"`{key}` must be text", "wrong-type")
        elif needed:
            self.faults.add(self.node, f"{self.name} needs `{key}`", "missing-key")
        return ""

    def number(self, key: str) -> float | None:
        """The number under the key."""
        found = self.node.get(key)
        if found is None:
            return None
        value = found.value if isinstance(found, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.faults.add(found, f"`{key}` must be a number", "wrong-type")
            return None
        return float(value)

    def flag(self, key: str) -> bool | None:
        """`true` or `false`, None if it is not written."""
        found = self.node.get(key)
        if found is None:
            return None
        if isinstance(found, Scalar) and isinstance(found.value, bool):
            return found.value
        self.faults.add(found, f"`{key}` must be `true` or `false`", "wrong-type")
        return None

    def part(self, key: str, *, needed: bool = False) -> "Part | None":
        """The block under the key."""
        found = self.node.get(key)
        if isinstance(found, Mapping):
            return Part(found, f"`{key}`", self.faults)
        if found is not None:
            self.faults.add(found, f"`{key}` must be a block of keys", "wrong-type")
        elif needed:
            self.faults.add(self.node, f"{self.name} needs `{key}`", "missing-key")
        return None

    def parts(self, key: str) -> Iterator["Part"]:
        """The blocks of the list under the key."""
        found = self.node.get(key)
        if found is None:
            return
        if not isinstance(found, Sequence):
            self.faults.add(found, f"`{key}` must be a list", "wrong-type")
            return
        for item in found.items:
            if isinstance(item, Mapping):
                yield Part(item, f"an entry of `{key}`", self.faults)
            else:
                self.faults.add(item, f"an entry of `{key}` must be a block", "wrong-type")


@dataclass(frozen=True, slots=True)
class Thing:
    """An object by its kind and name."""

    kind: str
    name: str
    top: Part
    spec: Part
