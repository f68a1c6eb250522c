"""Cron expressions: five fields, as POSIX has them with names and steps. Called by `rules_on`.

The ranges are those of GitHub's event `schedule`: weekdays are 0 (Sunday) to 6.
"""

from itertools import pairwise

from headway.record import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """The value of a number or a name, None if it is neither or out of range."""
        if text.lower() in self.words:
            return self.words.index(text.lower()) + self.low
        if not (text.isascii() and text.isdigit() and len(text) <= 4):
            return None
        return int(text) if self.low <= int(text) <= self.high else None


FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 6, _DAYS),
)


def fault(text: str) -> str:
    """What is wrong with the expression, as words after "the cron expression"; "" if nothing."""
    if text.strip().startswith("@"):
        return "has five fields; names such as `@daily` are not known"
    parts = text.split(" ")
    words = [part for part in parts if part]
    if len(words) != len(FIELDS) or text != text.strip():
        return f"has {len(words)} fields, not five: minute hour day month weekday"
    for field, word in zip(FIELDS, words, strict=True):
        if wrong := next((p for p in word.split(",") if not _part_is_right(p, field)), None):
            return f"has `{wrong}` as {field.name}: {_range(field)}"
        if not all(word.split(",")):
            return f"has an empty {field.name}: remove the comma"
    return ""


def minutes_between(text: str) -> int:
    """The shortest time between two starts within an hour, 60 if there is one start an hour."""
    starts = _minutes(text.split(maxsplit=1)[0])
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    return min([*gaps, starts[0] + 60 - starts[-1]])


def _minutes(word: str) -> list[int]:
    field, found = FIELDS[0], set[int]()
    for part in word.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        low = 0 if span == "*" else int(first)
        high = int(last) if last else (field.high if span == "*" or step else low)
        found |= set(range(low, high + 1, int(step or 1)))
    return sorted(found)


def _part_is_right(part: str, field: _Field) -> bool:
    if not part:
        return True  # told by its own sentence
    span, slash, step = part.partition("/")
    if slash and not (step.isascii() and step.isdigit() and 0 < int(step) <= field.high):
        return False
    if span == "*":
        return True
    first, dash, last = span.partition("-")
    low, high = field.number(first), field.number(last) if dash else None
    return low is not None and (not dash or (high is not None and high >= low))


def _range(field: _Field) -> str:
    words = f" or {field.words[0]} to {field.words[-1]}" if field.words else ""
    return f"{field.low} to {field.high}{words}, `*`, `a-b`, `*/n`, with commas"
