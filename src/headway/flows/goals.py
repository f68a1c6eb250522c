"""The rounds that keep SLOs: count, evaluate, tell, pause. Started by wiring, every ten seconds.

`look` asks proxy and metric sources, outside of any transaction; `take` records what came of it and
judges it, in one. The reading that a growth is counted from is written together with the growth, so
that nothing is counted twice, whoever is killed when.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import sqlalchemy as sa

from headway.flows import burning, counters, eating
from headway.flows.counters import Counted
from headway.flows.world import World
from headway.model.delivery import Place
from headway.model.errors import HeadwayError
from headway.model.service import Environment, Slo
from headway.model.window import Snapshot
from headway.slo.routes import is_below
from headway.slo.tally import Tally, grown, remembered, spread
from headway.store import records, slis
from headway.store.database import Tx
from headway.store.slis import Goal, Reading
from headway.store.tables import places, releases


@dataclass(frozen=True, slots=True)
class Watched:
    """A place whose SLOs are kept, as the service's newest release describes them."""

    place: Place
    environment: Environment
    slos: tuple[Slo, ...]

    def goal(self, slo: Slo) -> Goal:
        """Where its numbers are kept."""
        return Goal(self.place.service, self.place.environment, slo.name)


@dataclass(frozen=True, slots=True)
class Looked:
    """What was read now: the proxy's counters (None: no answer), and by SLO those of sources."""

    snapshot: Snapshot | None
    counted: dict[str, Counted]


def watched(connection: sa.Connection) -> list[Watched]:
    """Every place that serves and whose SLOs anybody wants: production, and where a gate asks."""
    found = []
    newest = sa.select(releases.c.service, sa.func.max(releases.c.number)).group_by(
        releases.c.service
    )
    for service, number in connection.execute(newest).all():
        slos, wanted = _wanted(connection, service, number)
        query = sa.select(places).where(places.c.service == service)
        for row in connection.execute(query):
            place = Place(**row._mapping)
            if slos and place.environment in wanted and (place.stable or place.candidate):
                found.append(Watched(place, wanted[place.environment], slos))
    return found


def _wanted(
    connection: sa.Connection, service: str, number: int
) -> tuple[tuple[Slo, ...], dict[str, Environment]]:
    query = sa.select(releases.c.name).where(
        releases.c.service == service, releases.c.number == number
    )
    config = records.release(connection, connection.execute(query).scalar_one()).config
    return config.slos, {e.name: e for e in config.environments if _is_wanted(e)}


def _is_wanted(environment: Environment) -> bool:
    gates = (environment.error_budget, environment.slo, environment.burn_rate)
    return environment.tier == "production" or any(gate is not None for gate in gates)


def look(world: World, connection: sa.Connection, one: Watched) -> Looked:
    """Read everything that the place's SLOs are counted from."""
    snapshot = None
    if any(not s.source for s in one.slos):
        snapshot = world.meter.read(one.place.service, one.place.environment)
    now, counted = world.clock.now(), {}
    for slo in one.slos:
        if slo.source:
            since = slis.reading(connection, one.goal(slo)).until
            counted[slo.name] = _counted(world, slo, since, now)
    return Looked(snapshot, counted)


def _counted(world: World, slo: Slo, since: float, now: float) -> Counted:
    try:
        source = world.sources(slo.source)
    except HeadwayError as error:
        return Counted(since, {}, str(error))
    return counters.count(source, slo, since, now)


def take(tx: Tx, world: World, one: Watched, seen: Looked) -> None:
    """Record what was counted, tell what burns, and pause a rollout that eats too much."""
    running = eating.running(tx, one.place)
    for slo in one.slos:
        goal = one.goal(slo)
        before = _of_this_definition(tx, goal, slo)
        if running:
            before = eating.based(tx, running, (slo, goal), before)
        reading = _record(tx, goal, slo, before, seen)
        if not reading.problem:
            reading = burning.tell(tx, world, one.place, (slo, goal), reading)
        slis.put_reading(tx, goal, reading)
    _end_others(tx, world, one)
    if running and one.environment.error_budget is not None:
        pairs = [(slo, one.goal(slo)) for slo in one.slos]
        eating.weigh(tx, world, running, pairs, one.environment.error_budget)


def _end_others(tx: Tx, world: World, one: Watched) -> None:
    """SLOs that are no longer written burn no longer; their numbers stay until they are old."""
    kept = {one.goal(slo) for slo in one.slos}
    here = (one.place.service, one.place.environment)
    for goal in slis.goals(tx.connection):
        if (goal.service, goal.environment) == here and goal not in kept:
            known = slis.reading(tx.connection, goal)
            if known.firing:
                slis.put_reading(tx, goal, burning.calm(tx, world, goal, known))


def _of_this_definition(tx: Tx, goal: Goal, slo: Slo) -> Reading:
    """The last reading. An SLO that now counts something else begins anew: its old numbers would
    be about another thing.
    """
    known = slis.reading(tx.connection, goal)
    counts = (slo.sli, slo.under_seconds, slo.route, slo.source, slo.bad, slo.good, slo.total)
    definition = repr(counts)
    if known.definition == definition:
        return known
    if known.definition:
        slis.forget(tx, goal)
    return Reading(definition=definition)


def _record(tx: Tx, goal: Goal, slo: Slo, before: Reading, seen: Looked) -> Reading:
    if slo.source:
        return _record_counted(tx, goal, before, seen.counted.get(slo.name))
    after = seen.snapshot
    if after is None:
        return replace(before, problem="the proxy does not answer")
    problem = ""
    if slo.route is not None and slo.route not in after.routes:
        problem = f"the routing in force does not count {slo.route} by itself"
    if before.snapshot is None:
        return replace(before, snapshot=_light(after, slo), at=after.at, problem=problem)
    if after.at <= before.snapshot.at:
        return before
    if problem:
        light = _light(remembered(before.snapshot, after), slo)
        return replace(before, snapshot=light, problem=problem)
    found = grown(before.snapshot, after, slo)
    for release, tally in found.items():
        slis.add(tx, goal, release, spread(before.snapshot.at, after.at, tally))
    known = replace(before, snapshot=_light(remembered(before.snapshot, after), slo), problem="")
    return _risen(known, found.values(), after.at)


def _record_counted(tx: Tx, goal: Goal, before: Reading, seen: Counted | None) -> Reading:
    if seen is None or seen.until < before.until:
        return before
    if seen.problem:
        return replace(before, until=before.until or seen.until, problem=seen.problem)
    for release, buckets in seen.tallies.items():
        slis.add(tx, goal, release, buckets)
    tallies = [b.tally for buckets in seen.tallies.values() for b in buckets]
    return _risen(replace(before, until=seen.until, problem=""), tallies, seen.until)


def _risen(known: Reading, tallies: Iterable[Tally], at: float) -> Reading:
    more = Tally()
    for tally in tallies:
        more = more.plus(tally)
    return replace(known, bad=known.bad + more.bad, total=known.total + more.total, at=at)


def _light(snapshot: Snapshot, slo: Slo) -> Snapshot:
    """Only what the SLO asks for: the routes at and below its own, or the releases as a whole."""
    if slo.route is not None:
        kept = {r: c for r, c in snapshot.routes.items() if is_below(r, slo.route)}
        return replace(snapshot, versions={}, routes=kept)
    versions = {r: replace(v, instances={}) for r, v in snapshot.versions.items()}
    return replace(snapshot, versions=versions, routes={})
