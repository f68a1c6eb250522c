"""How long things are kept: HOME/retention.yaml, each key with a default. Called by round.py."""

from dataclasses import fields, replace
from pathlib import Path

import yaml

from headway.model.errors import Invalid
from headway.record import dataclass

FILE = "retention.yaml"
MOST_BYTES = 65_536
MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Kept:
    """Days since the end of: a run (its workspaces and logs), a rollout (its judged windows), a
    message (sent or given up), a trigger (done). Artifacts: days, and in any case the newest
    `releases` of every service.
    """

    runs_days: int = 30
    windows_days: int = 400
    messages_days: int = 90
    triggers_days: int = 30
    artifacts_days: int = 90
    releases: int = 20

    def within(self, days: int) -> "Kept":
        """The same number of days for everything."""
        names = [f.name for f in fields(self) if f.name.endswith("_days")]
        return replace(self, **dict.fromkeys(names, days))


def read(home: Path) -> Kept:
    """Raises Invalid (`retention`) for anything but known keys with whole numbers: nothing is taken
    away by a file that cannot be read.
    """
    file = home / FILE
    try:
        text = file.read_bytes()[:MOST_BYTES]
    except FileNotFoundError:
        return Kept()
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _bad(file, " ".join(str(error).split())[:200]) from error
    if found is None:
        return Kept()
    if not isinstance(found, dict):
        raise _bad(file, "it is no list of keys")
    for name, value in found.items():
        _check(file, name, value)
    return Kept(**found)


def _check(file: Path, name: object, value: object) -> None:
    known = [f.name for f in fields(Kept)]
    if name not in known:
        raise _bad(file, f"unknown key {str(name)[:40]!r}. Known: {', '.join(known)}")
    least = 2 if name == "releases" else 1
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MOST_DAYS:
        raise _bad(file, f"`{name}` is a whole number from {least} to {MOST_DAYS}")


def _bad(file: Path, why: str) -> Invalid:
    return Invalid(
        f"{file} cannot be used; nothing was pruned",
        why=why,
        next="headway prune --dry-run",
        code="retention",
    )
