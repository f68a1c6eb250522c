"""Cobertura XML (coverage-04.dtd), as coverage.py, gcovr, istanbul, JaCoCo's converters and gocover
write it. Called by `kind`.

The lines of a class are counted, those of its methods are the same again. Several classes of one
file are put together.
"""

import re
from collections.abc import Mapping

from headway.document.problems import quoted
from headway.testing.coverage import Coverage, Lines
from headway.testing.markup import Chunks, Fault, walk

_CONDITION = re.compile(r"\s*[\d.]+\s*%\s*\((\d{1,9})/(\d{1,9})\)\s*")
MOST_BRANCHES = 10_000


def read(data: Chunks, file: str) -> Coverage:
    """The counts by file. Raises Invalid: `not-cobertura`, `bad-number`, `bad-branch`, `no-lines`,
    and what `markup.walk` raises.
    """
    sink = _Reader(file)
    walk(data, file, sink)
    if not any(lines.hits for lines in sink.files.values()):
        Fault(file).at(1, 1, "the report has no lines, so there is nothing to count", "no-lines")
    root = sink.sources[0].strip("/") if len(sink.sources) == 1 else ""
    return Coverage(file, tuple(found.counted(p, root) for p, found in sink.files.items()))


class _Reader:
    def __init__(self, file: str) -> None:
        self.fault = Fault(file)
        self.files: dict[str, Lines] = {}
        self.sources: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.lines = Lines()

    def start(self, tag: str, attributes: Mapping[str, str], line: int) -> None:
        if not self.open and tag != "coverage":
            self.fault.at(line, 1, f"{quoted(tag)} is not the root of Cobertura", "not-cobertura")
        self.open.append(tag)
        self.words = []
        if tag == "class":
            path = attributes.get("filename", "")
            if not path:
                self.fault.at(line, 1, "a class has no `filename`", "not-cobertura")
            self.lines = self.files.setdefault(path, Lines())
        elif tag == "line" and self.open[-3:] == ["class", "lines", "line"]:
            self._line(attributes, line)

    def text(self, text: str) -> None:
        if self.open and self.open[-1] == "source":
            self.words.append(text)

    def end(self, tag: str) -> None:
        self.open.pop()
        if tag == "source" and "".join(self.words).strip():
            self.sources.append("".join(self.words).strip())

    def _line(self, attributes: Mapping[str, str], line: int) -> None:
        number = int(self.fault.number(attributes.get("number"), line, "`number`"))
        hits = int(self.fault.number(attributes.get("hits"), line, "`hits`"))
        self.lines.hits[number] = max(hits, self.lines.hits.get(number, 0))
        if attributes.get("branch", "").lower() == "true":
            self._branch(number, attributes.get("condition-coverage", ""), line)

    def _branch(self, number: int, said: str, line: int) -> None:
        found = _CONDITION.fullmatch(said)
        taken, of = (int(found[1]), int(found[2])) if found else (0, 0)
        if found is None or taken > of or of > MOST_BRANCHES:
            told = f"`condition-coverage` is {quoted(said)}; it should be like `50% (1/2)`"
            self.fault.at(line, 1, told, "bad-branch")
        for index in range(of):
            key = (number, str(index))
            hit = max(int(index < taken), self.lines.branches.get(key, 0))
            self.lines.branches[key] = hit
