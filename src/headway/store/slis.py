"""What was counted for each SLO, and how far each was read. Written by flows/goals.py only.

Two resolutions in one table: minutes, kept for eight days (the longest alert window has three), and
quarters of an hour, kept for 400 days (a calendar year and a month). Every zone's midnight is the
begin of a quarter of an hour.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from headway.model.service import Slo
from headway.model.window import Snapshot
from headway.settings import calendar
from headway.slo.tally import MINUTE, Bucket, Tally
from headway.store.database import Tx
from headway.store.records import dumps, loads
from headway.store.tables import sli_readings, slis

QUARTER = 900.0
KEEP_MINUTES = 8 * 86400.0
KEEP_QUARTERS = 400 * 86400.0


@dataclass(frozen=True, slots=True)
class Goal:
    """Which SLO of which service where."""

    service: str
    environment: str
    slo: str


@dataclass(frozen=True, slots=True)
class Firing:
    """A condition that holds: since when, whether it was told, and about which release."""

    since: float
    told: bool
    release: str


@dataclass(frozen=True, slots=True)
class Base:
    """Where an SLO stood when users first reached a rollout: `before`: its window until then;
    `bad`, `total`: everything ever counted until then; `paused_at`: bad requests since then at the
    last pause, None if there was none.
    """

    rollout: str
    before: Tally
    bad: float
    total: float
    paused_at: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How far an SLO was read. `snapshot`: the proxy's counters then; `until`: the last sample of a
    metric source; `bad`, `total`: everything ever counted, which never falls; `problem`: why
    nothing could be read the last time; `firing`: by condition, `reported`: when it was told last;
    `base`: of the last rollout that reached users.
    """

    snapshot: Snapshot | None = None
    until: float = 0.0
    bad: float = 0.0
    total: float = 0.0
    at: float = 0.0
    problem: str = ""
    definition: str = ""
    reported: float = 0.0
    firing: dict[str, Firing] = field(default_factory=dict)
    base: Base | None = None


def reading(connection: sa.Connection, goal: Goal) -> Reading:
    """The last one, or an empty one."""
    query = sa.select(sli_readings.c.reading).where(*_key(sli_readings, goal))
    text: str | None = connection.execute(query).scalar()
    return loads(text, Reading) if text else Reading()


def put_reading(tx: Tx, goal: Goal, new: Reading) -> None:
    """Record how far the SLO was read, in the transaction that adds what was read."""
    values = {"reading": dumps(new)}
    where = _key(sli_readings, goal)
    if tx.connection.execute(sli_readings.update().where(*where).values(**values)).rowcount == 0:
        tx.connection.execute(sli_readings.insert().values(**_fields(goal), **values))


def goals(connection: sa.Connection) -> list[Goal]:
    """Every SLO that was ever read."""
    t = sli_readings
    query = sa.select(t.c.service, t.c.environment, t.c.slo)
    return [
        Goal(*r) for r in connection.execute(query.order_by(t.c.service, t.c.environment, t.c.slo))
    ]


def add(tx: Tx, goal: Goal, release: str, buckets: Iterable[Bucket]) -> None:
    """Add what happened, in minutes; quarters of an hour are kept along."""
    minutes: dict[float, Tally] = {}
    quarters: dict[float, Tally] = {}
    for bucket in buckets:
        at = math.floor(bucket.at / QUARTER) * QUARTER
        minutes[bucket.at] = minutes.get(bucket.at, Tally()).plus(bucket.tally)
        quarters[at] = quarters.get(at, Tally()).plus(bucket.tally)
    rows = [
        {
            **_fields(goal),
            "resolution": int(size),
            "at": int(at),
            "release": release,
            "good": tally.good,
            "total": tally.total,
        }
        for size, found in ((MINUTE, minutes), (QUARTER, quarters))
        for at, tally in found.items()
    ]
    added = _added(tx.connection.dialect.name)
    for row in rows:  # each by itself: see database._bounded
        tx.connection.execute(added, row)


def _added(dialect: str) -> sa.Executable:
    """A row, or more of what is there."""
    new: sqlite.Insert | postgresql.Insert
    new = postgresql.insert(slis) if dialect == "postgresql" else sqlite.insert(slis)
    more = {"good": slis.c.good + new.excluded.good, "total": slis.c.total + new.excluded.total}
    return new.on_conflict_do_update(index_elements=list(slis.primary_key), set_=more)


def forget(tx: Tx, goal: Goal) -> None:
    """Everything that was counted for the SLO."""
    tx.connection.execute(slis.delete().where(*_key(slis, goal)))


def prune(tx: Tx) -> int:
    """Forget what is too old; gives how many rows."""
    t, gone = slis, 0
    for size, keep in ((MINUTE, KEEP_MINUTES), (QUARTER, KEEP_QUARTERS)):
        old = (t.c.resolution == int(size), t.c.at < tx.now - keep)
        gone += tx.connection.execute(t.delete().where(*old)).rowcount
    return gone


def tallied(
    connection: sa.Connection, goal: Goal, since: float, until: float, release: str | None = None
) -> Tally:
    """Everything from `since` to `until`, of one release or of all. The minute in which `since`
    lies counts whole; more than a day back the quarter of an hour does.
    """
    found = Tally()
    for size, begin, end in _parts(since, until):
        found = found.plus(_sum(connection, goal, (size, begin, end), release))
    return found


def _parts(since: float, until: float) -> list[tuple[float, float, float]]:
    """(resolution, begin, end): minutes for windows up to three days, else quarters of an hour and
    the minutes since the last full one.
    """
    if until - since <= 3 * 86400 + QUARTER:
        return [(MINUTE, math.floor(since / MINUTE) * MINUTE, until)]
    last = math.floor(until / QUARTER) * QUARTER
    first = math.floor(since / QUARTER) * QUARTER
    return [(QUARTER, first, last), (MINUTE, last, until)]


def _sum(
    connection: sa.Connection, goal: Goal, part: tuple[float, float, float], release: str | None
) -> Tally:
    t, (size, begin, end) = slis, part
    query = sa.select(sa.func.sum(t.c.good), sa.func.sum(t.c.total)).where(
        *_key(t, goal), t.c.resolution == int(size), t.c.at >= begin, t.c.at < end
    )
    if release is not None:
        query = query.where(t.c.release == release)
    good, total = connection.execute(query).one()
    return Tally(good or 0.0, total or 0.0)


def over(connection: sa.Connection, goal: Goal, now: float) -> Callable[[float], Tally]:
    """The tally of the last so many seconds."""
    return lambda seconds: tallied(connection, goal, now - seconds, now)


def in_window(connection: sa.Connection, goal: Goal, slo: Slo, now: float) -> Tally:
    """The tally of the SLO's own window, rolling or calendar."""
    return tallied(connection, goal, calendar.begins(slo, now), now)


def releases(connection: sa.Connection, goal: Goal, since: float, until: float) -> dict[str, Tally]:
    """What each release served, busiest first."""
    t = slis
    found: dict[str, Tally] = {}
    for size, begin, end in _parts(since, until):
        query = (
            sa.select(t.c.release, sa.func.sum(t.c.good), sa.func.sum(t.c.total))
            .where(*_key(t, goal), t.c.resolution == int(size), t.c.at >= begin, t.c.at < end)
            .group_by(t.c.release)
        )
        for release, good, total in connection.execute(query):
            found[release] = found.get(release, Tally()).plus(Tally(good, total))
    return dict(sorted(found.items(), key=lambda item: -item[1].total))


def time_met(
    connection: sa.Connection, goal: Goal, target: float, since: float, until: float
) -> tuple[int, int]:
    """Quarters of an hour in which the goal was kept, and those in which anything happened."""
    t = slis
    good, total = sa.func.sum(t.c.good), sa.func.sum(t.c.total)
    query = (
        sa.select(good, total)
        .where(
            *_key(t, goal),
            t.c.resolution == int(QUARTER),
            t.c.at >= since - QUARTER,
            t.c.at < until,
        )
        .group_by(t.c.at)
    )
    rows = [(g, n) for g, n in connection.execute(query) if n > 0]
    return sum(1 for g, n in rows if g >= target * n * (1 - 1e-9)), len(rows)


def _key(table: sa.Table, goal: Goal) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        table.c.service == goal.service,
        table.c.environment == goal.environment,
        table.c.slo == goal.slo,
    )


def _fields(goal: Goal) -> dict[str, str]:
    return {"service": goal.service, "environment": goal.environment, "slo": goal.slo}
