"""Which of the flows that wait have mail, asked of SQLite in one question instead of one for each.

Ten times a second the engine asks for every flow that waits, with a statement of its own each: a
hundred that are held cost half a core doing nothing. Postgres tells the engine by itself. Used by
flows/journal.py, which knows the engine.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_WITH_MAIL = """
SELECT destination_uuid FROM notifications
WHERE destination_uuid IN (SELECT value FROM json_each(?)) AND NOT consumed
"""
Waiting = tuple[str, tuple[Any, ...], Any]
"""As the engine keeps one: a key; the flow's id, and more; whom to wake."""


class Mail:
    """Asks the database in `file`, for one thread that asks again and again."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(
            file, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._version: int | None = None

    def of(self, everybody: Callable[[], Sequence[Waiting]]) -> list[Waiting]:
        """Those of everybody for whom something may have come since the last call; all of them, if
        the database does not answer.

        A flow looks for itself as it begins to wait, so only what is committed after that matters:
        `data_version` changes with every commit of another connection (SQLite documentation,
        "PRAGMA data_version"), and is read before anything else is.
        """
        try:
            ((version,),) = self._connection.execute("PRAGMA data_version")
            if version == self._version:
                return []
            waiting = everybody()
            found = self._with_mail([known[0] for _, known, _ in waiting])
        except sqlite3.Error:
            return list(everybody())
        self._version = version
        return [one for one in waiting if one[1][0] in found]

    def _with_mail(self, ids: list[str]) -> set[str]:
        return {id for (id,) in self._connection.execute(_WITH_MAIL, (json.dumps(ids),))}

    def close(self) -> None:
        """No more questions."""
        self._connection.close()
