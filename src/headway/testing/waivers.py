"""Waivers: which findings are excepted from blocking today, and by whom. Called by `findings`.

A waiver speaks of one rule, by its exact id, and, if it says so, of the files that a path or glob
names from the root on. One that has ended lets nothing through and is named, so that whoever is
refused knows whose exception it was.
"""

import re
from collections.abc import Iterable

from headway.model.job import WaiverUse
from headway.model.job_settings import Waiver

NAMED = 5
_WORDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class Sieve:
    """Takes findings one by one, and counts what each waiver did. `today`: a day in UTC."""

    def __init__(self, waivers: Iterable[Waiver], today: str) -> None:
        self._kept = [_Kept(waiver, waiver.expired(today)) for waiver in waivers]
        self._by_rule: dict[str, list[_Kept]] = {}
        for one in sorted(self._kept, key=lambda kept: kept.expired):
            self._by_rule.setdefault(one.waiver.rule, []).append(one)

    def lets_through(self, rule: str, file: str, name: str) -> bool:
        """Whether a waiver in force speaks of that finding, which people know by `name`."""
        found = next((k for k in self._by_rule.get(rule, ()) if k.speaks_of(file)), None)
        if found is None:
            return False
        found.count += 1
        if len(found.named) < NAMED:
            found.named.append(name)
        return not found.expired

    def uses(self) -> tuple[WaiverUse, ...]:
        """Each waiver, as written, and what it did."""
        return tuple(WaiverUse(k.waiver, k.count, k.expired, tuple(k.named)) for k in self._kept)


class _Kept:
    def __init__(self, waiver: Waiver, expired: bool) -> None:  # noqa: FBT001  a pair of facts
        self.waiver, self.expired = waiver, expired
        self.count = 0
        self.named: list[str] = []
        self._pattern = _pattern(waiver.at) if waiver.at else None

    def speaks_of(self, file: str) -> bool:
        if self._pattern is None:
            return True
        return ".." not in file.split("/") and bool(self._pattern.fullmatch(_plain(file)))


def told(use: WaiverUse) -> str:
    """`waived by ana until 2026-12-31: error R1 at a.py:3 (not reachable)`; of one that has ended
    `waiver of ana expired on 2026-12-31: …`.
    """
    waiver = use.waiver
    more = f" and {use.findings - len(use.named)} more" if use.findings > len(use.named) else ""
    what = f"{', '.join(use.named)}{more}"
    if use.expired:
        return f"waiver of {waiver.owner} expired on {waiver.expires}: {what}"
    return f"waived by {waiver.owner} until {waiver.expires}: {what} ({waiver.reason})"


def _plain(path: str) -> str:
    return path.strip().removeprefix("./")


def _pattern(glob: str) -> "re.Pattern[str]":
    """The glob as an expression without nested repetition, for the whole path."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", _plain(glob))
    return re.compile("".join(_WORDS.get(p, re.escape(p)) for p in parts), re.DOTALL)
