"""Names of jobs and steps: which are right, and those made for steps without one.

Called by `build` and `rules`. The made ones are GitHub's: `__run`, `__run_2`, `__owner_repo`.
"""

import re
from collections.abc import Iterable

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 100


def fault(id: str) -> str:
    """What is wrong with a written id, "" if nothing."""
    if not _ID.fullmatch(id):
        return "has letters, digits, `_` and `-`, and begins with a letter or `_`"
    if len(id) >= _LONGEST:
        return f"has fewer than {_LONGEST} characters"
    if id.startswith("__"):
        return "does not begin with `__`: those are made by the engine"
    return ""


class StepIds:
    """Hands out the ids of one job's steps."""

    def __init__(self, written: Iterable[str]) -> None:
        self._taken = {id for id in written if id}

    def make(self, uses: str) -> str:
        """An id for a step that has none; `uses` is what it uses, "" for `run`."""
        base = "__" + _FOREIGN.sub("_", _stem(uses))
        number = 1
        while True:
            suffix = "" if number == 1 else f"_{number}"
            id = base[: _LONGEST - len(suffix)] + suffix
            if id not in self._taken:
                self._taken.add(id)
                return id
            number += 1


def _stem(uses: str) -> str:
    if uses.startswith("docker://"):
        return uses.removeprefix("docker://")
    if uses.startswith(("./", ".\\")):
        return "self"
    name, at, ref = uses.partition("@")
    parts = [part for part in re.split(r"[\\/]", name) if part]
    return f"{parts[0]}/{parts[1]}" if at and ref and len(parts) >= 2 else "run"
