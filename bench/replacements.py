"""50 rolling replacements of a service of 2 instances under load; no request may fail.

Each is the real `roll_out` flow with the strategy `rolling` (one more, none fewer), on the durable
engine with its journal in SQLite, real artifacts, local target and Envoy. Only what comes before a
rollout (build, gates) is left out. The seconds are the event log's: rollout.started to
release.released.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.figures import Result, Row, p50_p99, spread
from bench.rig import ENVIRONMENT, SERVICE, Flows, Rig, wait_200
from bench.wrk import Counted, load, told
from headway.flows.change import DRAIN_LEAST_SECONDS
from headway.flows.journal import Journal
from headway.flows.roll_out import roll_out
from headway.flows.trip import Trip
from headway.flows.world import World
from headway.model.delivery import Release
from headway.model.service import RolloutPolicy
from headway.store import log, records
from headway.store.database import Tx

CONNECTIONS = 8
PATH = "/wait/5"
ROLLING = RolloutPolicy(strategy="rolling", stability_seconds=0.0)
LONGEST_SECONDS = 290.0
DRAINS = 2  # of two old instances, one after the other


@dataclass(frozen=True, slots=True)
class Order:
    """Replace whatever serves by this release."""

    release: str


def replacement(journal: Journal, world: World, order: Order) -> None:
    release = journal.commit("find release", find, order.release)
    environment = release.config.environment(ENVIRONMENT)
    roll_out(journal, world, Trip(release.delivery, "", release, environment))


def find(tx: Tx, name: str) -> Release:
    return records.release(tx.connection, name)


def run(base: Path, count: int) -> Result:
    with Rig(base) as rig, rig.flows({"replace": (replacement, Order)}) as flows:
        _replace(rig, flows, 1)
        routed = rig.world.router.observe(SERVICE, ENVIRONMENT)
        assert routed is not None
        wait_200(routed.address)
        with load(routed.address + PATH, CONNECTIONS) as users:
            time.sleep(0.5)
            last, done = _replace(rig, flows, count)
            time.sleep(0.5)
            counted = users.stop()
        short = (f"only {done} of {count} in {LONGEST_SECONDS:g} s",) if done < count else ()
        wrong = _wrong(rig, last) + short
        return _result(_seconds(rig)[1:], counted, rig.proxy_failures(), wrong)


def _replace(rig: Rig, flows: Flows, count: int) -> tuple[str, int]:
    """Gives the last release and how many there were: a slow machine ends it early."""
    deadline, done = time.monotonic() + LONGEST_SECONDS, 0
    while done < count and time.monotonic() < deadline:
        release = rig.release(ROLLING)
        flows.run("replace", release.delivery, Order(release.name))
        done += 1
    return release.name, done


def _wrong(rig: Rig, last: str) -> tuple[str, ...]:
    """What is not as it must be in the end."""
    routed = rig.world.router.observe(SERVICE, ENVIRONMENT)
    shares = routed and routed.shares
    ready = [
        i.release
        for i in rig.world.targets["local"].observe(SERVICE, ENVIRONMENT)
        if i.phase == "ready"
    ]
    if shares == {last: 1.0} and ready == [last, last]:
        return ()
    return (f"in the end there are {shares} and {ready}, not two of {last}",)


def _seconds(rig: Rig) -> list[float]:
    with rig.headway.reading() as connection:
        events = log.after(connection, 0, limit=1_000_000)
    began = {e.release: e.at for e in events if e.kind == "rollout.started"}
    return [e.at - began[e.release] for e in events if e.kind == "release.released"]


def _result(
    seconds: list[float], counted: Counted, proxy: dict[str, int], wrong: tuple[str, ...]
) -> Result:
    least = DRAINS * DRAIN_LEAST_SECONDS
    rows = (
        told([counted]),
        Row("a replacement p50 / p99", p50_p99(seconds, "s"),
            f"{len(seconds)}; {least:g} s of each are the least drain"),
        Row("client requests/s, p99", f"{counted.rps:.0f}, {counted.p99_ms} ms",
            f"{PATH} on {CONNECTIONS} connections"),
    )  # fmt: skip
    figures = {
        "replacements": len(seconds),
        "seconds": spread(seconds),
        "least_drain_seconds": least,
        "client": asdict(counted),
        "proxy_failures": proxy,
    }
    lost = f"{counted.failed} requests failed: {counted.failures}, the proxy counted {proxy}"
    return Result(rows, figures, ((lost,) if counted.failed else ()) + wrong)
