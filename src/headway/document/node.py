"""The tree a document is read into: every value knows the line and column it was written at.

`read` builds it; settings and pipeline walk it, so that an error found late can still be placed.
"""

from collections.abc import Iterator

from headway.record import dataclass

Value = str | int | float | bool | None
Plain = Value | list["Plain"] | dict[str, "Plain"]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `text` is what was written (unquoted), `value` what YAML 1.2 core makes of it.

    `quoted` is true for quoted and block scalars, whose value is always their text.
    """

    value: Value
    text: str
    at: Mark
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list, in the order written."""

    items: tuple["Node", ...]
    at: Mark


@dataclass(frozen=True, slots=True)
class Mapping:
    """Key and value pairs, in the order written. No two keys have the same `text`."""

    entries: tuple[tuple[Scalar, "Node"], ...]
    at: Mark

    def get(self, key: str) -> "Node | None":
        """The value under the key, or None if it is not written (a written null is a Scalar)."""
        return next((node for name, node in self.entries if name.text == key), None)

    def key(self, key: str) -> Scalar | None:
        """The key itself, for its place, or None if it is not written."""
        return next((name for name, _ in self.entries if name.text == key), None)

    def keys(self) -> tuple[str, ...]:
        """The keys' text, in the order written."""
        return tuple(name.text for name, _ in self.entries)


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Plain:
    """The same as Python data: dict, list, str, int, float, bool, None. Keys are their text."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key.text: plain(value) for key, value in node.entries}


def find(node: Node, path: Path) -> Node | None:
    """The node at a path of keys and indexes, or None if nothing is written there."""
    found: Node | None = node
    for part in path:
        match found, part:
            case Mapping(), str():
                found = found.get(part)
            case Sequence(), int() if 0 <= part < len(found.items):
                found = found.items[part]
            case _:
                return None
    return found


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Scalar | None, Node]]:
    """Every node below and including this one, in the order written: (path, its key, node)."""
    yield from _walk(node, path, None)


def _walk(node: Node, path: Path, key: Scalar | None) -> Iterator[tuple[Path, Scalar | None, Node]]:
    yield path, key, node
    if isinstance(node, Mapping):
        for name, value in node.entries:
            yield from _walk(value, (*path, name.text), name)
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from _walk(item, (*path, index), None)
