"""From the deciding commit to the proxy's read-back, on real parts, idle and under load.

Each rollback is the flow's own steps on the durable engine with its journal in SQLite: a canary at
25 % is aborted, `decide` turns that into the move, `back_change` is committed, and `apply` routes
everybody back. Left out, because they come after the read-back: removing the candidate, and the two
seconds in which recovery is watched.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.figures import Result, Row, p50_p99, quantile, ratio, spread
from bench.replacements import find
from bench.rig import ENVIRONMENT, SERVICE, Flows, Rig, wait_200
from bench.wrk import Counted, load, told
from headway.flows import decide
from headway.flows.change import apply, order_for, ready, route
from headway.flows.commands import Word, say
from headway.flows.journal import Journal
from headway.flows.roll_back import back_change, rolled_back
from headway.flows.roll_out import begin, in_force, released, step_change
from headway.flows.trip import Trip
from headway.flows.world import World
from headway.model.delivery import Release
from headway.model.rollout import RollBack
from headway.model.routing import Backend, Endpoint, Routing
from headway.model.service import RolloutPolicy, StepPolicy
from headway.store import log, records
from headway.store.database import Tx

CONNECTIONS = 4
PATH = "/wait/5"
CANARY = RolloutPolicy(steps=(StepPolicy(0.25), StepPolicy(1.0)), holdback=0.0)


@dataclass(frozen=True, slots=True)
class Order:
    """Try this release and go back."""

    release: str
    delivery: str


def there_and_back(journal: Journal, world: World, order: Order) -> None:
    release = journal.commit("find release", find, order.release)
    trip = Trip(order.delivery, "", release, release.config.environment(ENVIRONMENT))
    begun = journal.commit("begin rollout", begin, trip)
    change = journal.commit("step 0", step_change, world, trip, begun, 0)
    applied = apply(journal, world, trip, change, "step 0")
    journal.commit("step 0 in force", in_force, trip, begun, 0, applied.routed.address)
    seen = journal.act("observe", decide.observe, world, trip)
    journal.commit("abort", abort, world, trip)
    turn = journal.commit("decide", decide.decide, trip, begun, seen)
    if not isinstance(turn.move, RollBack):
        raise TypeError(f"the move is {turn.move}")
    because = turn.move.because
    change = journal.commit("roll back", back_change, world, trip, begun, because)
    applied = apply(journal, world, trip, change, "roll back")
    journal.commit("rolled back", rolled_back, trip, begun, applied, because)


def abort(tx: Tx, world: World, trip: Trip) -> None:
    say(tx, world.outbox, trip.delivery, Word("abort", "ana", "bench", trip.environment.name))


def run(base: Path, count: int) -> Result:
    with Rig(base) as rig, rig.flows({"back": (there_and_back, Order)}) as flows:
        stable, candidate = rig.release(CANARY), rig.release(CANARY)
        address = _stand(rig, stable)
        _back(rig, flows, candidate, 3)
        idle = _back(rig, flows, candidate, count)
        with load(address + PATH, CONNECTIONS) as users:
            loaded = _back(rig, flows, candidate, count)
            counted = users.stop()
        return _result(idle, loaded, counted, rig.proxy_failures())


def _stand(rig: Rig, stable: Release) -> str:
    """The last known good in charge; gives its address."""
    trip = rig.trip(stable)
    with rig.headway.tx() as tx:
        begun = begin(tx, trip)
        place = records.place(tx.connection, SERVICE, ENVIRONMENT)
        records.put_place(tx, records.changed(place, generation=1))
    order = order_for(rig.world, stable, trip.environment, 1, 2)
    rig.start(order)
    points = tuple(Endpoint(i.host, i.port) for i in ready(rig.world, "local", order))
    backends = (Backend(stable.name, points),)
    applied = route(rig.world, Routing(SERVICE, ENVIRONMENT, 1, backends, {stable.name: 1.0}))
    with rig.headway.tx() as tx:
        released(tx, trip, begun, "bench", applied.routed.address)
    wait_200(applied.routed.address)
    return applied.routed.address


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds. `whole`: from the verdict's commit; `told`: as the event rollout.rolled_back
    says it, from the commit that decides the way back.
    """

    whole: list[float]
    told: list[float]


def _back(rig: Rig, flows: Flows, candidate: Release, count: int) -> Times:
    with rig.headway.reading() as connection:
        since = log.last_seq(connection)
    for _ in range(count):
        delivery = rig.delivery()
        flows.run("back", delivery, Order(candidate.name, delivery))
        time.sleep(0.02)
    with rig.headway.reading() as connection:
        events = log.after(connection, since, limit=1_000_000)
    at = {(e.kind, e.delivery): e for e in events}
    whole, said = [], []
    for (kind, delivery), event in at.items():
        if kind == "rollout.rolled_back":
            milliseconds = float(str(event.data["milliseconds"]))
            decided, failed = at["rollout.moved", delivery], at["rollout.failed", delivery]
            said.append(milliseconds)
            whole.append(1000 * (failed.at - decided.at) + milliseconds)
    if len(whole) != count:
        raise RuntimeError(f"{len(whole)} rollbacks in the log, not {count}")
    return Times(whole, said)


def _result(idle: Times, loaded: Times, counted: Counted, proxy: dict[str, int]) -> Result:
    slower = ratio(quantile(loaded.whole, 0.5), quantile(idle.whole, 0.5))
    rows = (
        Row(
            "verdict to read-back p50 / p99, idle", p50_p99(idle.whole), f"{len(idle.whole)} times"
        ),
        Row("the same under load", p50_p99(loaded.whole), f"{slower} of idle at p50"),
        Row("as the event says, under load", p50_p99(loaded.told), "from the way back's commit"),
        told([counted]),
    )
    figures = {
        "rollbacks": len(idle.whole) + len(loaded.whole),
        "idle_ms": spread(idle.whole),
        "loaded_ms": spread(loaded.whole),
        "idle_event_ms": spread(idle.told),
        "loaded_event_ms": spread(loaded.told),
        "p50_ratio": slower,
        "client": asdict(counted),
        "proxy_failures": proxy,
    }
    lost = f"{counted.failed} requests failed: {counted.failures}, the proxy counted {proxy}"
    return Result(rows, figures, (lost,) if counted.failed else ())
