"""Typed reading of a block whose form the schema has already approved.

Each reader gives the default where nothing is written. Called by `building` only.
"""

import json
from typing import TypeVar, cast

from headway.document import Mapping, Node, Scalar, Sequence, plain
from headway.settings import units

T = TypeVar("T")


class Block:
    """A mapping of the file, or the lack of one, which reads as empty."""

    def __init__(self, node: Node | None) -> None:
        self.node = node if isinstance(node, Mapping) else None

    def get(self, key: str) -> Node | None:
        """What is written under the key, if anything."""
        return self.node.get(key) if self.node else None

    def block(self, key: str) -> "Block":
        """The block under the key."""
        return Block(self.get(key))

    def items(self, key: str) -> tuple[Node, ...]:
        """The list under the key; empty if there is none."""
        node = self.get(key)
        return node.items if isinstance(node, Sequence) else ()

    def texts(self, key: str) -> tuple[str, ...]:
        """The words of the list under the key."""
        return tuple(item.text for item in self.items(key) if isinstance(item, Scalar))

    def text(self, key: str, default: T) -> str | T:
        """The text as written."""
        node = self.get(key)
        return node.text if isinstance(node, Scalar) else default

    def flag(self, key: str, *, default: bool) -> bool:
        """`true` or `false`."""
        node = self.get(key)
        return bool(node.value) if isinstance(node, Scalar) else default

    def whole(self, key: str, default: T) -> int | T:
        """A whole number."""
        node = self.get(key)
        return int(cast("int", node.value)) if isinstance(node, Scalar) else default

    def number(self, key: str) -> float | None:
        """A number without a unit."""
        node = self.get(key)
        return float(cast("float", node.value)) if isinstance(node, Scalar) else None

    def seconds(self, key: str, default: T) -> float | T:
        """A duration in seconds."""
        node = self.get(key)
        return units.seconds(node.text) if isinstance(node, Scalar) else default

    def fraction(self, key: str, default: float) -> float:
        """A percentage as a fraction of 1."""
        node = self.get(key)
        return units.fraction(node.text) if isinstance(node, Scalar) else default

    def size(self, key: str) -> int | None:
        """A size in bytes."""
        node = self.get(key)
        return units.size(node.text) if isinstance(node, Scalar) else None

    def count(self, key: str, default: int, *, of: int, up: bool) -> int:
        """A count, or a percentage of a whole."""
        node = self.get(key)
        if not isinstance(node, Scalar):
            return default
        written = int(node.value) if isinstance(node.value, int | float) else node.text
        return units.count(written, of, up=up)

    def json(self, key: str) -> str | None:
        """Whatever is written, as JSON text."""
        node = self.get(key)
        if node is None:
            return None
        return json.dumps(plain(node), ensure_ascii=False, separators=(",", ":"))
