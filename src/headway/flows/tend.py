"""Keeps what was promised: a place whose instances or routing are not as released is made so again.

`astray` looks, from a thread of the server; `tend` is the durable flow that mends. It touches only
places in which nothing is rolling out; in the others the rollout itself mends the routing
(flows/roll_out.py), and `look` sees to it that proxy and shims live.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.flows import shadow
from headway.flows.change import Change, apply, next_generation, order_for, remove
from headway.flows.enter import release_place
from headway.flows.journal import Journal
from headway.flows.trip import Trip
from headway.flows.world import World
from headway.model.delivery import Place
from headway.model.errors import HeadwayError
from headway.model.event import Fact
from headway.store import records
from headway.store.database import Tx
from headway.store.log import append
from headway.store.tables import places


@dataclass(frozen=True, slots=True)
class TendOrder:
    """Mend this place, if it still stands at this generation."""

    id: str
    service: str
    environment: str
    generation: int
    because: str


@dataclass(frozen=True, slots=True)
class Mending:
    """What shall be again."""

    trip: Trip
    change: Change


def tend(journal: Journal, world: World, order: TendOrder) -> None:
    """One mending. A failure is a fact in the log; the next look tries again."""
    mending = journal.commit("take", take, world, order)
    if mending is None:
        return
    try:
        apply(journal, world, mending.trip, mending.change, "tend")
        generation = mending.change.generation
        journal.act("nothing beside", shadow.quiet, world, mending.trip, generation)
        for release in journal.act("strays", strays, world, mending):
            journal.act(f"remove {release}", remove, world, mending.change, release, mending.trip)
    except HeadwayError as error:
        journal.commit("not mended", told, mending, order, "place.astray", str(error))
    else:
        journal.commit("mended", told, mending, order, "place.mended", order.because)


def take(tx: Tx, world: World, order: TendOrder) -> Mending | None:
    """The place is taken for the mending, unless somebody was quicker."""
    place = records.place(tx.connection, order.service, order.environment)
    if place.holder or place.generation != order.generation or not place.stable:
        return None
    release = records.release(tx.connection, place.stable)
    environment = release.config.environment(order.environment)
    repo = records.delivery(tx.connection, release.delivery).repo
    trip = Trip(order.id, repo, release, environment)
    records.put_place(tx, records.changed(place, holder=order.id))
    generation = next_generation(tx, trip)
    wanted = order_for(world, release, environment, generation, environment.run.instances)
    change = Change(
        generation, "", environment.target, {release.name: 1.0}, None, wanted, restore=True
    )
    return Mending(trip, change)


def strays(world: World, mending: Mending) -> tuple[str, ...]:
    """Releases whose instances a cut-off journey left behind."""
    trip = mending.trip
    target = world.targets[mending.change.target]
    seen = target.observe(trip.release.service, trip.environment.name)
    return tuple(sorted({i.release for i in seen} - {trip.release.name}))


def told(tx: Tx, mending: Mending, order: TendOrder, kind: str, because: str) -> None:
    """What came of it; the place is free again."""
    data: dict[str, object] = {"because": because, "generation": mending.change.generation}
    append(tx, mending.trip.about, Fact(kind, order.id, 0, data))
    release_place(tx, mending.trip)


def settled_places(connection: sa.Connection) -> list[Place]:
    """Places with a release in charge and nothing rolling out."""
    query = sa.select(places).where(places.c.stable != "", places.c.holder == "")
    return [Place(**r._mapping) for r in connection.execute(query)]


def held_places(connection: sa.Connection) -> list[Place]:
    """Places in which something is rolling out or being mended."""
    query = sa.select(places).where(places.c.holder != "")
    return [Place(**r._mapping) for r in connection.execute(query)]


def look(world: World, place: Place) -> None:
    """Target and router start what died of what they were last told, by being asked: a rollout
    that waits for hours must not wait for a dead proxy.
    """
    for target in world.targets.values():
        target.observe(place.service, place.environment)
    world.router.observe(place.service, place.environment)


def astray(world: World, place: Place, target: str, instances: int) -> str:
    """Why the place needs mending; empty if all is as released."""
    seen = world.targets[target].observe(place.service, place.environment)
    mine = [i for i in seen if i.release == place.stable]
    if len(mine) < instances:
        return f"{len(mine)} of {instances} instances of {place.stable} are there"
    if len(mine) < len(seen):
        return f"instances of {sorted({i.release for i in seen} - {place.stable})} were left behind"
    routed = world.router.observe(place.service, place.environment)
    if routed is None:
        return "the proxy does not know the service"
    if routed.shares != {place.stable: 1.0}:
        return f"the proxy sends traffic to {sorted(routed.shares)}"
    known = {(e.host, e.port) for e in routed.endpoints.get(place.stable, ()) if not e.draining}
    ready = {(i.host, i.port) for i in mine if i.phase == "ready"}
    if ready - known:
        return "an instance of the release is at an address that the proxy does not know"
    return ""


def order_tending(tx: Tx, world: World, place: Place, because: str) -> None:
    """Start the mending, once per generation of the place."""
    id = f"tend-{place.service}-{place.environment}-{place.generation}"
    order = TendOrder(id, place.service, place.environment, place.generation, because)
    world.outbox.start(tx, "tend", id, order)
