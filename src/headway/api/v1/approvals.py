"""Approvals: what waits for a person, with its evidence; deciding it; what was decided.

Releases before an environment and rollouts are read from the database, jobs of pipeline runs from
their runs; a decision on a job is a request to the run, as on the page of approvals.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import Query
from pydantic import Field
from starlette.requests import Request

from headway.access.principal import Principal, services
from headway.adapters.system.bell import RUNS, ring
from headway.api.guard import Reader, must, needs, see
from headway.api.problems import Wrong
from headway.api.v1.common import WRITES, headway, noun, private, reading
from headway.api.v1.paging import Page, Span, Spanned
from headway.api.v1.route import unchanged
from headway.api.v1.runs import seen
from headway.api.v1.writing import Body, IfMatch, Key, Reason, Write
from headway.flows import commands, run_inbox
from headway.flows.commands import Word
from headway.flows.run_list import service_of
from headway.model.errors import Invalid
from headway.pipeline.run.state import Decided as Said
from headway.store import access, records
from headway.store.database import Tx
from headway.store.tables import approvals as table
from headway.store.tables import releases
from headway.store.views import approvals as view
from headway.store.views.approvals import Pending
from headway.store.views.moments import at

router = noun("approvals")


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A decision that was taken, bound to a digest and an environment."""

    id: str
    service: str
    environment: str
    release: str
    digest: str
    approved: bool
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided, on a release or on a run."""

    release: str
    environment: str
    decision: str
    by: str
    reason: str
    run: str


class Decision(Body):
    """`approve` or `reject` a release for an environment, or the jobs of a run for it."""

    release: Annotated[str, Field(max_length=200)] = ""
    run: Annotated[str, Field(max_length=200)] = ""
    environment: Annotated[str, Field(min_length=1, max_length=100)]
    decision: Literal["approve", "reject"]
    reason: Reason


@router.get("/approvals")
def list_approvals(  # noqa: PLR0913  one parameter for each field
    request: Request,
    who: Reader,
    span: Spanned,
    service: str = "",
    environment: str = "",
    mine: Annotated[bool, Query(description="Only what waits for whoever asks.")] = False,  # noqa: FBT002
) -> Page[Pending]:
    """What waits for a person's decision now, the longest waiting first."""
    with reading(request) as connection:
        now, allowed = time.time(), services(who)
        jobs = run_inbox.waiting(connection, headway(request).home, now, allowed)
        found = sorted([*view.read(connection, now, allowed), *jobs], key=_key)
    kept = [
        p
        for p in found
        if service in {"", p.service}
        and environment in {"", p.environment}
        and (not mine or view.concerns(p, who.id, who.teams))
        and (span.since is None or p.since.timestamp() >= span.since)
        and (span.until is None or p.since.timestamp() < span.until)
    ]
    behind = [p for p in kept if not span.after or _key(p) > span.after]
    return span.page(behind[: span.reach], _key)


@router.get("/approvals/history")
def list_decided_approvals(
    request: Request, who: Reader, span: Spanned, release: str = "", environment: str = ""
) -> Page[ApprovalRow]:
    """What was decided, newest first."""
    with reading(request) as connection:
        found = _decided(connection, who, span, release, environment)
    return span.page(found, lambda a: a.id)


@router.get("/approvals/{release}/{environment}")
def show_approval(request: Request, who: Reader, release: str, environment: str) -> Pending:
    """What waits there; instead of a release also a run."""
    with reading(request) as connection:
        return _seen(request, connection, who, (release, environment))


@router.post("/approvals", status_code=202, responses=WRITES)
def decide_approval(
    request: Request,
    who: Annotated[Principal, needs("approval.decide")],
    body: Decision,
    key: Key,
    if_match: IfMatch = "",
) -> Decided:
    """Decide. On a release it counts for this digest in this environment only, on a run for the
    jobs of this run.
    """
    if bool(body.release) == bool(body.run):
        raise Wrong("a release or a run?", 422, code="invalid-request", why="name one of the two")
    place = (body.release or body.run, body.environment)
    if body.run:
        return _decide_run(request, who, body, key, if_match)

    def do(tx: Tx) -> Decided:
        with private(who):
            known = records.release(tx.connection, body.release)
            see(who, known.service)
        must(who, "approval.decide", known.service, body.environment)
        if if_match:
            unchanged(request, _seen(request, tx.connection, who, place))
        word = Word(body.decision, who.id, body.reason, body.environment)
        commands.decide_approval(tx, headway(request).outbox, known.name, word)
        return _decided_by(who, body, known.name)

    return Write(request, who, key, body).once(do)


def _decide_run(
    request: Request, who: Principal, body: Decision, key: str, if_match: str
) -> Decided:
    known = headway(request)
    must(who, "approval.decide", service_of(seen(known, who, body.run).spec), body.environment)

    def do(moment: str) -> Decided:
        with known.reading() as connection:
            if if_match:
                place = (body.run, body.environment)
                unchanged(request, _seen(request, connection, who, place))
            person = access.known(connection, who.id)
        word = Said(
            body.environment, who.id, body.decision == "approve", body.reason, float(moment)
        )
        run_inbox.told(known.tx, known.home, body.run, word, person)
        ring(known.home, RUNS)
        return _decided_by(who, body, "")

    return Write(request, who, key, body).reserved(repr, do)


def _decided_by(who: Principal, body: Decision, release: str) -> Decided:
    done = {"approve": "approved", "reject": "rejected"}[body.decision]
    return Decided(release, body.environment, done, who.id, body.reason, body.run)


def _key(waiting: Pending) -> str:
    return f"{waiting.since.isoformat()} {waiting.id}"


def _seen(
    request: Request, connection: sa.Connection, who: Principal, place: tuple[str, str]
) -> Pending:
    with private(who):
        try:
            found = view.one(connection, "/".join(place), time.time())
        except Invalid:
            found = run_inbox.one(headway(request).home, *place, time.time())
        see(who, found.service)
        return found


def _decided(
    connection: sa.Connection, who: Principal, span: Span, release: str, environment: str
) -> list[ApprovalRow]:
    t, r, allowed = table.c, releases.c, services(who)
    query = sa.select(table, r.service).join(releases, r.name == t.release)
    for column, value in ((t.release, release), (t.environment, environment)):
        query = query.where(column == value) if value else query
    if allowed is not None:
        query = query.where(r.service.in_(sorted(allowed)))
    if span.after:
        query = query.where(t.seq < int(span.after))
    if span.since is not None:
        query = query.where(t.at >= span.since)
    if span.until is not None:
        query = query.where(t.at < span.until)
    rows = connection.execute(query.order_by(t.seq.desc()).limit(span.reach))
    return [
        ApprovalRow(
            id=str(row.seq),
            service=row.service,
            environment=row.environment,
            release=row.release,
            digest=row.digest,
            approved=row.approved,
            by=row.by,
            reason=row.reason,
            at=at(row.at),
        )
        for row in rows
    ]
