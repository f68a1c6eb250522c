"""One change to an environment: instances up, routing set and read back, instances down.

Called by flows/roll_out.py and flows/roll_back.py for every strategy. Each change carries a
generation of its own; what was computed from the world (endpoints) is a step's result, so that a
replay tells the world the very same thing.
"""

from dataclasses import dataclass, replace

from headway.flows import line
from headway.flows.build import content_folder
from headway.flows.journal import Journal
from headway.flows.trip import Trip
from headway.flows.world import World
from headway.model.delivery import Release
from headway.model.deployment import DeployOrder, InstanceState
from headway.model.errors import Failed
from headway.model.line import Stop, Where
from headway.model.routing import Backend, Endpoint, Mirror, Routed, Routing
from headway.model.service import Environment, Traffic
from headway.ports.shadow_differ import Comparison
from headway.slo.routes import measured
from headway.store import records
from headway.store.database import Tx

DRAIN_LEAST_SECONDS = 0.7
DRAIN_MOST_SECONDS = 10.0
POLL_SECONDS = 0.1
ROUTE_TIMES = 20
ROUNDING = 0.001  # of a share; proxies have whole weights


@dataclass(frozen=True, slots=True)
class Change:
    """What shall be. `shares` of 0 keep a side reachable for testers only; an order of None means
    that there is no such side. `restore`: the stable side must come back up first. `traffic`: the
    way in, where it is not the candidate's. `mirror`: share of requests copied to the candidate,
    whose answers may differ from stable's in the JSON fields `ignore`. `onward`: the change moves a
    rollout on there, which nothing does while the line is stopped.
    """

    generation: int
    rollout: str
    target: str
    shares: dict[str, float]
    candidate: DeployOrder | None
    stable: DeployOrder | None
    restore: bool = False
    traffic: Traffic | None = None
    mirror: float = 0.0
    ignore: tuple[str, ...] = ()
    onward: Where | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """Read back from the proxy at Unix time `at`."""

    routed: Routed
    at: float


def apply(journal: Journal, world: World, trip: Trip, change: Change, label: str) -> Applied:
    """Make the change true, in an order in which no request is lost. Raises Failed (`not-ready`),
    Refused (the proxy said no; `line-stopped`).
    """
    grows = change.stable if change.restore else change.candidate
    if grows is not None and grows.instances > 0:
        journal.act(f"{label}: start {grows.release}", begin, world, change, grows)
        journal.act(f"{label}: {grows.release} ready", ready, world, change.target, grows)
    applied = to_routes(journal, world, trip, change, label)
    if change.stable is not None:
        left = journal.act(f"{label}: left over", left_over, world, change)
        if left:
            journal.act(f"{label}: drain", drain, world, change, left)
    return applied


def to_routes(journal: Journal, world: World, trip: Trip, change: Change, label: str) -> Applied:
    """The instances where they are now, and the change's shares among them."""
    routing = journal.act(f"{label}: endpoints", endpoints, world, trip, change)
    if routing.mirror is not None:
        routing = journal.act(f"{label}: compare", compare, world, routing, change.ignore)
    return journal.act(f"{label}: route", switch, world, change, routing)


def compare(world: World, routing: Routing, ignore: tuple[str, ...]) -> Routing:
    """Start comparing answers; gives the routing that sends copies to who compares."""
    mirror = routing.mirror
    assert mirror is not None
    (stable,) = routing.shares
    points = {b.release: tuple(e for e in b.endpoints if not e.draining) for b in routing.backends}
    order = Comparison(
        service=routing.service,
        environment=routing.environment,
        generation=routing.generation,
        candidate=mirror.release,
        stable=stable,
        candidate_endpoints=points[mirror.release],
        stable_endpoints=points[stable],
        ignore=ignore,
    )
    return replace(routing, mirror=replace(mirror, watch=world.differ.watch(order)))


def begin(world: World, change: Change, order: DeployOrder) -> tuple[InstanceState, ...]:
    """Unpack the verified artifact and declare the instances. Raises Refused (`line-stopped`)."""
    line.refuse(_stopped(world, change), f"{order.release} does not start")
    world.artifacts.unpack(order.digest, order.content)
    return world.targets[change.target].deploy(order)


def _stopped(world: World, change: Change) -> Stop | None:
    """Asked right before the world is touched: whatever was decided may be long ago by then."""
    if change.onward is None:
        return None
    with world.tx() as tx:
        return line.current(tx, change.onward)


def ready(world: World, target: str, order: DeployOrder) -> tuple[InstanceState, ...]:
    """Wait until every wanted instance is ready. Raises Failed (`not-ready`, `crash-loop`)."""
    deadline = world.clock.now() + order.health.ready_within_seconds
    while True:
        seen = _of(world, target, order)
        if sum(i.phase == "ready" for i in seen) >= order.instances:
            return seen
        looping = [i for i in seen if i.phase == "crash_loop"]
        if looping or world.clock.now() >= deadline:
            raise _unready(world, target, order, seen)
        world.clock.sleep(POLL_SECONDS)


def _of(world: World, target: str, order: DeployOrder) -> tuple[InstanceState, ...]:
    seen = world.targets[target].observe(order.service, order.environment)
    return tuple(i for i in seen if i.release == order.release)


def _unready(
    world: World, target: str, order: DeployOrder, seen: tuple[InstanceState, ...]
) -> Failed:
    bad = next((i for i in seen if i.phase != "ready"), None)
    looping = bad is not None and bad.phase == "crash_loop"
    what = f"{order.release} did not get ready in {order.environment}"
    if looping:
        what = f"{order.release} keeps dying in {order.environment}"
    within = f"within {order.health.ready_within_seconds:g} s"
    why = f"{sum(i.phase == 'ready' for i in seen)} of {order.instances} instances ready {within}"
    if bad is not None:
        why += f"; {bad.id} is {bad.phase}, last exit {bad.exit_status}"
        tail = world.targets[target].logs(order.service, order.environment, bad.id, 5)
        why += f": {tail}" if tail else ""
    command = f"headway logs {order.service} --env {order.environment}"
    return Failed(what, why=why, next=command, code="crash-loop" if looping else "not-ready")


def endpoints(world: World, trip: Trip, change: Change) -> Routing:
    """The routing for this change, from the instances that are ready now. A side that is leaving
    stays in it, draining: only so can the proxy tell when its last request is answered.
    """
    seen = world.targets[change.target].observe(trip.release.service, trip.environment.name)
    backends = []
    for order in (change.stable, change.candidate):
        if order is None:
            continue
        mine = sorted((i for i in seen if i.release == order.release), key=lambda i: i.id)
        serving = [i for i in mine if i.phase == "ready"][: order.instances]
        if (_share(change, order.release) or _mirrored(change, order.release)) and not serving:
            raise Failed(
                f"{order.release} has no ready instance in {order.environment}",
                next=f"headway logs {order.service} --env {order.environment}",
                code="not-ready",
            )
        points = [Endpoint(i.host, i.port, draining=i not in serving) for i in mine if i.port]
        if points:
            backends.append(Backend(order.release, tuple(points)))
    return _routing(trip, change, tuple(backends))


def _share(change: Change, release: str) -> float:
    return change.shares.get(release, 0.0)


def _mirrored(change: Change, release: str) -> bool:
    return (
        change.mirror > 0 and change.candidate is not None and change.candidate.release == release
    )


def _routing(trip: Trip, change: Change, backends: tuple[Backend, ...]) -> Routing:
    traffic = change.traffic or trip.environment.traffic
    return Routing(
        service=trip.release.service,
        environment=trip.environment.name,
        generation=change.generation,
        backends=backends,
        shares={r: s for r, s in change.shares.items() if s > 0},
        rollout=change.rollout,
        host=traffic.host,
        port=traffic.port,
        sticky_header=traffic.sticky_header,
        sticky_cookie=traffic.sticky_cookie,
        tester_header=traffic.tester_header,
        mirror=Mirror(trip.release.name, change.mirror) if change.mirror else None,
        routes=measured(trip.release.config.slos),
    )


def switch(world: World, change: Change, routing: Routing) -> Applied:
    """The routing change, unless the line was stopped before it took hold. Raises Failed
    (`not-in-force`), Refused (`line-stopped`).
    """
    stop = _stopped(world, change)
    if stop is not None:
        seen = world.router.observe(routing.service, routing.environment)
        if seen is not None and _in_force(routing, seen):
            return Applied(seen, world.clock.now())
    line.refuse(stop, f"{routing.service} in {routing.environment} keeps its routing")
    return route(world, routing)


def route(world: World, routing: Routing) -> Applied:
    """One routing change; what the router then says is in force must be what it was told, whatever
    it answered at first. Raises Failed (`not-in-force`).
    """
    for _ in range(ROUTE_TIMES):
        routed = world.router.set(routing)
        if _in_force(routing, routed):
            return Applied(routed, world.clock.now())
        world.clock.sleep(POLL_SECONDS)
    raise Failed(
        f"the routing of {routing.service} in {routing.environment} did not take hold",
        why=f"wanted {_told(routing.shares)}, in force is {_told(routed.shares)}",
        next=f"headway rollout show {routing.service}/{routing.environment}",
        code="not-in-force",
    )


def _in_force(wanted: Routing, seen: Routed) -> bool:
    releases = wanted.shares.keys() | seen.shares.keys()
    near = (abs(wanted.shares.get(r, 0.0) - seen.shares.get(r, 0.0)) <= ROUNDING for r in releases)
    return seen.generation == wanted.generation and all(near)


def _told(shares: dict[str, float]) -> str:
    return ", ".join(f"{r} {100 * s:g} %" for r, s in sorted(shares.items()) if s) or "nothing"


def left_over(world: World, change: Change) -> tuple[InstanceState, ...]:
    """The stable instances to stop now. A result of its own: half of them may be gone when the
    stopping is done again, and a generation has one content.
    """
    order = change.stable
    assert order is not None
    mine = sorted(_of(world, change.target, order), key=lambda i: i.id)
    alive = [i for i in mine if i.phase == "ready"]
    return tuple((alive + [i for i in mine if i not in alive])[order.instances :])


def drain(
    world: World, change: Change, left: tuple[InstanceState, ...]
) -> tuple[InstanceState, ...]:
    """Stop what is no longer routed to, once it has answered what it was asked."""
    order = change.stable
    assert order is not None
    let_finish(world, order.service, order.environment, left)
    return world.targets[change.target].deploy(replace(order, stop=tuple(i.id for i in left)))


def let_finish(
    world: World, service: str, environment: str, victims: tuple[InstanceState, ...]
) -> None:
    """Wait for the requests in flight: at least 0.7 s for the proxy's own hand-over, at most 10."""
    world.clock.sleep(DRAIN_LEAST_SECONDS)
    deadline = world.clock.now() + DRAIN_MOST_SECONDS
    points = [Endpoint(v.host, v.port) for v in victims]
    while world.clock.now() < deadline:
        if not any(world.router.in_flight(service, environment, p) for p in points):
            return
        world.clock.sleep(POLL_SECONDS)


def remove(world: World, change: Change, release: str, trip: Trip) -> None:
    """Drain and stop every instance of a release, and forget it."""
    seen = world.targets[change.target].observe(trip.release.service, trip.environment.name)
    victims = tuple(i for i in seen if i.release == release)
    if victims:
        let_finish(world, trip.release.service, trip.environment.name, victims)
    world.targets[change.target].remove(
        trip.release.service, trip.environment.name, release, change.generation
    )


def next_generation(tx: Tx, trip: Trip) -> int:
    """Every change that is told to the world has its own number."""
    place = records.place(tx.connection, trip.release.service, trip.environment.name)
    records.put_place(tx, records.changed(place, generation=place.generation + 1))
    return place.generation + 1


def order_for(
    world: World, release: Release, environment: Environment, generation: int, instances: int
) -> DeployOrder:
    """What the target is told about one side. Each side runs with its own release's settings."""
    own = next((e for e in release.config.environments if e.name == environment.name), environment)
    return DeployOrder(
        service=release.service,
        environment=environment.name,
        release=release.name,
        digest=release.digest,
        generation=generation,
        instances=instances,
        content=str(content_folder(world.home, release.digest)),
        run=own.run,
        health=own.health,
        env=own.env,
        commit=release.sha,
    )
