"""Stop the line: one act that holds every rollout it covers, and starts it again.

A stop is a record and an event in one transaction; it wakes whoever it concerns. It is asked again
wherever something would move: at the door (flows/enter), in every turn of a rollout (flows/decide),
and right before instances start or users move (flows/change), so that a stop that comes while
something is under way, or while the engine is down, is in force all the same. The way back is never
asked. Called by the command line, the API and upkeep.
"""

import sqlalchemy as sa

from headway.flows.journal import Outbox
from headway.flows.trip import Begun, Trip
from headway.model.delivery import Delivery
from headway.model.errors import Invalid, Refused
from headway.model.event import Fact
from headway.model.line import Scope, Stop, Where, because, covers, first, scope_words
from headway.model.rollout import Rollout
from headway.record import dataclass
from headway.rollout import machine
from headway.store import decisions, records
from headway.store import line as kept
from headway.store.database import Tx
from headway.store.line import Again
from headway.store.log import About, append
from headway.store.tables import deliveries, places, releases

CODE = "line-stopped"
TIERS = ("development", "staging", "production")


@dataclass(frozen=True, slots=True)
class Said:
    """Who stops or starts the line, and why. `seconds`: the stop ends by itself after so long; 0:
    somebody has to start the line.
    """

    by: str
    reason: str
    seconds: float = 0.0


def stop(tx: Tx, outbox: Outbox, scope: Scope, said: Said) -> Stop:
    """Nothing that the scope covers moves from now on.

    Stopped already: the first one's name, reason and time stay, this one is told beside them, and
    it lasts as long as either wants. Raises Invalid (`unknown-name`, `no-reason`).
    """
    _check(tx.connection, scope, said)
    lapse(tx)
    until = tx.now + said.seconds if said.seconds else 0.0
    known = kept.of(tx.connection, scope)
    number = 0
    if known is None:
        known = kept.add(tx, scope, said.by, said.reason, until)
    else:
        until = max(until, known.until) if until and known.until else 0.0
        number = kept.repeat(tx, known, Again(said.by, said.reason, tx.now), until)
    found = kept.of(tx.connection, scope)
    assert found is not None
    data = {**_data(found, said), "until": found.until, "again": number > 0}
    append(tx, _about(scope), Fact("line.stopped", found.id, number, data))
    _wake(tx, outbox, scope)
    return found


def start(tx: Tx, outbox: Outbox, scope: Scope, said: Said) -> Stop | None:
    """What this very scope stopped goes on where it was; None: it was not stopped, nothing changed.

    Raises Invalid (`unknown-name`, `no-reason`).
    """
    _check(tx.connection, scope, said)
    lapse(tx)
    known = kept.of(tx.connection, scope)
    if known is None:
        return None
    _end(tx, known, said)
    _wake(tx, outbox, scope)
    return known


def lapse(tx: Tx) -> tuple[Stop, ...]:
    """End what should end by itself by now: before anybody goes on, the log says so."""
    return _lapse(tx, kept.in_force(tx.connection))


def _lapse(tx: Tx, stops: tuple[Stop, ...]) -> tuple[Stop, ...]:
    over = tuple(s for s in stops if s.until and s.until <= tx.now)
    for one in over:
        _end(tx, one, Said("", "its time has passed"))
    return over


def lapse_and_wake(tx: Tx, outbox: Outbox) -> None:
    """The same, and whoever stood goes on at once. Called by upkeep."""
    for one in lapse(tx):
        _wake(tx, outbox, one.scope)


def is_due(connection: sa.Connection, now: float) -> bool:
    """Whether a stop should end by itself by now."""
    return any(s.until and s.until <= now for s in kept.in_force(connection))


def current(tx: Tx, where: Where) -> Stop | None:
    """Who stopped the line there; None: it runs."""
    stops = kept.in_force(tx.connection)
    over = _lapse(tx, stops)
    return first((s for s in stops if s not in over), where)


def of_job(connection: sa.Connection, repo: str, environment: str) -> str:
    """Why a job of a pipeline may not change the environment now; empty while the line runs. A stop
    that names a service holds the jobs of the repository that it was delivered from.
    """
    stops = kept.in_force(connection)
    if not stops:
        return ""
    query = sa.select(deliveries.c.service).distinct().where(deliveries.c.repo == repo)
    services = tuple(connection.execute(query.order_by(deliveries.c.service)).scalars()) or ("",)
    for one in stops:
        same = one.scope.environment.casefold() == environment.casefold()
        name = one.scope.environment if same else environment
        if any(covers(one.scope, Where(s, name, _tier(connection, s, name))) for s in services):
            return because(one)
    return ""


def _tier(connection: sa.Connection, service: str, environment: str) -> str:
    """As the newest release says; what nobody knows counts as production."""
    query = sa.select(releases.c.name).where(releases.c.service == service)
    name = connection.execute(query.order_by(releases.c.number.desc()).limit(1)).scalar()
    known = records.release(connection, name).config.environments if name else ()
    return next((e.tier for e in known if e.name == environment), "production")


def at(trip: Trip) -> Where:
    """Where a trip goes."""
    return Where(trip.release.service, trip.environment.name, trip.environment.tier)


def is_way_back(connection: sa.Connection, trip: Trip) -> bool:
    """Back to what was released there before: a stopped line never keeps anybody from that."""
    return trip.back and trip.release.name in decisions.released_here(
        connection, trip.release.service, trip.environment.name
    )


def hear(tx: Tx, trip: Trip, begun: Begun, state: Rollout) -> Rollout:
    """The rollout stands while the line is stopped there; that it does, and goes on, is told."""
    found = None if begun.way_back else current(tx, at(trip))
    after = machine.stopped(state, because(found) if found else "", tx.now)
    if bool(after.stopped) != bool(state.stopped):
        kind = "rollout.halted" if after.stopped else "rollout.continued"
        number = decisions.count(tx.connection, begun.rollout, kind)
        stood = 0.0 if after.stopped else tx.now - state.halted
        data: dict[str, object] = {
            "because": after.stopped or state.stopped,
            "step": state.at,
            "seconds": round(stood, 3),
        }
        append(tx, trip.about, Fact(kind, begun.rollout, number, data))
    return after


def refuse(stop: Stop | None, what: str) -> None:
    """Raises Refused (`line-stopped`) if the line is stopped."""
    if stop is not None:
        raise Refused(what, why=because(stop), next="headway line status", code=CODE)


def refuse_promotion(tx: Tx, known: Delivery, environment: str) -> None:
    """A person cannot push a rollout on past a stopped line. Raises Refused (`line-stopped`)."""
    name = environment or known.environment
    tier = ""
    if known.release:
        config = records.release(tx.connection, known.release).config
        tier = next((e.tier for e in config.environments if e.name == name), "")
    found = current(tx, Where(known.service, name, tier))
    refuse(found, f"{known.release or known.service} is not promoted in {name}")


def _end(tx: Tx, known: Stop, said: Said) -> None:
    kept.end(tx, known.id, said.by, said.reason)
    data = {**_data(known, said), "seconds": round(tx.now - known.since, 3)}
    append(tx, _about(known.scope), Fact("line.started", known.id, 0, data))


def _data(known: Stop, said: Said) -> dict[str, object]:
    return {
        "scope": scope_words(known.scope),
        "service": known.scope.service,
        "environment": known.scope.environment,
        "tier": known.scope.tier,
        "by": said.by,
        "reason": said.reason,
        "because": because(known),
    }


def _about(scope: Scope) -> About:
    return About("", scope.service, scope.environment)


def _wake(tx: Tx, outbox: Outbox, scope: Scope) -> None:
    """Whoever may be concerned; who is not, asks once more and waits again."""
    query = sa.select(deliveries.c.id).where(deliveries.c.state != "done")
    if scope.service:
        query = query.where(deliveries.c.service == scope.service)
    for id in tx.connection.execute(query.order_by(deliveries.c.id)).scalars().all():
        outbox.wake(tx, id)


def _check(connection: sa.Connection, scope: Scope, said: Said) -> None:
    """A stop that misses what it was meant for would be worse than an error."""
    if not said.reason.strip():
        raise Invalid("a stop and a start of the line need a reason", code="no-reason")
    if scope.tier and scope.tier not in TIERS:
        raise _unknown("tier", scope.tier, TIERS)
    if scope.service:
        query = sa.select(deliveries.c.service).distinct().order_by(deliveries.c.service)
        known = tuple(connection.execute(query).scalars())
        if scope.service not in known:
            raise _unknown("service", scope.service, known)
    if scope.environment:
        names = _environments(connection, scope.service)
        if scope.environment not in names:
            raise _unknown("environment", scope.environment, names)


def _environments(connection: sa.Connection, service: str) -> tuple[str, ...]:
    """Every environment that something runs in, or that a newest release knows."""
    newest = sa.select(releases.c.name, releases.c.service).order_by(releases.c.number)
    here = sa.select(places.c.environment, places.c.service)
    latest = {r.service: r.name for r in connection.execute(newest)}
    found = {r.environment for r in connection.execute(here) if service in {"", r.service}}
    for name in (n for s, n in latest.items() if service in {"", s}):
        found |= {e.name for e in records.release(connection, name).config.environments}
    return tuple(sorted(found))


def _unknown(noun: str, name: str, known: tuple[str, ...]) -> Invalid:
    return Invalid(
        f"there is no {noun} `{name[:80]}`; nothing was changed",
        why=f"known: {', '.join(known[:20]) or 'none yet'}",
        next="headway status",
        code="unknown-name",
    )
