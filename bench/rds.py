"""How soon a renamed route file changes answers: 200 flips of one service between two releases.

The clock runs from just before the rename until the first answer of the other release has come, on
one keep-alive connection that asks without a pause. Beside it stand one request's own time, which
is as fine as this can be seen, and what the router's `set()` takes, which also writes safely,
waits for the proxy's word and reads back.
"""

import http.client
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.figures import Result, Row, quantile, ratio, spread
from bench.rig import ENVIRONMENT, SERVICE, Rig, wait_200
from headway.adapters.envoy import config, files, routes
from headway.model.routing import Backend, Routing

LONGEST_SECONDS = 10.0


class User:
    """One connection."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)

    def version(self) -> str | None:
        """Who answered."""
        self._connection.request("GET", "/")
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"answered {answer.status}")
        return answer.getheader("x-version")

    def until(self, wanted: str) -> None:
        """Ask until this release answers."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while self.version() != wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{wanted} does not answer in {LONGEST_SECONDS:g} s")

    def close(self) -> None:
        self._connection.close()


def run(base: Path, count: int) -> Result:
    with Rig(base) as rig:
        backends = tuple(
            Backend(r.name, rig.serve(r, n, 1))
            for n, r in enumerate((rig.release(), rig.release()))
        )
        address = rig.world.router.set(_routing(backends, 1)).address
        wait_200(address)
        user = User(address)
        asked = _asked(user, count)
        flips = [_flip(rig, user, _routing(backends, 2 + n)) for n in range(count)]
        sets = [_set(rig, user, _routing(backends, 2 + count + n)) for n in range(count)]
        user.close()
        return _result(flips, asked, sets)


def _routing(backends: tuple[Backend, ...], generation: int) -> Routing:
    return Routing(SERVICE, ENVIRONMENT, generation, backends, {_wanted(backends, generation): 1.0})


def _wanted(backends: tuple[Backend, ...], generation: int) -> str:
    return backends[generation % 2].release


def _asked(user: User, count: int) -> list[float]:
    """One request after the other, in milliseconds."""
    taken = []
    for _ in range(count):
        began = time.monotonic()
        user.version()
        taken.append(1000 * (time.monotonic() - began))
    return taken


def _flip(rig: Rig, user: User, routing: Routing) -> float:
    version = f"g{routing.generation}-bench"
    document = config.discovery(version, [routes.route_configuration(routing, version)])
    file = rig.proxy.folder / f"rds-{SERVICE}.yaml"
    new = file.with_name(".bench.tmp")
    new.write_text(files.dump(document))
    began = time.monotonic()
    new.replace(file)
    user.until(next(iter(routing.shares)))
    return 1000 * (time.monotonic() - began)


def _set(rig: Rig, user: User, routing: Routing) -> float:
    began = time.monotonic()
    rig.world.router.set(routing)
    taken = 1000 * (time.monotonic() - began)
    if (found := user.version()) not in routing.shares:
        raise RuntimeError(f"set() came back before its effect: {found} answered")
    return taken


def _result(flips: list[float], asked: list[float], sets: list[float]) -> Result:
    effect, request, whole = (quantile(v, 0.5) for v in (flips, asked, sets))
    shown = [f"{quantile(flips, q):.3g}" for q in (0.5, 0.95, 1.0)]
    rows = (
        Row("rename to first other answer p50 / p95 / max", f"{' / '.join(shown)} ms",
            f"{len(flips)} flips; one request takes {request:.2g} ms"),
        Row("set() p50, with its safety and read-back", f"{whole:.3g} ms",
            f"{ratio(whole, effect)} of the bare effect"),
    )  # fmt: skip
    figures = {
        "effect_ms": spread(flips),
        "request_ms": spread(asked),
        "set_ms": spread(sets),
        "effect_in_requests": ratio(effect, request),
        "set_ratio": ratio(whole, effect),
    }
    return Result(rows, figures)
