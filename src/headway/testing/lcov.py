"""lcov's trace files (geninfo(1)), as lcov, c8, istanbul, Bazel and Rust tools write them.

Several records of one source file are put together. Called by `kind`.
"""

from collections.abc import Iterator

from headway.document.problems import quoted
from headway.testing.coverage import Coverage, Lines
from headway.testing.markup import MOST_BYTES, Chunks, Fault

# what is neither lines nor branches: names of tests, functions, versions, sums, conditions
SKIPPED = frozenset(
    {"TN", "VER", "FN", "FNDA", "FNF", "FNH", "FNL", "FNA", "LF", "LH", "BRF", "BRH", "MCDC"}
    | {"MCF", "MCH"}
)
MOST_LINE = 65_536


def read(data: Chunks, file: str) -> Coverage:
    """The counts by file. Raises Invalid: `not-lcov`, `bad-number`, `no-lines`, `too-large`."""
    reader = _Reader(file)
    for number, line in enumerate(_lines(data, Fault(file)), 1):
        reader.line(line.decode("utf-8", "replace").strip(), number)
    if reader.path:
        reader.fault.at(number, 1, "the file ends before `end_of_record`", "not-lcov")
    if not any(lines.hits for lines in reader.files.values()):
        reader.fault.at(1, 1, "the report has no lines, so there is nothing to count", "no-lines")
    return Coverage(file, tuple(lines.counted(p) for p, lines in reader.files.items()))


def _lines(data: Chunks, fault: Fault) -> Iterator[bytes]:
    rest, size, number = b"", 0, 0
    for chunk in data:
        size += len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        number += len(whole)
        if size > MOST_BYTES or len(rest) > MOST_LINE:
            fault.at(number + 1, 1, "the file or one line of it is too long", "too-large")
    yield from [rest] if rest else []


class _Reader:
    def __init__(self, file: str) -> None:
        self.fault = Fault(file)
        self.files: dict[str, Lines] = {}
        self.path = ""

    def line(self, text: str, number: int) -> None:
        word, _, rest = text.partition(":")
        if word == "SF":
            self._begin(rest.strip(), number)
        elif text == "end_of_record":
            self.path = ""
        elif word in {"DA", "BRDA"}:
            if not self.path:
                self.fault.at(number, 1, f"`{word}` before any `SF`", "not-lcov")
            self._hits(rest, number) if word == "DA" else self._branch(rest, number)
        elif text and not text.startswith("#") and word not in SKIPPED:
            self.fault.at(number, 1, f"{quoted(word)} is no record of lcov", "not-lcov")

    def _begin(self, path: str, number: int) -> None:
        if self.path or not path:
            said = "`SF` without a path" if not path else "`SF` before `end_of_record`"
            self.fault.at(number, 1, said, "not-lcov")
        self.path = path
        self.files.setdefault(path, Lines())

    def _hits(self, rest: str, number: int) -> None:
        line, _, hits = rest.partition(",")
        at = self._number(line, number)
        found = self.files[self.path].hits
        found[at] = found.get(at, 0) + self._number(hits.partition(",")[0], number)

    def _branch(self, rest: str, number: int) -> None:
        """`LINE,[e]BLOCK,BRANCH,TAKEN`; the branch's name may hold commas, `-` is never reached."""
        line, _, more = rest.partition(",")
        name, comma, taken = more.rpartition(",")
        if not comma or not name:
            said = f"{quoted(rest)} is not LINE,BLOCK,BRANCH,TAKEN"
            self.fault.at(number, 1, said, "not-lcov")
        key = (self._number(line, number), name)
        found = self.files[self.path].branches
        found[key] = found.get(key, 0) + (0 if taken == "-" else self._number(taken, number))

    def _number(self, text: str, number: int) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            said = f"{quoted(text)} is no whole number from 0 on"
            self.fault.at(number, 1, said, "bad-number")
        return int(text)
