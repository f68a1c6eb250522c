"""YAML 1.2 core documents, read strictly and with their places.

PyYAML's parser gives events; the tree, the limits and the meaning of words are made here, while the
events arrive, so that a hostile file is refused before it costs anything. Called by settings (for
headway.yaml) and pipeline (for workflows).
"""

from collections.abc import Iterator
from typing import NoReturn

import yaml

from headway.document.node import Mapping, Mark, Node, Scalar, Sequence
from headway.document.problems import invalid, quoted
from headway.document.scalar import is_a, resolve
from headway.document.text import check_text
from headway.model.errors import Problem
from headway.record import dataclass

_CORE = "tag:yaml.org,2002:"
_READ = frozenset(_CORE + kind for kind in ("str", "int", "float", "bool", "null"))
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may be. `max_nodes` and `max_depth` count with every alias written out.

    `core_tags`: `!!str`, `!!int`, `!!float`, `!!bool` and `!!null` may stand before a value.
    """

    max_bytes: int = 256 * 1024
    max_depth: int = 20
    max_nodes: int = 20_000
    anchors: bool = False
    core_tags: bool = False


STRICT = Limits()
WITH_ANCHORS = Limits(anchors=True)


def read(text: str, file: str, *, limits: Limits = STRICT) -> Node:
    """The one document of the text; `file` names it in errors. Tags are read only as limits say.

    Raises Invalid with problems, codes: `alias` `bomb` `character` `duplicate-key` `empty`
    `encoding` `key` `syntax` `tab` `tag` `too-deep` `too-large` `two-documents`.
    """
    check_text(text, file, limits.max_bytes)
    return _Reader(text, file, limits).document()


@dataclass(slots=True)
class _Anchored:
    """A finished node under an anchor, with what writing it out again would cost."""

    node: Node
    count: int
    height: int


class _Reader:
    """One pass over the events of one text."""

    def __init__(self, text: str, file: str, limits: Limits) -> None:
        self.text = text
        self.file = file
        self.limits = limits
        self.events = _events(text)
        self.anchors: dict[str, _Anchored] = {}
        self.repeated: list[Problem] = []
        self.count = 0

    def document(self) -> Node:
        """The root node. Raises Invalid."""
        try:
            node = self._document()
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        if self.repeated:
            raise invalid(self.repeated)
        return node

    def _document(self) -> Node:
        start = next(self.events)
        if isinstance(start, yaml.StreamEndEvent):
            self._refuse(Mark(1, 1), "the file is empty", "empty")
        if isinstance(start, yaml.DocumentStartEvent) and (start.version or start.tags):
            sentence = "`%` directives are not read here. Remove the line; YAML 1.2 is meant"
            self._refuse(Mark(1, 1), sentence, "tag")
        node, _ = self._node(next(self.events), 1)
        next(self.events)
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            sentence = "a second document starts here. Keep one document in the file"
            self._refuse(_mark(after), sentence, "two-documents")
        if isinstance(node, Scalar) and node.value is None:
            self._refuse(Mark(1, 1), "the file is empty", "empty")
        return node

    def _node(self, event: yaml.Event, depth: int) -> tuple[Node, int]:
        """The node that starts with this event, and its height (a scalar's is 1)."""
        at = _mark(event)
        if depth > self.limits.max_depth:
            sentence = f"nested more than {self.limits.max_depth} deep. Write it flatter"
            self._refuse(at, sentence, "too-deep")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, at, depth)
        self._check(event, at)
        before = self.count
        self._spend(1, at, "too-large")
        node, height = self._new(event, at, depth)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self.anchors[event.anchor] = _Anchored(node, self.count - before, height)
        return node, height

    def _new(self, event: yaml.Event, at: Mark, depth: int) -> tuple[Node, int]:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, at), 1
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(at, depth)
        return self._mapping(at, depth)

    def _scalar(self, event: yaml.ScalarEvent, at: Mark) -> Scalar:
        text: str = event.value
        if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
            sentence = "an escape makes a character that no text may hold. Remove it"
            self._refuse(at, sentence, "character")
        is_quoted = event.style is not None and event.style != ""
        if event.tag is not None:
            return self._tagged(event, at, is_quoted=is_quoted)
        return Scalar(text if is_quoted else resolve(text), text, at, is_quoted)

    def _tagged(self, event: yaml.ScalarEvent, at: Mark, *, is_quoted: bool) -> Scalar:
        """A value whose type is said: it must be of it, and a quoted one is a text."""
        text: str = event.value
        kind = (event.tag or "").removeprefix(_CORE)
        value = text if is_quoted or kind == "str" else resolve(text)
        if not is_a(kind, value):
            self._refuse(at, f"{quoted(text)} is not what its tag `!!{kind}` says", "tag")
        return Scalar(value, text, at, is_quoted or kind == "str")

    def _sequence(self, at: Mark, depth: int) -> tuple[Sequence, int]:
        items: list[Node] = []
        tallest = 0
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            node, height = self._node(event, depth + 1)
            items.append(node)
            tallest = max(tallest, height)
        return Sequence(tuple(items), at), tallest + 1

    def _mapping(self, at: Mark, depth: int) -> tuple[Mapping, int]:
        entries: list[tuple[Scalar, Node]] = []
        seen: dict[str, Scalar] = {}
        tallest = 0
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, depth)
            node, height = self._node(next(self.events), depth + 1)
            tallest = max(tallest, height)
            if first := seen.get(key.text):
                self._repeat(key, first)
                continue
            seen[key.text] = key
            entries.append((key, node))
        return Mapping(tuple(entries), at), tallest + 1

    def _key(self, event: yaml.Event, depth: int) -> Scalar:
        key, _ = self._node(event, depth + 1)
        if not isinstance(key, Scalar):
            self._refuse(_mark(event), "a key must be one word, not a list or a block", "key")
        return key

    def _repeat(self, key: Scalar, first: Scalar) -> None:
        sentence = f"{quoted(key.text)} is written twice; first on line {first.at.line}. Keep one"
        self.repeated.append(self._problem(key.at, sentence, "duplicate-key"))

    def _alias(self, event: yaml.AliasEvent, at: Mark, depth: int) -> tuple[Node, int]:
        self._allow_anchors(at)
        anchored = self.anchors.get(event.anchor or "")
        if anchored is None:
            sentence = "this alias names no anchor that is finished above it"
            self._refuse(at, sentence, "alias")
        if depth + anchored.height - 1 > self.limits.max_depth:
            sentence = f"with this alias nested more than {self.limits.max_depth} deep"
            self._refuse(at, sentence, "too-deep")
        self._spend(anchored.count, at, "bomb")
        return anchored.node, anchored.height

    def _check(self, event: yaml.Event, at: Mark) -> None:
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._allow_anchors(at)
        tag = getattr(event, "tag", None)
        if tag is None or (self.limits.core_tags and tag in _READ and _is_scalar(event)):
            return
        self._refuse(at, "tags (`!`) are not read here. Write the plain value", "tag")

    def _allow_anchors(self, at: Mark) -> None:
        if not self.limits.anchors:
            sentence = (
                "anchors and aliases are not read here. "
                "Put the shared value at the top level; environments inherit it"
            )
            self._refuse(at, sentence, "alias")

    def _spend(self, count: int, at: Mark, code: str) -> None:
        self.count += count
        if self.count > self.limits.max_nodes:
            sentence = f"more than {self.limits.max_nodes} values, aliases written out"
            self._refuse(at, sentence, code)

    def _syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        mark = error.problem_mark or error.context_mark
        at = Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)
        line = (self.text.split("\n")[at.line - 1 : at.line] or [""])[0]
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent:
            column = indent.index("\t") + 1
            sentence = "a tab cannot indent YAML. Use spaces"
            self._refuse(Mark(at.line, column), sentence, "tab")
        because = ", ".join(part for part in (error.context, error.problem) if part)
        self._refuse(at, f"this is not YAML: {because}", "syntax")

    def _problem(self, at: Mark, sentence: str, code: str) -> Problem:
        return Problem(self.file, at.line, at.column, sentence, code)

    def _refuse(self, at: Mark, sentence: str, code: str) -> NoReturn:
        raise invalid([self._problem(at, sentence, code)])


def _is_scalar(event: yaml.Event) -> bool:
    return isinstance(event, yaml.ScalarEvent)


def _mark(event: yaml.Event) -> Mark:
    start = event.start_mark
    assert start is not None, "a parser's event has a place"
    return Mark(start.line + 1, start.column + 1)


def _events(text: str) -> Iterator[yaml.Event]:
    """The events after the start of the stream."""
    events = yaml.parse(text, Loader=_LOADER)
    next(events)
    yield from events
