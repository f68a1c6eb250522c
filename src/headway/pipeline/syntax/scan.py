"""Takes values out of a document that `shapes` has checked (or found wanting).

Whatever is not of the expected form is left out here: its fault is on the page already, and the
reader goes on to find the others. Used by `build` and `build_on`.
"""

from headway.document import Mapping, Mark, Node, Scalar, Sequence
from headway.pipeline.syntax.ir import Bindings, Text

_NOTHING = Mapping((), Mark(1, 1))


def mapping(node: Node | None) -> Mapping:
    """The map; one without entries for anything else."""
    return node if isinstance(node, Mapping) else _NOTHING


def text(node: Node | None) -> Text | None:
    """The value with its place. A written null is the empty text."""
    if not isinstance(node, Scalar):
        return None
    return Text("" if node.value is None else node.text, node.at, node.value)


def given(node: Node | None) -> Text | None:
    """The same, None for a value that is empty."""
    found = text(node)
    return found if found and found.text.strip() else None


def plain(node: Node | None) -> str:
    """The text alone, "" if there is none."""
    found = text(node)
    return found.text if found else ""


def texts(node: Node | None) -> tuple[Text, ...]:
    """A list of values, or one alone."""
    if node is None or isinstance(node, Mapping):
        return ()
    items = node.items if isinstance(node, Sequence) else (node,)
    return tuple(found for item in items if (found := text(item)))


def words(node: Node | None) -> tuple[str, ...] | None:
    """The same without places; None if it is not written."""
    return None if node is None else tuple(t.text for t in texts(node))


def bindings(node: Node | None) -> Bindings:
    """Names and values, in the order written."""
    pairs = ((key.text, text(value)) for key, value in mapping(node).entries)
    return tuple((name, value) for name, value in pairs if value is not None)


def flag(node: Node | None) -> bool:
    """A written `true`."""
    return isinstance(node, Scalar) and node.value is True


def items(node: Node | None) -> tuple[Node, ...]:
    """Of a list."""
    return node.items if isinstance(node, Sequence) else ()
