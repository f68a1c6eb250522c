"""Which burn over which windows is worth waking somebody, and which is worth a ticket.

Two tables, evaluated beside each other by Headway (flows/goals.py) and exported for Prometheus
(rules.py):

- the workbook's: a share of the budget gone within a long window, still going on in a short one.
  Factor = share * SLO window / long window. Source: Site Reliability Workbook, chapter 5, table of
  recommended parameters; the same numbers are sloth's defaults for 28 and 30 days.
- levels: a burn of 2 asks for a look, one of 5 for a person now, each sustained over the long
  window of the neighbouring row of the first table.

For SLO windows under 28 days the alert windows shrink in proportion, so that shares and factors
stay; from 28 days on they stay and the factor follows from the formula.
"""

from collections.abc import Callable
from dataclasses import dataclass

from headway.model.alert import Severity
from headway.model.service import Slo
from headway.slo.budget import burn_rate
from headway.slo.tally import Tally

HOUR, DAY = 3600.0, 86400.0
SHRINKS_BELOW = 28 * DAY
NOMINAL = 30 * DAY


@dataclass(frozen=True, slots=True)
class Share:
    """A row of the workbook's table: this share of the budget within `long` seconds."""

    name: str
    severity: Severity
    share: float
    long: float
    short: float


WORKBOOK = (
    Share("page-quick", "page", 0.02, HOUR, 300),
    Share("page-slow", "page", 0.05, 6 * HOUR, 1800),
    Share("ticket-quick", "ticket", 0.10, DAY, 2 * HOUR),
    Share("ticket-slow", "ticket", 0.10, 3 * DAY, 6 * HOUR),
)
# name, severity, factor, the workbook row whose windows are used
LEVELS: tuple[tuple[str, Severity, float, int], ...] = (
    ("level-page", "page", 5.0, 1),
    ("level-investigate", "ticket", 2.0, 2),
)


@dataclass(frozen=True, slots=True)
class Burning:
    """A condition: the burn rate is above `factor` (or at it, if `or_equal`) over `long` and over
    `short` seconds at once, and has been for `after` seconds. `short` 0: only `long` counts.
    """

    name: str
    severity: Severity
    long: float
    short: float
    factor: float
    after: float = 0.0
    or_equal: bool = False


def nominal_seconds(slo: Slo) -> float:
    """The SLO window's length; of a calendar window the usual one (a month has 30 days)."""
    days = {"day": 1, "week": 7, "month": 30, "quarter": 90, "year": 365}
    return days[slo.calendar] * DAY if slo.calendar else slo.window_seconds


def published(window_seconds: float, table: tuple[Share, ...] = WORKBOOK) -> tuple[Burning, ...]:
    """The workbook's conditions for an SLO window; `table` is another one of the same form."""
    made = []
    for row in table:
        long, short = row.long, row.short
        if window_seconds < SHRINKS_BELOW and table is WORKBOOK:
            scale = window_seconds / NOMINAL
            long, short = _minutes(long * scale, 2), _minutes(short * scale, 1)
        factor = round(row.share * window_seconds / long, 9)
        made.append(Burning(row.name, row.severity, long, short, factor))
    return tuple(made)


def levels(window_seconds: float) -> tuple[Burning, ...]:
    """The two fixed levels, over the windows of the workbook's slow page and quick ticket."""
    rows = published(window_seconds)
    return tuple(Burning(n, s, rows[i].long, rows[i].short, f) for n, s, f, i in LEVELS)


def own(slo: Slo) -> tuple[Burning, ...]:
    """The conditions that the SLO's OpenSLO file names itself."""
    return tuple(
        Burning(c.name, c.severity, c.over_seconds, 0.0, c.factor, c.after_seconds, c.or_equal)
        for c in slo.conditions
    )


def conditions(slo: Slo) -> tuple[Burning, ...]:
    """Everything that is evaluated for an SLO."""
    window = nominal_seconds(slo)
    return (*published(window), *levels(window), *own(slo))


def lengths(slo: Slo) -> tuple[float, ...]:
    """Every window length, in seconds, that the conditions of an SLO look at; rising."""
    found = {w for c in conditions(slo) for w in (c.long, c.short) if w > 0}
    return tuple(sorted(found))


def burns(condition: Burning, target: float, over: Callable[[float], Tally]) -> bool:
    """Whether the condition holds now (without its `after`). `over` gives the tally of the last so
    many seconds. A window without an event does not burn, and says nothing else either.
    """
    for seconds in (condition.short, condition.long):
        if seconds <= 0:
            continue
        rate = burn_rate(target, over(seconds))
        if rate is None or rate < condition.factor:
            return False
        if rate == condition.factor and not condition.or_equal:
            return False
    return True


def _minutes(seconds: float, least: int) -> float:
    return max(least, round(seconds / 60)) * 60.0
