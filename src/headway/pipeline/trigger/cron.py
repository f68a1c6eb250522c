"""Cron: five fields as POSIX and GitHub have them, and when their moments are in a time zone.

Fields: minute, hour, day of the month, month (or JAN-DEC), day of the week (0-6 or SUN-SAT), each
`*`, a number, `a-b`, `*/n`, `a-b/n`, `a/n` (from a to the end), or a list of these. Where both
fields of days are written without `*`, one of the two is enough (POSIX crontab; cron(5)). `L`, `W`,
`#`, `?` and `@daily` are refused by name.

When clocks change: a moment that does not exist (02:30 in spring) comes with the first one after
the gap; one that exists twice (02:30 in autumn) counts the first time only. A schedule of every
hour goes by real time instead: it neither catches up nor leaves out. Called by flows/schedules.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice

from headway.model.errors import Invalid

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_PART = re.compile(r"(?:(\*)|([0-9A-Za-z]{1,3})(?:-([0-9A-Za-z]{1,3}))?)(?:/([0-9]{1,2}))?")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
MOST_TEXT = 200
MOST_YEARS = 9  # 29 February may skip a turn of the century


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five; `names` mean `low` and what follows."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """`either`: one of the two kinds of days is enough."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    @property
    def every_hour(self) -> bool:
        """Whether it goes by real time rather than by the clock on the wall."""
        return len(self.hours) == 24

    def on(self, day: date) -> bool:
        """Whether it has moments on that date."""
        if day.month not in self.months:
            return False
        monthly, weekly = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (monthly or weekly) if self.either else (monthly and weekly)


def parse(text: str) -> Cron:
    """Read a cron expression. Raises Invalid (`bad-cron`)."""
    fields = text.split() if len(text) <= MOST_TEXT else []
    if text.strip().startswith("@"):
        raise _bad(text, "names like `@daily` are not read; write the five fields")
    if len(fields) != 5:
        raise _bad(text, "five fields are needed: minute, hour, day, month, day of the week")
    minutes, hours, days, months, weekdays = (
        _values(text, words, field) for words, field in zip(fields, _FIELDS, strict=True)
    )
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    cron = Cron(text, minutes, hours, days, months, weekdays, either)
    if not either and all(_LONGEST[m - 1] < min(cron.days) for m in cron.months):
        raise _bad(text, "no month of these has such a day: it never comes")
    return cron


def fault(text: str) -> str:
    """Why it cannot be read; empty if it can."""
    try:
        parse(text)
    except Invalid as error:
        return error.why
    return ""


def _values(text: str, words: str, field: _Field) -> frozenset[int]:
    found: set[int] = set()
    for word in words.split(","):
        part = _PART.fullmatch(word)
        if not part:
            raise _bad(text, _unread(word, field))
        star, first, last, step = part.groups()
        begin = field.low if star else _number(text, first, field)
        end = field.high if star or (step and not last) else begin
        end = _number(text, last, field) if last else end
        if not field.low <= begin <= end <= field.high or (step and int(step) == 0):
            span = f"{field.low} to {field.high}, ranges from low to high, steps from 1"
            raise _bad(text, f"`{word}` is no {field.name}: {span}")
        found |= set(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, word: str, field: _Field) -> int:
    if word.isdecimal():
        return int(word)
    if word.upper() in field.names:
        return field.names.index(word.upper()) + field.low
    raise _bad(text, _unread(word, field))


def _unread(word: str, field: _Field) -> str:
    special = next((c for c in "LW#?" if c in word.upper()), "")
    named = any(word.upper().startswith(name) for name in field.names)
    if special and not (named and special in "LW"):
        return f"`{special}` is no part of POSIX cron (in the {field.name}: `{word}`)"
    return f"`{word}` is no {field.name}"


def _bad(text: str, why: str) -> Invalid:
    return Invalid(f"`{text[:MOST_TEXT]}` is no schedule", why=why, code="bad-cron")


def latest(cron: Cron, zone: tzinfo, since: float, until: float) -> float | None:
    """The last moment with since < moment <= until, in Unix seconds; None if there is none."""
    return next(_back(cron, zone, since, until), None)


def following(cron: Cron, zone: tzinfo, after: float) -> float:
    """The first moment after that one, in Unix seconds. Raises Invalid (`bad-cron`) if none comes
    in the next MOST_YEARS.
    """
    day = datetime.fromtimestamp(after, zone).date() - timedelta(days=1)
    for _ in range(MOST_YEARS * 366):
        found = [m for m in (_moments(cron, zone, day) if cron.on(day) else ()) if m > after]
        if found:
            return min(found)
        day += timedelta(days=1)
    raise _bad(cron.text, f"it does not come in {MOST_YEARS} years")


def missed(cron: Cron, zone: tzinfo, since: float, until: float, most: int = 1000) -> int:
    """How many moments lie in since < moment <= until; counting ends at `most`."""
    return sum(1 for _ in islice(_back(cron, zone, since, until), most))


def _back(cron: Cron, zone: tzinfo, since: float, until: float) -> Iterator[float]:
    """Its moments in since < moment <= until, the last first."""
    day = datetime.fromtimestamp(until, zone).date() + timedelta(days=1)
    first = datetime.fromtimestamp(since, zone).date() - timedelta(days=2)
    before = until + 1
    while day >= first:
        for moment in _moments(cron, zone, day) if cron.on(day) else ():
            if since < moment <= until and moment < before:
                before = moment
                yield moment
        day -= timedelta(days=1)


def _moments(cron: Cron, zone: tzinfo, day: date) -> list[float]:
    found: set[float] = set()
    for hour in cron.hours:
        for minute in cron.minutes:
            naive = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 the wall's
            found.update(_instants(naive, zone, real=cron.every_hour))
    return sorted(found, reverse=True)


def _instants(wall: datetime, zone: tzinfo, *, real: bool) -> tuple[float, ...]:
    """When the clock on the wall shows this: usually once."""
    first, second = (wall.replace(tzinfo=zone, fold=f).timestamp() for f in (0, 1))
    if datetime.fromtimestamp(first, zone).replace(tzinfo=None) != wall:
        return () if real else (_after_gap(zone, second, first),)
    return (first, second) if real and second != first else (first,)


def _after_gap(zone: tzinfo, before: float, after: float) -> float:
    """The first second with the new offset, between two moments around the change."""
    low, high = int(before), int(after)
    new = datetime.fromtimestamp(high, zone).utcoffset()
    while low < high:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == new:
            high = middle
        else:
            low = middle + 1
    return float(high)


def shown(moment: float, zone: tzinfo = UTC) -> str:
    """The moment for people, in the zone: `2026-03-29 02:30 CET`."""
    return datetime.fromtimestamp(moment, zone).strftime("%Y-%m-%d %H:%M %Z")
