"""The event log: as a list, or, with `Accept: text/event-stream`, as it grows."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Header, Query
from starlette.requests import Request
from starlette.responses import Response

from headway.access.principal import Principal, services
from headway.api.followers import Wanted
from headway.api.guard import Reader
from headway.api.live import events as follow
from headway.api.v1.common import noun, reading
from headway.api.v1.paging import Page, Span, Spanned
from headway.store import log
from headway.store.cloudevents import CloudEvent, cloud_event
from headway.store.tables import events as table
from headway.store.views import kinds

router = noun("events")
STREAM = "text/event-stream"
NAMED = frozenset({"job.finished"})
"""Kinds that say behind a colon of what they are; all others are two words."""
_AS_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page of the log; or each event as a server-sent event, as it happens.",
        "content": {STREAM: {"schema": {"type": "string"}}},
    }
}


@router.get("/events", response_model=Page[CloudEvent], responses=_AS_STREAM)
def list_events(  # noqa: PLR0913  one parameter for each field
    request: Request,
    who: Reader,
    span: Spanned,
    subject: str = "",
    service: str = "",
    environment: str = "",
    delivery: str = "",
    kind: Annotated[str, Query(max_length=100)] = "",
    after: str = "",
    accept: Annotated[str, Header()] = "",
    last_event_id: Annotated[str, Header(alias="Last-Event-ID")] = "",
) -> Page[CloudEvent] | Response:
    """Newest first, each as a CloudEvent 1.0. `kind`: also the beginning of one up to a dot.

    With `Accept: text/event-stream` whatever happens from now on, oldest first; after a break from
    `Last-Event-ID` (or `after`) on, which are the numbers of events.
    """
    del after, last_event_id
    wanted = Wanted(subject, service, environment, delivery, kind)
    if STREAM in accept:
        return follow(request, wanted, who)
    with reading(request) as connection:
        found = _read(connection, who, span, wanted)
    return span.page(found, lambda e: e.sequence)


def _read(
    connection: sa.Connection, who: Principal, span: Span, wanted: Wanted
) -> list[CloudEvent]:
    e, seen = table.c, services(who)
    query = sa.select(table)
    for name in ("subject", "service", "environment", "delivery"):
        if value := getattr(wanted, name):
            query = query.where(e[name] == value)
    if seen is not None:
        query = query.where(e.service.in_(sorted(seen)))
    if span.after:
        query = query.where(e.seq < int(span.after))
    if span.since is not None:
        query = query.where(e.at >= span.since)
    if span.until is not None:
        query = query.where(e.at < span.until)
    word = wanted.kind
    anywhere = seen is None and not (wanted.subject or wanted.service or wanted.delivery)
    if anywhere and word and ("." not in word or word in NAMED):
        query = kinds.newest(connection, query, word, span.reach)
    else:
        query = _of_kind(query, word, span.reach)
    return [cloud_event(log.event(row)) for row in connection.execute(query)]


def _of_kind(query: Any, kind: str, limit: int) -> Any:
    """The newest of the kind, or of kinds that begin with it. A whole kind is looked up by itself,
    so that a rare one needs no look at the rest of the log.
    """
    e = table.c
    if "." in kind and kind not in NAMED:
        query = query.where(e.kind == kind)
    elif kind:
        query = query.where(kinds.begins(kind))
    return query.order_by(e.seq.desc()).limit(limit)
