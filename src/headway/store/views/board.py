"""What runs where, since when, by whom, and what is next there: the first page.

One `Spot` for each service in each environment: what is in charge, what is being tried, what waits
at its door, and how the last rollout there ended if it did not end well.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from headway.analysis.judge import Finding
from headway.store.records import loads
from headway.store.tables import deliveries, places, rollouts
from headway.store.views import status
from headway.store.views.moments import moment
from headway.store.views.status import Here, Open

ENDED_BADLY = ("rolled_back", "failed")
AT_THE_DOOR = frozenset({"waiting", "queued", "held"})


@dataclass(frozen=True, slots=True)
class Ended:
    """The last rollout there, which did not end well."""

    rollout: str
    release: str
    outcome: str
    because: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Spot:
    """A service in an environment. `subject`: of the commit in charge; `verdict`: PASS, WAIT or
    FAIL, the judge's last word on what is being tried, or empty; `moving`: what that waits for, in
    one sentence; `waits`: deliveries at its door.
    """

    here: Here
    subject: str
    verdict: str
    moving: str
    ended: Ended | None
    waits: tuple[Open, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One service; `spots` by the name of the environment."""

    service: str
    spots: dict[str, Spot]


@dataclass(frozen=True, slots=True)
class Board:
    """`environments`: every name, in the order of the paths; `open`: deliveries that have not
    ended, also those that have not come to an environment yet.
    """

    environments: tuple[str, ...]
    rows: tuple[Row, ...]
    open: tuple[Open, ...]


def read(connection: sa.Connection, services: frozenset[str] | None, service: str = "") -> Board:
    """In these services (None: in all), or of one."""
    found = status.seen(status.read(connection, service), services)
    subjects, ended = _subjects(connection, found.places), _ended(connection, service)
    rows: dict[str, dict[str, Spot]] = {}
    names: dict[str, None] = {}
    for here in found.places:
        names[here.environment] = None
        mine = [o for o in found.open if _place(o) == _place(here)]
        spot = Spot(
            here=here,
            subject=subjects.get(here.release, ""),
            verdict=_verdict(connection, here.rollout) if here.candidate else "",
            moving=next((o.because for o in mine if o.release == here.candidate), ""),
            ended=ended.get(_place(here)),
            waits=tuple(
                o for o in mine if o.state in AT_THE_DOOR and o.release != here.candidate
            ),
        )  # fmt: skip
        rows.setdefault(here.service, {})[here.environment] = spot
    for waiting in found.open:
        rows.setdefault(waiting.service, {})
    return Board(tuple(names), tuple(Row(s, rows[s]) for s in sorted(rows)), found.open)


def _place(known: Here | Open) -> tuple[str, str]:
    return known.service, known.environment


def _subjects(connection: sa.Connection, places: tuple[Here, ...]) -> dict[str, str]:
    """Of the commits in charge, by release: as its first delivery told it."""
    t = deliveries.c
    query = sa.select(t.release, t.subject).order_by(t.id.desc())
    query = query.where(t.release.in_(sorted({p.release for p in places if p.release})))
    return {row.release: row.subject for row in connection.execute(query)}


def _verdict(connection: sa.Connection, rollout: str) -> str:
    query = sa.select(rollouts.c.verdict).where(rollouts.c.id == rollout)
    text = connection.execute(query).scalar()
    return str(loads(text, Finding).verdict.outcome) if text else ""


def _ended(connection: sa.Connection, service: str) -> dict[tuple[str, str], Ended]:
    """The last rollouts that did not end well, by place; of one service, or of all."""
    t, p, every = rollouts.c, places.c, rollouts.alias("every")
    there = every.c.service == p.service, every.c.environment == p.environment
    last = sa.select(sa.func.max(every.c.id)).where(*there).correlate(places).scalar_subquery()
    shown = (t.id, t.service, t.environment, t.release, t.outcome, t.because, t.finished_at)
    query = sa.select(*shown).join_from(places, rollouts, t.id == last)
    query = query.where(t.outcome.in_(ENDED_BADLY))
    if service:
        query = query.where(p.service == service)
    return {
        (r.service, r.environment): Ended(
            r.id, r.release, r.outcome, r.because, moment(r.finished_at)
        )
        for r in connection.execute(query)
    }
