"""The file being read and what was found wrong in it so far. Used by the readers of this folder.

A reader never stops at the first fault: it notes it and goes on with what it can, and `reader.read`
raises them all at once.
"""

import difflib
from collections.abc import Iterable
from collections.abc import Mapping as Table

from headway.document import Mapping, Mark, Node, Scalar, Sequence, quoted
from headway.model.errors import Problem
from headway.pipeline.expression import OPEN
from headway.pipeline.supported import Key


class Page:
    """One workflow file. `problems` grows while it is read."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._lines = text.splitlines(keepends=True)

    def fault(self, at: Mark, sentence: str, code: str) -> None:
        """Note one problem."""
        self.problems.append(Problem(self.file, at.line, at.column, sentence, code))

    def planned(self, at: Mark, what: str) -> None:
        """Note something that is right in a workflow but not built yet."""
        self.fault(at, f"{what} is planned, not in this version", "planned")

    def known(self, node: Node | None, table: Table[str, Key], where: str) -> Mapping | None:
        """The mapping, its unknown and planned keys noted; None if it is no mapping."""
        mapping = self.mapping(node, where)
        for key, _ in mapping.entries if mapping else ():
            entry = table.get(key.text)
            if entry is None:
                self.unknown(key.at, key.text, table)
            elif entry.state == "planned":
                self.planned(key.at, quoted(key.text))
        return mapping

    def unknown(self, at: Mark, word: str, known: Iterable[str], kind: str = "key") -> None:
        """Note a word that is not in `known`, with the nearest one that is."""
        names = sorted(known)
        near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
        hint = f"Did you mean {quoted(near[0])}?" if near else f"Known here: {', '.join(names)}"
        self.fault(at, f"unknown {kind} {quoted(word)}. {hint}", f"unknown-{kind}")

    def mapping(self, node: Node | None, where: str) -> Mapping | None:
        """The node if it is a mapping."""
        if isinstance(node, Mapping):
            return node
        if node is not None:
            self.fault(node.at, f"{where} must be a map of keys", "wrong-type")
        return None

    def text(self, node: Node | None, where: str) -> str | None:
        """The text of a scalar as written; a written null is the empty text."""
        if node is None:
            return None
        if not isinstance(node, Scalar):
            self.fault(node.at, f"{where} must be one value", "wrong-type")
            return None
        return "" if node.value is None else node.text

    def plain(self, node: Node | None, where: str) -> str | None:
        """The text of a scalar that must hold no `${{ }}` and not be empty."""
        text = self.text(node, where)
        if node is None or text is None:
            return None
        if OPEN in text:
            self.planned(self.place(node.at, 0), f"`${{{{ }}}}` in {where}")
            return None
        if not text.strip():
            self.fault(node.at, f"{where} is empty", "empty")
            return None
        return text

    def texts(self, node: Node | None, where: str) -> tuple[Scalar, ...]:
        """A list of plain values, or one alone."""
        if node is None:
            return ()
        items = node.items if isinstance(node, Sequence) else (node,)
        return tuple(i for i in items if self.plain(i, where) is not None and isinstance(i, Scalar))

    def place(self, at: Mark, number: int) -> Mark:
        """Where `${{` number `number` (from 0) of the value that starts at `at` is written."""
        column = at.column - 1
        for line in range(at.line - 1, len(self._lines)):
            text = self._lines[line]
            while (column := text.find(OPEN, column)) >= 0:
                if number == 0:
                    return Mark(line + 1, column + 1)
                number -= 1
                column += len(OPEN)
            column = 0
        return at
