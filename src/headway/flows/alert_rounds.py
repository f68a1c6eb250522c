"""Finds what must be told: reads the event log in order, looks at every place, at the clock.

Called by wiring in rounds, and once more when the engine ends. Each event is read exactly once: the
cursor moves in the transaction in which its alert is written.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import sqlalchemy as sa

from headway.alert import flaky, slow, sources
from headway.flows import alerting
from headway.flows.tend import settled_places
from headway.flows.world import World
from headway.model.alert import Symptom
from headway.model.delivery import Place
from headway.model.errors import Failed, Unreachable
from headway.model.event import Event
from headway.store import alerts, log, messages
from headway.store.database import Tx
from headway.store.tables import deliveries, events

CURSOR = "alerts"
FRESH_SECONDS = 3600.0  # a home that had no alerts is not told of what is older
AT_ONCE = 200
MISSING = "metrics_missing"
Transaction = Callable[[], AbstractContextManager[Tx]]


def read_log(tx: Tx, world: World) -> int:
    """Take the next events; gives how many. Then what is due by the clock."""
    at = messages.cursor(tx.connection, CURSOR)
    at = _start(tx) if at is None else at
    found = log.after(tx.connection, at, limit=AT_ONCE)
    for event in found:
        if event.kind in sources.KINDS:
            _take(tx, world, event)
    if found:
        messages.move_cursor(tx, CURSOR, found[-1].seq)
    alerting.look(tx, world)
    return len(found)


def something_to_do(connection: sa.Connection, now: float) -> bool:
    """Whether `read_log` would do anything: asked first, because it needs the writers' lock."""
    at = messages.cursor(connection, CURSOR)
    return (
        at is None
        or log.last_seq(connection) > at
        or bool(alerts.due(connection, now))
        or bool(alerts.stale_signals(connection, now - alerting.SIGNAL_SECONDS))
    )


def _start(tx: Tx) -> int:
    """Where a home begins that never had alerts."""
    query = sa.select(sa.func.max(events.c.seq)).where(events.c.at < tx.now - FRESH_SECONDS)
    at = int(tx.connection.execute(query).scalar() or 0)
    messages.move_cursor(tx, CURSOR, at)
    return at


def _take(tx: Tx, world: World, event: Event) -> None:
    earlier: list[Event] = []
    if event.kind == "delivery.finished":
        every = log.after(tx.connection, 0, limit=100_000, delivery=event.delivery)
        earlier = [e for e in every if e.seq < event.seq]
    _tell(tx, world, sources.read(event, earlier))
    if event.kind == "delivery.finished":
        _tell(tx, world, slow.read(event, earlier, _succeeded(tx, event)))
        _tell(tx, world, flaky.read(event, earlier, _same_commit(tx, event)))


def _succeeded(tx: Tx, event: Event) -> list[list[Event]]:
    """What the speed of a delivery is compared with: the last ones that succeeded before it."""
    return _others(tx, event, deliveries.c.outcome == "delivered")


def _same_commit(tx: Tx, event: Event) -> list[list[Event]]:
    """Earlier deliveries of the very same commit."""
    return _others(tx, event, deliveries.c.sha == str(event.data.get("sha", "")))


def _others(tx: Tx, event: Event, which: sa.ColumnElement[bool]) -> list[list[Event]]:
    """The steps of the service's last deliveries of this sort, newest first."""
    query = (
        sa.select(deliveries.c.id)
        .where(
            deliveries.c.service == event.service,
            which,
            deliveries.c.state == "done",
            deliveries.c.finished_at <= event.at,
            deliveries.c.id != event.delivery,
        )
        .order_by(deliveries.c.finished_at.desc())
        .limit(slow.LAST)
    )
    ids = list(tx.connection.execute(query).scalars())
    found: dict[str, list[Event]] = {id: [] for id in ids}
    for known in log.of_kinds(tx.connection, ids, slow.KINDS, slow.JOB):
        found[known.delivery].append(known)
    return list(found.values())


def _tell(tx: Tx, world: World, found: sources.Found) -> None:
    for symptom in found.symptoms:
        alerting.report(tx, world, symptom)
    for end in found.ends:
        if end.cause:
            alerting.lift(tx, end)
        else:
            alerting.end(tx, world, (end.service, end.environment), end.rules)


def look_at_meters(tx: Transaction, world: World, places: list[tuple[Place, bool]]) -> None:
    """A place that serves and of which nothing is measured: nobody could see it fail there."""
    for place, was_missing in places:
        because = _unmeasured(world, place)
        if because:
            with tx() as open_tx:
                alerting.report(open_tx, world, _missing(place, because, open_tx.now))
        elif was_missing:
            with tx() as open_tx:
                where = (place.service, place.environment)
                alerting.end(open_tx, world, where, frozenset({MISSING}))


def places_to_ask(connection: sa.Connection) -> list[tuple[Place, bool]]:
    """Every place in which a release is in charge and nothing rolls out, and whether nothing was
    measured there when it was last looked at.
    """
    return [
        (p, any(s.rule == MISSING for s in alerts.signals(connection, p.service, p.environment)))
        for p in settled_places(connection)
    ]


def _unmeasured(world: World, place: Place) -> str:
    """Why nothing is measured there; empty if something is, also if nobody asked it anything."""
    try:
        seen = world.meter.read(place.service, place.environment)
    except (Failed, Unreachable) as error:
        return f"the proxy gives no counts: {error}"
    if seen is None:
        return "the proxy gives no counts"
    return "" if place.stable in seen.versions else f"the proxy counts nothing for {place.stable}"


def _missing(place: Place, because: str, now: float) -> Symptom:
    return Symptom(
        MISSING,
        place.service,
        place.environment,
        f"{place.stable} serves unmeasured: {because}",
        now,
        release=place.stable,
        cause="metrics",
    )
