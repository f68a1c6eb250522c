"""The file being read and what was found wrong in it so far. Used by the readers of this folder.

A reader never stops at the first fault: it notes it and goes on with what it can, and `reader.read`
raises them all at once.
"""

import difflib
from collections.abc import Collection

from headway.document import Mark, quoted
from headway.model.errors import Problem

OPEN = "${{"
_MOST = 15
_NEAR = 200
"""Among more words than this the nearest one is not looked for: it takes too long."""
KEPT = 500
"""Problems of one file that are kept."""


class Page:
    """One file. `problems` grows while it is read."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._lines = text.splitlines(keepends=True)

    def fault(self, at: Mark, sentence: str, code: str) -> None:
        """Note one problem, of those that are kept."""
        if len(self.problems) < KEPT:
            self.problems.append(Problem(self.file, at.line, at.column, sentence, code))

    def unknown(self, at: Mark, word: str, known: Collection[str], kind: str) -> None:
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

    def within(self, at: Mark, text: str, position: int) -> Mark:
        """Where character `position` of a value is, also in a block; `at` where it cannot be told.

        `text` is the value, `at` where it (its quote, its `|`) is written.
        """
        sign = self._sign(at)
        row = text.count("\n", 0, position)
        column = position - (text.rfind("\n", 0, position) + 1)
        if sign == "|":
            first = next((one for one in self._lines[at.line :] if one.strip()), "")
            return Mark(at.line + 1 + row, len(first) - len(first.lstrip(" ")) + column + 1)
        if row or sign == ">":
            return at
        return Mark(at.line, at.column + (sign in "'\"") + column)

    def _sign(self, at: Mark) -> str:
        line = self._lines[at.line - 1] if at.line <= len(self._lines) else ""
        return line[at.column - 1 : at.column] or " "


def suggestion(word: str, known: Collection[str]) -> str:
    """The nearest known word as a question, else the known ones."""
    if len(known) > _NEAR or len(word) > _NEAR:
        return f"There are {len(known)} here"
    names = sorted(known)
    folded = {n.casefold(): n for n in names}
    if near := difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6):
        return f"Did you mean {quoted(folded[near[0]])}?"
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"Known here: {', '.join(names[:_MOST])}{more}" if names else "There is none here"
