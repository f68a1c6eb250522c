"""Where each SLO stands: for `headway slo list` and `headway slo show`, as one JSON document."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from headway.model.service import Slo
from headway.settings import calendar
from headway.slo import windows
from headway.slo.budget import budget, burn_rate
from headway.slo.exposition import Counted
from headway.slo.rules import Subject, prometheus
from headway.slo.tally import Tally
from headway.slo.windows import nominal_seconds
from headway.store import records, slis
from headway.store.slis import Goal, Reading
from headway.store.tables import places, releases
from headway.store.views.moments import at, moment


@dataclass(frozen=True, slots=True)
class Firing:
    """A condition that holds now."""

    condition: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """An SLO in an environment. Shares are fractions of 1; None: nothing was counted.

    `left`: of the error budget, negative if overdrawn; `allowed`, `bad`: requests that may fail and
    that did, in the window; `minutes_left`: of total outage; `thin`: not even one request may fail;
    `burn`: by window length; `problem`: why nothing could be read the last time.
    """

    service: str
    environment: str
    slo: str
    sli: str
    target: float
    window: str
    since: datetime
    total: float
    bad: float
    allowed: float
    compliance: float | None
    left: float | None
    minutes_left: float | None
    thin: bool
    burn: dict[str, float | None]
    firing: tuple[Firing, ...]
    read_at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True)
class Version:
    """A release's part in the window."""

    release: str
    total: float
    bad: float
    compliance: float
    burn: float


@dataclass(frozen=True, slots=True)
class Shown:
    """`time_met`: quarters of an hour in which the goal was kept, of those with requests."""

    standing: Standing
    time_met: int
    time_seen: int
    versions: tuple[Version, ...]


def subjects(connection: sa.Connection, service: str = "", environment: str = "") -> list[Subject]:
    """Every SLO of every service as its newest release has it, where the service is or was; or
    those of one service or environment.
    """
    newest = sa.select(releases.c.service, sa.func.max(releases.c.number))
    found = []
    for name, number in connection.execute(newest.group_by(releases.c.service)).all():
        if service not in {"", name}:
            continue
        query = sa.select(releases.c.name).where(
            releases.c.service == name, releases.c.number == number
        )
        config = records.release(connection, connection.execute(query).scalar_one()).config
        kept = _kept(connection, name) | {
            e.name for e in config.environments if e.tier == "production"
        }
        found += [
            Subject(name, e.name, slo)
            for e in config.environments
            for slo in config.slos
            if e.name in kept and environment in {"", e.name}
        ]
    return sorted(found, key=lambda s: (s.service, s.environment, s.slo.name))


def _kept(connection: sa.Connection, service: str) -> set[str]:
    known = {g.environment for g in slis.goals(connection) if g.service == service}
    query = sa.select(places.c.environment).where(places.c.service == service)
    return known & set(connection.execute(query).scalars())


def standing(connection: sa.Connection, subject: Subject, now: float) -> Standing:
    """Compliance, budget and burn now."""
    slo, goal = subject.slo, goal_of(subject)
    reading = slis.reading(connection, goal)
    tally = slis.in_window(connection, goal, slo, now)
    found = budget(slo.target, tally, nominal_seconds(slo))
    return Standing(
        service=subject.service,
        environment=subject.environment,
        slo=slo.name,
        sli=_sli(slo),
        target=slo.target,
        window=f"{slo.calendar} ({slo.zone})" if slo.calendar else prometheus(slo.window_seconds),
        since=at(calendar.begins(slo, now)),
        total=round(tally.total, 6),
        burn=_burn(connection, goal, slo, now),
        firing=_firing(reading),
        read_at=moment(reading.at),
        problem=reading.problem,
        bad=round(found.bad, 6),
        allowed=round(found.allowed, 6),
        compliance=found.compliance,
        left=found.left,
        minutes_left=found.minutes_left,
        thin=found.thin,
    )


def _sli(slo: Slo) -> str:
    if slo.source:
        return f"{slo.bad or slo.good} of {slo.total}"
    where = f" of {slo.route}" if slo.route else ""
    if slo.sli == "latency":
        return f"latency{where} under {(slo.under_seconds or 0) * 1000:g} ms"
    return slo.sli + where


def _burn(connection: sa.Connection, goal: Goal, slo: Slo, now: float) -> dict[str, float | None]:
    over = slis.over(connection, goal, now)
    longs = sorted({c.long for c in windows.conditions(slo)})
    return {prometheus(s): burn_rate(slo.target, over(s)) for s in longs}


def _firing(reading: Reading) -> tuple[Firing, ...]:
    return tuple(Firing(n, at(f.since)) for n, f in sorted(reading.firing.items()) if f.told)


def shown(connection: sa.Connection, subject: Subject, now: float) -> Shown:
    """The standing, and each release's part in it."""
    slo, goal = subject.slo, goal_of(subject)
    begin = calendar.begins(slo, now)
    met, seen = slis.time_met(connection, goal, slo.target, begin, now)
    served = slis.releases(connection, goal, begin, now)
    versions = tuple(_version(r, slo.target, t) for r, t in served.items() if t.total > 0)
    return Shown(standing(connection, subject, now), met, seen, versions)


def _version(release: str, target: float, tally: Tally) -> Version:
    return Version(
        release,
        round(tally.total, 6),
        round(tally.bad, 6),
        tally.good / tally.total,
        burn_rate(target, tally) or 0.0,
    )


def goal_of(subject: Subject) -> Goal:
    """Where its numbers are kept."""
    return Goal(subject.service, subject.environment, subject.slo.name)


def counted(connection: sa.Connection, service: str = "") -> list[Counted]:
    """What was ever counted, of every SLO or those of one service."""
    found = []
    for goal in slis.goals(connection):
        if service in {"", goal.service}:
            known = slis.reading(connection, goal)
            where = (goal.service, goal.environment, goal.slo)
            found.append(Counted(*where, known.bad, known.total))
    return found
