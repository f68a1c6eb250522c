"""XML written by strangers, read as a stream and strictly. Called by `junit` and `cobertura`.

Nothing is ever fetched or expanded: a document type may name an outside file (Cobertura does) which
is ignored, but declarations of its own, entities and references to them are refused. Depth, size
and the number of elements have bounds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol
from xml.parsers import expat

from headway.document.problems import invalid, quoted
from headway.model.errors import Problem

MOST_BYTES = 256 << 20
MOST_ELEMENTS = 5_000_000
DEEPEST = 64
Chunks = Iterable[bytes]


class Sink(Protocol):
    """Told of elements as they come. `line` counts from 1."""

    def start(self, tag: str, attributes: Mapping[str, str], line: int) -> None:
        """An element begins."""
        ...

    def text(self, text: str) -> None:
        """A piece of text inside the innermost element."""
        ...

    def end(self, tag: str) -> None:
        """It ends."""
        ...


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a reader of a file complains: raises Invalid with file, line and column."""

    file: str

    def at(self, line: int, column: int, sentence: str, code: str) -> NoReturn:
        """Raise Invalid for this place."""
        raise invalid([Problem(self.file, line, column, sentence, code)])

    def number(self, text: str | None, line: int, what: str) -> float:
        """A finite number that is not negative; 0 for none. `1,234.5` is read as Maven writes it.
        Raises Invalid (`bad-number`).
        """
        clean = (text or "0").strip().replace(",", "")
        try:
            value = float(clean)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            self.at(
                line, 1, f"{what} is {quoted(text)}, which is no number from 0 on", "bad-number"
            )
        return value


def walk(data: Chunks, file: str, sink: Sink) -> None:
    """Read the chunks to their end. Raises Invalid: `not-xml`, `hostile-xml`, `too-large`."""
    walker = _Walker(file, sink)
    size = 0
    for chunk in data:
        size += len(chunk)
        if size > MOST_BYTES:
            walker.refuse(f"the file has more than {MOST_BYTES >> 20} MiB", "too-large")
        walker.feed(chunk)
    walker.feed(b"", last=True)


class _Walker:
    def __init__(self, file: str, sink: Sink) -> None:
        self.fault, self.sink = Fault(file), sink
        self.depth = self.elements = 0
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = sink.text
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.SkippedEntityHandler = self._entity
        parser.ExternalEntityRefHandler = self._entity

    def feed(self, chunk: bytes, *, last: bool = False) -> None:
        try:
            self.parser.Parse(chunk, last)
        except expat.ExpatError as error:
            why = expat.errors.messages.get(error.code, "it cannot be read")
            line, column = error.lineno, error.offset + 1
            self.fault.at(line, column, f"this is no XML: {why}", "not-xml")
        except (UnicodeError, LookupError, ValueError) as error:
            self.refuse(f"this is no XML: {quoted(error)}", "not-xml", error)

    def refuse(self, sentence: str, code: str, cause: Exception | None = None) -> NoReturn:
        line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1
        try:
            self.fault.at(line, column, sentence, code)
        except Exception as error:
            raise error from cause

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.elements += 1
        if self.depth > DEEPEST:
            self.refuse(f"elements are nested deeper than {DEEPEST}", "hostile-xml")
        if self.elements > MOST_ELEMENTS:
            self.refuse(f"there are more than {MOST_ELEMENTS} elements", "too-large")
        self.sink.start(tag, attributes, self.parser.CurrentLineNumber)

    def _end(self, tag: str) -> None:
        self.depth -= 1
        self.sink.end(tag)

    def _doctype(self, _name: str, _system: str | None, _public: str | None, inner: int) -> None:
        if inner:
            self.refuse("a document type with declarations of its own is not read", "hostile-xml")

    def _entity(self, *_: Any) -> NoReturn:
        self.refuse("entities are not read", "hostile-xml")
