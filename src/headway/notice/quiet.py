"""When quiet hours end. Pure: the time zone is an argument, because zones are read from files.

Hours are wall-clock times: 22:00 to 07:00 is nine hours, eight or ten in a night with a change of
clocks. A wall-clock time that does not exist, or exists twice, is the one before the change (PEP
495, fold 0). Called by notice/plan.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo

from headway.notice.preference import DAY_MINUTES, Hours

FOREVER_DAYS = 8  # longer than any week of hours: it does not end


def until(quiet: Iterable[Hours], zone: tzinfo, now: float) -> float:
    """When the quiet that covers `now` ends, Unix seconds; `now` itself if nothing covers it.

    Hours that touch or overlap are one. Hours that cover the whole week end after eight days, so
    that whatever waits is told at last.
    """
    known, end = tuple(quiet), now
    while end - now < FOREVER_DAYS * 86400:
        later = max((e for b, e in _around(known, zone, end) if b <= end < e), default=end)
        if later == end:
            break
        end = later
    return end


def _around(quiet: tuple[Hours, ...], zone: tzinfo, at: float) -> list[tuple[float, float]]:
    """Begin and end of all hours that begin on the day of `at` or on the day before."""
    today = datetime.fromtimestamp(at, zone).date()
    days = (today - timedelta(days=1), today)
    return [_bounds(one, zone, d) for one in quiet for d in days if d.weekday() in one.days]


def _bounds(one: Hours, zone: tzinfo, day: date) -> tuple[float, float]:
    ends = one.ends if one.ends > one.begins else one.ends + DAY_MINUTES
    return _moment(day, one.begins, zone), _moment(day, ends, zone)


def _moment(day: date, minutes: int, zone: tzinfo) -> float:
    at = day + timedelta(days=minutes // DAY_MINUTES)
    rest = minutes % DAY_MINUTES
    return datetime(at.year, at.month, at.day, rest // 60, rest % 60, tzinfo=zone).timestamp()
