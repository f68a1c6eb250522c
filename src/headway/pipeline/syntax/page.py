"""The file being read and what was found wrong in it so far. Used by the readers of this folder.

A reader never stops at the first fault: it notes it and goes on with what it can, and `reader.read`
raises them all at once.
"""

import difflib
from collections.abc import Iterable

from headway.document import Mark, quoted
from headway.model.errors import Problem

OPEN = "${{"
_MOST = 15


class Page:
    """One file. `problems` grows while it is read."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._lines = text.splitlines(keepends=True)

    def fault(self, at: Mark, sentence: str, code: str) -> None:
        """Note one problem."""
        self.problems.append(Problem(self.file, at.line, at.column, sentence, code))

    def unknown(self, at: Mark, word: str, known: Iterable[str], kind: str) -> None:
        """Note a word that is not in `known`, with the nearest one that is."""
        sentence = f"unknown {kind} {quoted(word)}. {suggestion(word, known)}"
        self.fault(at, sentence, "unknown-" + kind.replace(" ", "-"))

    def place(self, at: Mark, number: int, offset: int = 0) -> Mark:
        """Where `${{` number `number` (from 0) of the value at `at` is written.

        `offset`: so many characters behind it, as long as that is on the same line.
        """
        column = at.column - 1
        for line in range(at.line - 1, len(self._lines)):
            text = self._lines[line]
            while (column := text.find(OPEN, column)) >= 0:
                if number == 0:
                    beyond = min(column + offset, max(column, len(text.rstrip("\r\n")) - 1))
                    return Mark(line + 1, beyond + 1)
                number -= 1
                column += len(OPEN)
            column = 0
        return at


def suggestion(word: str, known: Iterable[str]) -> str:
    """The nearest known word as a question, else the known ones."""
    names = sorted(known)
    folded = {n.casefold(): n for n in names}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    if near:
        return f"Did you mean {quoted(folded[near[0]])}?"
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"Known here: {', '.join(names[:_MOST])}{more}" if names else "There is none here"
