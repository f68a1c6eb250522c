"""What runs where, since when, by whom, and what is next there: the first page.

One `Spot` for each service in each environment: what is in charge, what is being tried, what waits
at its door, and how the last rollout there ended if it did not end well.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from headway.analysis.judge import Finding
from headway.store.records import loads
from headway.store.tables import deliveries, rollouts
from headway.store.views import status
from headway.store.views.moments import moment
from headway.store.views.status import Here, Open

ENDED_BADLY = ("rolled_back", "failed")


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
    rows: dict[str, dict[str, Spot]] = {}
    names: dict[str, None] = {}
    for here in found.places:
        names[here.environment] = None
        rows.setdefault(here.service, {})[here.environment] = _spot(connection, here, found.open)
    for waiting in found.open:
        rows.setdefault(waiting.service, {})
    return Board(tuple(names), tuple(Row(s, rows[s]) for s in sorted(rows)), found.open)


def _spot(connection: sa.Connection, here: Here, open: tuple[Open, ...]) -> Spot:
    query = sa.select(deliveries.c.subject).where(deliveries.c.release == here.release)
    subject: str | None = None
    if here.release:
        subject = connection.execute(query.order_by(deliveries.c.id)).scalar()
    place = (here.service, here.environment)
    mine = [o for o in open if (o.service, o.environment) == place]
    return Spot(
        here=here,
        subject=subject or "",
        verdict=_verdict(connection, here.rollout) if here.candidate else "",
        moving=next((o.because for o in mine if o.release == here.candidate), ""),
        ended=_ended(connection, here),
        waits=tuple(
            o
            for o in mine
            if o.state in {"waiting", "queued", "held"} and o.release != here.candidate
        ),
    )


def _verdict(connection: sa.Connection, rollout: str) -> str:
    query = sa.select(rollouts.c.verdict).where(rollouts.c.id == rollout)
    text = connection.execute(query).scalar()
    return str(loads(text, Finding).verdict.outcome) if text else ""


def _ended(connection: sa.Connection, here: Here) -> Ended | None:
    query = sa.select(rollouts).where(
        rollouts.c.service == here.service, rollouts.c.environment == here.environment
    )
    last = connection.execute(query.order_by(rollouts.c.id.desc()).limit(1)).first()
    if last is None or last.outcome not in ENDED_BADLY:
        return None
    return Ended(last.id, last.release, last.outcome, last.because, moment(last.finished_at))
