"""How pages write states, shares, times, durations and digests: the filters of the templates."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from headway.wording.text import person

NARROW = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
_WEIGHT = re.compile(r" \(log evidence -?[\d.]+, (?:limit|rollback at) [\d.]+\)")
_RATES = re.compile(
    r"(?P<signal>errors|slower than [^:]{1,20}): (?P<ours>[\d.]+ % of [\d,]+ requests)"
    r"(?: (?P<theirs>against [\d.]+ % of [\d,]+ on stable))?"
)
"""As headway.analysis.words writes why a version is rolled back."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a state is shown: its colour (pass, fail, wait, run, none), its icon, its word."""

    state: str
    icon: str
    word: str


def _shown(state: str, word: str, icon: str = "") -> Shown:
    return Shown(state, icon or state, word)


STATES: dict[str, Shown] = {
    "": _shown("run", "Running"),
    "PASS": _shown("pass", "Pass"),
    "FAIL": _shown("fail", "Fail"),
    "WAIT": _shown("wait", "Wait"),
    "queued": _shown("none", "Queued", "wait"),
    "building": _shown("run", "Building"),
    "delivering": _shown("run", "Delivering"),
    "waiting": _shown("wait", "Waiting"),
    "entering": _shown("run", "Gates passed"),
    "held": _shown("wait", "Held"),
    "paused": _shown("wait", "Paused", "pause"),
    "done": _shown("pass", "Done"),
    "delivered": _shown("pass", "Delivered"),
    "released": _shown("pass", "Released"),
    "failed": _shown("fail", "Failed"),
    "refused": _shown("fail", "Refused"),
    "rolled_back": _shown("fail", "Rolled back", "rollback"),
    "rolled back": _shown("fail", "Rolled back", "rollback"),
    "going back": _shown("fail", "Going back", "rollback"),
    "superseded": _shown("none", "Superseded"),
    "cancelled": _shown("none", "Cancelled"),
    "shadowed": _shown("pass", "Shadowed"),
    "preparing": _shown("run", "Starting"),
    "starting": _shown("run", "Starting"),
    "baking": _shown("run", "Rolling out"),
    "stability": _shown("run", "Stability window"),
    "keeping": _shown("pass", "Released"),
    "running": _shown("run", "Running"),
    "success": _shown("pass", "Passed"),
    "failure": _shown("fail", "Failed"),
    "skipped": _shown("none", "Skipped"),
    "interrupted": _shown("wait", "Interrupted"),
    "planned": _shown("none", "Not yet"),
}
"""Every state and outcome of the model that a page shows."""


def state(word: str) -> Shown:
    """A word that is not known is shown as it is, without a colour."""
    return STATES.get(word) or _shown("none", word.replace("_", " "))


def clock(at: datetime | None) -> str:
    """`14:32` today, `Thu 19 Nov 14:32` on other days, in UTC; nothing for no time."""
    return _with_day(at, "%H:%M")


def second(at: datetime | None) -> str:
    """As `clock`, to the second."""
    return _with_day(at, "%H:%M:%S")


def _with_day(at: datetime | None, format: str) -> str:
    if at is None:
        return ""
    known, now = at.astimezone(UTC), datetime.now(UTC)
    if known.date() == now.date():
        return f"{known:{format}}"
    year = f" {known.year}" if known.year != now.year else ""
    return f"{known:%a} {known.day} {known:%b}{year} {known:{format}}"


def stamp(at: datetime) -> str:
    """`Thu 19 Nov 2026, 14:32:07 UTC`, for titles."""
    known = at.astimezone(UTC)
    return f"{known:%a} {known.day} {known:%b %Y, %H:%M:%S} UTC"


def iso(at: datetime) -> str:
    """RFC 3339, for `<time datetime>`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def exact(at: datetime) -> str:
    """As `iso`, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lasting(seconds: float | None) -> str:
    """`0.4 s`, `48 s`, `3 min`, `2 h 5 min`, `4 d`; nothing for no time."""
    if seconds is None:
        return ""
    if 0 < seconds < 10:
        return f"{seconds:.1f}{NARROW}s"
    known = timedelta(seconds=round(seconds))
    hours, minutes = known.seconds // 3600, known.seconds % 3600 // 60
    if known.days:
        return f"{known.days}{NARROW}d"
    if hours:
        return f"{hours}{NARROW}h {minutes}{NARROW}min" if minutes else f"{hours}{NARROW}h"
    if minutes:
        rest = known.seconds % 60
        both = f"{minutes}{NARROW}min {rest}{NARROW}s"
        return both if minutes < 10 and rest else f"{minutes}{NARROW}min"
    return f"{known.seconds}{NARROW}s"


def percent(share: float) -> str:
    """`5 %`, `0.12 %`."""
    return f"{100 * share:.{3 if share >= 0.001 else 2}g}{NARROW}%"


def figure(number: float | None) -> str:
    """A number of a chart's table: at most four figures; `no data` for none."""
    if number is None:
        return "no data"
    known = float(f"{number:.4g}") if abs(number) < 1000 else round(number, 1)
    return f"{known:,.10g}".replace("-", MINUS)


def thousands(number: float) -> str:
    """`41,208`."""
    return f"{number:,.0f}"


def size(count: int | None) -> str:
    """`512 B`, `1.2 KiB`, `34 MiB`."""
    if count is None:
        return ""
    known, units = float(count), ["B", "KiB", "MiB", "GiB"]
    while known >= 1024 and len(units) > 1:
        known, _ = known / 1024, units.pop(0)
    return f"{known:.3g}{NARROW}{units[0]}"


def short(digest: str) -> str:
    """The first 12 hex digits of a commit or digest."""
    return digest.removeprefix("sha256:")[:12]


def pairs(names: list[str]) -> list[tuple[str, str]]:
    """Choices of a filter that are shown as they are."""
    return [(n, n) for n in names]


def unix(at: float) -> datetime:
    """Unix seconds as a time in UTC."""
    return datetime.fromtimestamp(at, UTC)


def branch(ref: str) -> str:
    """`refs/heads/main` is `main`."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def capitalize_first(text: str) -> str:
    """A sentence begins with a capital; the rest stays as it is, and so does a name like `shop-3`
    or `c8d4e7f` at its begin.
    """
    first = text.split(maxsplit=1)[:1]
    plain = bool(first) and first[0].rstrip(":,;.").isalpha()
    return text[:1].upper() + text[1:] if plain else text


def plainly(because: str) -> str:
    """A judge's reason for people: `2.1 % of 312 requests failed, against 0 % of 5,716 on stable`.
    The weight of the evidence is left to the page of the rollout, lines of a log to that of the
    run; any other text stays as it is.
    """
    first, more, _ = because.partition("\n")
    text = _WEIGHT.sub("", first.partition(": ")[0] if more else first).replace("`", "")
    found = _RATES.match(text)
    if not found:
        return text
    signal, ours, theirs = found["signal"], found["ours"], found["theirs"]
    how = "failed" if signal == "errors" else f"were {signal}"
    return f"{ours} {how}{f', {theirs}' if theirs else ''}{text[found.end() :]}"


def basename(path: str) -> str:
    """`.github/workflows/ci.yml` is `ci.yml`."""
    return path.rpartition("/")[2]


def query(asked: dict[str, str]) -> str:
    """What was asked as the query of an address, without what is empty."""
    return urlencode({name: value for name, value in asked.items() if value})


FILTERS: dict[str, Callable[..., Any]] = {
    "basename": basename,
    "branch": branch,
    "capitalize_first": capitalize_first,
    "clock": clock,
    "exact": exact,
    "figure": figure,
    "iso": iso,
    "lasting": lasting,
    "pairs": pairs,
    "percent": percent,
    "plainly": plainly,
    "person": person,
    "query": query,
    "second": second,
    "short": short,
    "size": size,
    "stamp": stamp,
    "state": state,
    "thousands": thousands,
    "unix": unix,
}
