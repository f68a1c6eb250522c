"""1,000 weight switches of a real Envoy under load, one straight after the other.

Three loads in one run: without switching, with switching, without again; the middle one is set
beside the mean of the other two. No request may fail.
"""

import time
from dataclasses import asdict
from pathlib import Path
from statistics import mean

from bench.figures import Result, Row, p50_p99, ratio, spread
from bench.rig import ENVIRONMENT, SERVICE, Rig, wait_200
from bench.wrk import Counted, load, told
from headway.model.routing import Backend, Routing

CONNECTIONS = 8
STILL_SECONDS = 6.0
PATH = "/wait/2"


def run(base: Path, count: int) -> Result:
    with Rig(base) as rig:
        backends = tuple(
            Backend(r.name, rig.serve(r, n, 1))
            for n, r in enumerate((rig.release(), rig.release()))
        )
        address = rig.world.router.set(_routing(backends, 1)).address
        wait_200(address)
        before = _still(address)
        taken, during = _switch(rig, backends, address, count)
        after = _still(address)
        return _result(taken, (before, during, after), rig.proxy_failures())


def _routing(backends: tuple[Backend, ...], generation: int) -> Routing:
    """Every share from 1 to 99 percent comes in its turn."""
    share = (1 + generation * 37 % 99) / 100
    shares = {backends[0].release: share, backends[1].release: round(1 - share, 2)}
    return Routing(SERVICE, ENVIRONMENT, generation, backends, shares)


def _still(address: str) -> Counted:
    with load(address + PATH, CONNECTIONS) as users:
        time.sleep(STILL_SECONDS)
        return users.stop()


def _switch(
    rig: Rig, backends: tuple[Backend, ...], address: str, count: int
) -> tuple[list[float], Counted]:
    taken = []
    with load(address + PATH, CONNECTIONS) as users:
        time.sleep(0.5)
        for generation in range(2, count + 2):
            wanted = _routing(backends, generation)
            began = time.monotonic()
            routed = rig.world.router.set(wanted)
            taken.append(1000 * (time.monotonic() - began))
            if routed.shares != wanted.shares:
                raise RuntimeError(f"read back {routed.shares}, wanted {wanted.shares}")
        return taken, users.stop()


def _result(
    taken: list[float], loads: tuple[Counted, Counted, Counted], proxy: dict[str, int]
) -> Result:
    before, during, after = loads
    still_rps = mean((before.rps, after.rps))
    failed = sum(c.failed for c in loads)
    rows = [
        told([*loads]),
        Row("set() p50 / p99", p50_p99(taken), f"{len(taken)} switches, each read back"),
        Row("client requests/s while switching", f"{during.rps:.0f}",
            f"{ratio(during.rps, still_rps)} of {still_rps:.0f} without"),
    ]  # fmt: skip
    figures = {
        "switches": len(taken),
        "switches_per_second": round(1000 / mean(taken), 1),
        "set_ms": spread(taken),
        "still_before": asdict(before),
        "switching": asdict(during),
        "still_after": asdict(after),
        "rps_ratio": ratio(during.rps, still_rps),
        "proxy_failures": proxy,
    }
    if during.p99_ms and before.p99_ms and after.p99_ms:
        still = mean((before.p99_ms, after.p99_ms))
        figures["p99_ratio"] = ratio(during.p99_ms, still)
        beside = f"{figures['p99_ratio']} of {still:.3g} ms without"
        rows.append(Row("client p99 while switching", f"{during.p99_ms:.3g} ms", beside))
    lost = [c.failures for c in loads if c.failed]
    problems = (f"{failed} requests failed: {lost}, the proxy counted {proxy}",) if failed else ()
    return Result(tuple(rows), figures, problems)
