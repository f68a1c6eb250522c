"""What judges and gates said, newest first: GET /verdicts, GET /gates. Read from the event log."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from headway.store.tables import events
from headway.store.views.delivery import GateSeen
from headway.store.views.moments import at


@dataclass(frozen=True, slots=True)
class About:
    """Which. Empty fields filter nothing, `outcome` only verdicts; `services`: those that may be
    seen, None: all; `since` and before `until`: Unix seconds; `before`: the number of the event
    that the list goes on behind.
    """

    service: str = ""
    environment: str = ""
    release: str = ""
    delivery: str = ""
    rollout: str = ""
    outcome: str = ""
    services: frozenset[str] | None = None
    since: float | None = None
    until: float | None = None
    before: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """What the judge of a rollout held of one window. `seq`: its event's number; `share`: of the
    candidate then; requests are None where there was no data. Evidence is natural logarithms.
    """

    seq: int
    rollout: str
    delivery: str
    service: str
    environment: str
    release: str
    step: int
    share: float
    outcome: str
    because: str
    window_seconds: float | None
    candidate_requests: int | None
    stable_requests: int | None
    log_evidence: float | None
    boundary: float | None
    at: datetime


@dataclass(frozen=True, slots=True)
class GateRow:
    """What the gates of an environment said to a delivery; `judge`: whose word decided."""

    seq: int
    delivery: str
    service: str
    environment: str
    release: str
    outcome: str
    judge: str
    because: str
    gates: tuple[GateSeen, ...]
    at: datetime


def verdicts(connection: sa.Connection, asked: About) -> list[VerdictRow]:
    """One for each judged window."""
    return [
        VerdictRow(
            seq=row.seq,
            rollout=row.subject,
            **_place(row),
            step=data["step"],
            share=data["share"],
            outcome=data["outcome"],
            because=data["because"],
            window_seconds=data.get("seconds"),
            candidate_requests=data.get("candidate_requests"),
            stable_requests=data.get("stable_requests"),
            log_evidence=data.get("log_evidence"),
            boundary=data.get("boundary"),
            at=at(row.at),
        )
        for row, data in _told(connection, "rollout.judged", asked)
    ]


def gates(connection: sa.Connection, asked: About) -> list[GateRow]:
    """One for each time that the gates said something new."""
    return [
        GateRow(
            seq=row.seq,
            **_place(row),
            outcome=data["outcome"],
            judge=data["judge"],
            because=data["because"],
            gates=tuple(GateSeen(**g) for g in data["gates"]),
            at=at(row.at),
        )
        for row, data in _told(connection, "gates.judged", asked)
    ]


def _place(row: Any) -> dict[str, str]:
    return {n: getattr(row, n) for n in ("delivery", "service", "environment", "release")}


def _told(connection: sa.Connection, kind: str, asked: About) -> Iterator[tuple[Any, Any]]:
    e = events.c
    query = sa.select(events).where(e.kind == kind)
    same = ("service", "environment", "release", "delivery")
    for column, value in [*((e[n], getattr(asked, n)) for n in same), (e.subject, asked.rollout)]:
        query = query.where(column == value) if value else query
    if asked.outcome:  # the only one in the data of a verdict
        said = f'"outcome":"{asked.outcome}"'
        query = query.where(e.data.contains(said, autoescape=True))
    if asked.services is not None:
        query = query.where(e.service.in_(sorted(asked.services)))
    if asked.before:
        query = query.where(e.seq < asked.before)
    if asked.since is not None:
        query = query.where(e.at >= asked.since)
    if asked.until is not None:
        query = query.where(e.at < asked.until)
    for row in connection.execute(query.order_by(e.seq.desc()).limit(asked.limit)):
        yield row, json.loads(row.data)
