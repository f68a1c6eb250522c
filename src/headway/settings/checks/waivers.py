"""Does every waiver say whose it is, and does it end?

`check` is called by `checks`. `too_long` asks for the day, which no file knows: whoever has a clock
calls it, flows/job_settings when a run is made, and `headway config check`.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from headway.document import Mapping, quoted
from headway.model.errors import Problem
from headway.settings.block import Block
from headway.settings.checks.places import Places

MOST_DAYS = 366
_WORDS = ("rule", "at", "owner", "reason")


def check(at: Places) -> Iterator[Problem]:
    """Words that say nothing, and days that no calendar has."""
    for index, item in enumerate(Block(at.block).items("waivers")):
        block, place = Block(item), ("waivers", index)
        for key in _WORDS:
            if not block.text(key, "-").strip():
                yield at.problem((*place, key), f"`{key}` is blank", "empty")
        if _day(text := block.text("expires", "")) is None:
            sentence = f"{quoted(text)} is no day of the calendar"
            yield at.problem((*place, "expires"), sentence, "wrong-form")


def too_long(root: Mapping, file: str, today: str) -> list[Problem]:
    """A problem for each waiver that lasts too long from the day `today` (UTC, `2026-12-31`)."""
    at, found = Places(root, file), []
    latest = date.fromisoformat(today) + timedelta(days=MOST_DAYS)
    for index, item in enumerate(Block(root).items("waivers")):
        last = _day(Block(item).text("expires", ""))
        if last is not None and last > latest:
            sentence = (
                f"a waiver lasts at most {MOST_DAYS} days: write `{latest}` or earlier, and look "
                "at the finding again then"
            )
            found.append(at.problem(("waivers", index, "expires"), sentence, "range"))
    return found


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
