"""Where the window of an SLO begins, in Unix seconds. Called by store/slis.py.

Here and not in the core, because time zones are read from the machine's tz database.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headway.model.service import Slo


def known(zone: str) -> bool:
    """Whether this machine knows the IANA time zone; UTC is known everywhere."""
    try:
        return zone == "UTC" or bool(ZoneInfo(zone).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


def begins(slo: Slo, now: float) -> float:
    """When the window that ends `now` began: `window_seconds` ago, or with the present day, week
    (Monday), month, quarter or year of the SLO's zone. A day with a change of clocks has 23 or 25
    hours, and so has its window.
    """
    if not slo.calendar:
        return now - slo.window_seconds
    zone: tzinfo = UTC if slo.zone == "UTC" else ZoneInfo(slo.zone)
    here = datetime.fromtimestamp(now, zone)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match slo.calendar:
        case "day":
            first = midnight
        case "week":
            # wall-clock arithmetic: the date is what counts, its offset is looked up afterwards
            first = midnight - timedelta(days=here.weekday())
        case "month":
            first = midnight.replace(day=1)
        case "quarter":
            first = midnight.replace(month=(here.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            first = midnight.replace(month=1, day=1)
    return first.timestamp()
