"""How pages write shares, times, durations and digests: the filters of the templates."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

NARROW = "\N{NO-BREAK SPACE}"


def clock(at: datetime | None) -> str:
    """`14:32` today, `Thu 19 Nov 14:32` on other days, in UTC; nothing for no time."""
    if at is None:
        return ""
    known = at.astimezone(UTC)
    if known.date() == datetime.now(UTC).date():
        return f"{known:%H:%M}"
    return f"{known:%a} {known.day} {known:%b %H:%M}"


def iso(at: datetime) -> str:
    """RFC 3339, for `<time datetime>`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def lasting(seconds: float) -> str:
    """`48 s`, `3 min`, `2 h 5 min`, `4 d`."""
    known = timedelta(seconds=round(seconds))
    hours, minutes = known.seconds // 3600, known.seconds % 3600 // 60
    if known.days:
        return f"{known.days}{NARROW}d"
    if hours:
        return f"{hours}{NARROW}h {minutes}{NARROW}min" if minutes else f"{hours}{NARROW}h"
    return f"{minutes}{NARROW}min" if minutes else f"{known.seconds}{NARROW}s"


def percent(share: float) -> str:
    """`5 %`, `0.12 %`."""
    return f"{100 * share:.{3 if share >= 0.001 else 2}g}{NARROW}%"


def short(digest: str) -> str:
    """The first 12 hex digits of a commit or digest."""
    return digest.removeprefix("sha256:")[:12]


FILTERS: dict[str, Callable[..., Any]] = {
    "clock": clock,
    "iso": iso,
    "lasting": lasting,
    "percent": percent,
    "short": short,
}
