"""Checks a document against the table: each key known, each value of its shape, each expression
allowed where it stands. Called by `reader` and `action` before anything is built.
"""

import re

from headway.document import Mapping, Node, Scalar, Sequence, quoted
from headway.pipeline.syntax.expressions import check_condition, check_text, has_holes
from headway.pipeline.syntax.keys import KEYS
from headway.pipeline.syntax.page import Page
from headway.pipeline.syntax.shape import Shape
from headway.record import dataclass

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Place:
    """What a value is called in an error, and what its expressions may see from around it."""

    what: str
    sees: frozenset[str] = frozenset()


def check(page: Page, node: Node, shape: Shape, place: Place) -> None:
    """Note on the page everything in which the node is not of the shape."""
    place = Place(place.what, place.sees | shape.sees)
    match node:
        case Scalar():
            _scalar(page, node, shape, place)
        case Sequence():
            _sequence(page, node, shape, place)
        case Mapping():
            _mapping(page, node, shape, place)


def _sequence(page: Page, node: Sequence, shape: Shape, place: Place) -> None:
    items = Shape(anything=True) if shape.anything else shape.items
    if items is None:
        page.fault(node.at, f"{place.what} cannot be a list. {_wanted(shape)}", "wrong-type")
        return
    for item in node.items:
        check(page, item, items, place)


def _mapping(page: Page, node: Mapping, shape: Shape, place: Place) -> None:
    _check_repeats(page, node)
    if shape.anything:
        shape = Shape(names=shape)
    if not shape.place and shape.names is None:
        page.fault(node.at, f"{place.what} cannot be a map. {_wanted(shape)}", "wrong-type")
        return
    for key, value in node.entries:
        _entry(page, key, value, shape, place)
    for name, entry in KEYS[shape.place].items() if shape.place else ():
        if entry.required and node.get(name) is None:
            page.fault(node.at, f"{quoted(name)} is missing in {place.what}", "missing-key")


def _entry(page: Page, key: Scalar, value: Node, shape: Shape, place: Place) -> None:
    known = KEYS.get(shape.place, {}).get(key.text)
    if has_holes(key.text):
        page.fault(key.at, _computed_name(key.text), "computed-name")
    elif known is not None and known.refused:
        sentence = f"{quoted(key.text)} is not supported: {known.refused}"
        page.fault(key.at, sentence, "unsupported")
    elif known is not None:
        check(page, value, known.shape, Place(quoted(key.text), place.sees))
    elif key.text == "<<":
        sentence = (
            "merge keys (`<<`) are not read here. Write the keys, or an alias for the whole map"
        )
        page.fault(key.at, sentence, "merge-key")
    elif shape.names is None:
        page.unknown(key.at, key.text, _names(shape.place), f"{_noun(shape.place)}")
    elif not key.text:
        page.fault(key.at, f"a name in {place.what} is empty", "bad-name")
    else:
        check(page, value, shape.names, Place(quoted(key.text), place.sees))


def _names(place: str) -> tuple[str, ...]:
    return tuple(name for name, key in KEYS[place].items() if not key.refused)


def _noun(place: str) -> str:
    return {"on": "event", "permissions": "permission"}.get(place, "key")


def _computed_name(text: str) -> str:
    if text.strip("${} ") == "insert":
        return "`${{ insert }}` is not read here. Write the names and values one by one"
    return f"a name cannot be an expression: {quoted(text)}. Write the name itself"


def _check_repeats(page: Page, node: Mapping) -> None:
    """Names are compared without case; the same word twice was refused with the document."""
    seen: dict[str, Scalar] = {}
    for key, _ in node.entries:
        first = seen.setdefault(key.text.casefold(), key)
        if first is not key:
            sentence = (
                f"{quoted(key.text)} and {quoted(first.text)} (line {first.at.line}) are the same "
                "name: case does not count. Keep one"
            )
            page.fault(key.at, sentence, "duplicate-key")


def _scalar(page: Page, node: Scalar, shape: Shape, place: Place) -> None:
    if shape.condition:
        check_condition(page, node, place.sees)
    elif not node_is_text(node) or not has_holes(node.text):
        _literal(page, node, shape, place)
    else:
        _expression(page, node, shape, place)


def node_is_text(node: Scalar) -> bool:
    """Whether YAML makes a text of it."""
    return isinstance(node.value, str)


def _expression(page: Page, node: Scalar, shape: Shape, place: Place) -> None:
    check_text(page, node, place.sees, place.what)
    if place.sees and not (shape.kind or shape.one_of or shape.computed or shape.anything):
        what = "a map" if shape.names or shape.place else "a list"
        sentence = f"{place.what} cannot be computed as a whole: it is {what}. Write it out"
        page.fault(node.at, sentence, "computed-map")


def _literal(page: Page, node: Scalar, shape: Shape, place: Place) -> None:
    if shape.anything or (shape.null and node.value is None) or _fits(node, shape):
        return
    if node.value is None:
        page.fault(node.at, f"{place.what} is empty. {_wanted(shape)}", "empty")
    elif shape.one_of and (not shape.kind):
        kind = "value"
        page.unknown(node.at, node.text, shape.one_of, f"{kind}")
    else:
        sentence = f"{place.what} cannot be {quoted(node.text)}. {_wanted(shape)}"
        page.fault(node.at, sentence, "wrong-type")


def _fits(node: Scalar, shape: Shape) -> bool:
    if shape.one_of and node.text in shape.one_of:
        return True
    match shape.kind:
        case "text":
            return True
        case "word":
            return bool(node.text) and node.value is not None
        case "boolean":
            return isinstance(node.value, bool)
        case "number":
            return is_number(node)
        case None:
            return False


def is_number(node: Scalar) -> bool:
    """Whether it is written as a number; of more digits than a document keeps as one, too."""
    if isinstance(node.value, bool) or node.quoted:
        return False
    return isinstance(node.value, int | float) or bool(_NUMBER.fullmatch(node.text))


def _wanted(shape: Shape) -> str:
    """What the value should be, as a sentence."""
    words = {
        "text": "a text",
        "word": "a text",
        "boolean": "`true` or `false`",
        "number": "a number",
    }
    wanted = [words[shape.kind]] if shape.kind else []
    wanted += ["one of " + ", ".join(quoted(w) for w in shape.one_of)] if shape.one_of else []
    wanted += ["a list"] if shape.items else []
    if shape.place:
        names = _names(shape.place)
        some = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        wanted.append(f"a map with {some}" if some else "nothing")
    elif shape.names:
        wanted.append("a map of names and values")
    return f"Write {' or '.join(wanted)}" if wanted else "Write nothing"
