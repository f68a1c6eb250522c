"""The audit trail as people read it: who did what, where, when and why; newest first.

Every page costs the same however long the log is: it goes down from a number, and what no index
knows, like a text, is looked for in the newest SEARCHED events only (the answer says down to
where).
"""

import json
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from headway.model.event import Event
from headway.store import log
from headway.store.tables import events
from headway.store.views import kinds
from headway.store.views.moments import at
from headway.wording.sentences import audited

SEARCHED = 20_000
LIMIT = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """Empty fields filter nothing. `who` is a name, `people` (anybody) or `headway`; `kind` the
    first word of a kind; `text` is in the event; `since` and `until` are Unix seconds; `below` a
    number to go on under. `services`: those that may be read, None for all.
    """

    who: str = ""
    kind: str = ""
    service: str = ""
    text: str = ""
    since: float = 0.0
    until: float = 0.0
    below: int = 0
    services: frozenset[str] | None = None
    limit: int = LIMIT


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. `by`: the person or program that asked for it, empty for Headway itself; `did`: in
    words, empty for a kind that has none; `reason`: as it was given.
    """

    seq: int
    at: datetime
    kind: str
    by: str
    did: str
    reason: str
    subject: str
    service: str
    environment: str
    release: str
    delivery: str


@dataclass(frozen=True, slots=True)
class Trail:
    """`next`: the number to go on below, 0 at the end; `last`: the newest event there is;
    `searched`: a text was looked for down to this number.
    """

    entries: tuple[Entry, ...]
    next: int
    last: int
    searched: int


def read(connection: sa.Connection, wanted: Wanted) -> Trail:
    """One page."""
    last = log.last_seq(connection)
    top = min(wanted.below - 1, last) if wanted.below else last
    if wanted.until:
        top = min(top, _first_at(connection, wanted.until, last) - 1)
    begin = _first_at(connection, wanted.since, last) - 1 if wanted.since else 0
    searched = wanted.text or wanted.who or (wanted.kind and not _anywhere(wanted))
    floor = max(begin, top - SEARCHED) if searched else begin
    query = _filtered(sa.select(events).where(events.c.seq <= top, events.c.seq > floor), wanted)
    rows = connection.execute(_newest(connection, query, wanted)).all()
    found = tuple(_entry(log.event(row)) for row in rows)
    more = found[-1].seq if len(found) == wanted.limit else floor + 1
    return Trail(found, more if more > begin + 1 else 0, last, floor)


def _anywhere(wanted: Wanted) -> bool:
    """Whether any service may be in it: then no other index is better than that of kinds."""
    return not wanted.service and wanted.services is None


def _newest(
    connection: sa.Connection, query: "sa.Select[tuple[object]]", wanted: Wanted
) -> "sa.Select[tuple[object]]":
    if wanted.kind and _anywhere(wanted):
        return kinds.newest(connection, query, wanted.kind, wanted.limit)
    if wanted.kind:
        query = query.where(kinds.begins(wanted.kind))
    return query.order_by(events.c.seq.desc()).limit(wanted.limit)


def _first_at(connection: sa.Connection, moment: float, last: int) -> int:
    """The number of the first event at that time or later, one past the last if there is none.
    Numbers have no gaps and rise with time, so that halving finds it.
    """
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        query = sa.select(events.c.at).where(events.c.seq == middle)
        if connection.execute(query).scalar_one() < moment:
            low = middle + 1
        else:
            high = middle
    return low


def _filtered(query: "sa.Select[tuple[object]]", wanted: Wanted) -> "sa.Select[tuple[object]]":
    t = events.c
    if wanted.services is not None:
        query = query.where(t.service.in_(sorted(wanted.services)))
    if wanted.service:
        query = query.where(t.service == wanted.service)
    if wanted.text:
        places = (t.data, t.subject, t.release, t.delivery, t.kind)
        query = query.where(sa.or_(*(p.icontains(wanted.text, autoescape=True) for p in places)))
    return _by(query, wanted.who)


def _by(query: "sa.Select[tuple[object]]", who: str) -> "sa.Select[tuple[object]]":
    """By the field `by` in the event's data, which is JSON with sorted keys and without spaces."""
    data = events.c.data
    if who == "people":
        return query.where(data.contains('"by":"'), ~data.contains('"by":""'))
    if who == "headway":
        return query.where(sa.or_(~data.contains('"by":"'), data.contains('"by":""')))
    if who:
        return query.where(data.contains(f'"by":{json.dumps(who)}', autoescape=True))
    return query


def _entry(event: Event) -> Entry:
    return Entry(
        seq=event.seq,
        at=at(event.at),
        kind=event.kind,
        by=str(event.data.get("by", "")),
        did=audited(event),
        reason=str(event.data.get("reason") or event.data.get("because") or ""),
        subject=event.subject,
        service=event.service,
        environment=event.environment,
        release=event.release,
        delivery=event.delivery,
    )
