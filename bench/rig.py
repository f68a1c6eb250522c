"""A home on real parts for a benchmark: real artifacts, local target, Envoy, journal on SQLite.

`with Rig(folder) as rig:` ends everything that the home started, also after an error. `clear` does
the same for a home whose benchmark was killed.
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from dbos import DBOS

from headway.adapters.envoy.proxy import EnvoyProxy
from headway.adapters.local.target import LocalTarget
from headway.flows.change import order_for, ready
from headway.flows.journal import Engine
from headway.flows.trip import Trip
from headway.model.delivery import Delivery, Release
from headway.model.deployment import DeployOrder
from headway.model.pace import QUICK
from headway.model.routing import Endpoint
from headway.model.service import Analysis, Environment, Health, RolloutPolicy, Run, Service
from headway.store import records
from headway.store.rollouts import ulid
from headway.wiring import Headway, Place

SERVICE, ENVIRONMENT = "shop", "production"
APP = Path(__file__).with_name("app.py")


class Rig:
    """One service, `shop`, in one environment, `production`."""

    def __init__(self, base: Path) -> None:
        self.base, self.home = base, base / "h"
        self.headway = Headway(Place(self.home, f"sqlite:///{self.home / 'headway.db'}"))
        self.world = self.headway.world

    def __enter__(self) -> "Rig":
        return self

    def __exit__(self, *_: object) -> None:
        clear(self.home)
        self.headway.outbox.close()
        self.headway.db.dispose()

    @property
    def proxy(self) -> EnvoyProxy:
        """For its counters."""
        return EnvoyProxy(self.home, ENVIRONMENT)

    def release(self, rollout: RolloutPolicy = RolloutPolicy()) -> Release:  # noqa: B008
        """A new release with an artifact of its own, packed and recorded as a build does."""
        with self.headway.tx() as tx:
            number = records.next_number(tx, SERVICE)
        name = f"{SERVICE}-{number}"
        artifact = self.world.artifacts.pack(str(self._content()), {"version": name})
        made = Release(
            name, SERVICE, number, artifact.digest, f"{number:040x}", "ana", self.delivery(),
            _config(name, rollout), "", time.time(),
        )  # fmt: skip
        with self.headway.tx() as tx:
            records.add_release(tx, made)
        return made

    def _content(self) -> Path:
        folder = self.base / "content"
        folder.mkdir(exist_ok=True)
        shutil.copy(APP, folder / "app.py")
        return folder

    def delivery(self) -> str:
        """A delivery's record; gives its id."""
        id = f"del_{ulid(time.time())}"
        new = Delivery(
            id, SERVICE, "", "", "", "ana", "", "ana", "delivering", "", "", "", "", ENVIRONMENT,
            time.time(), 0.0,
        )  # fmt: skip
        with self.headway.tx() as tx:
            records.add_delivery(tx, new)
        return id

    def trip(self, release: Release) -> Trip:
        """The release on its way."""
        return Trip(release.delivery, "", release, release.config.environment(ENVIRONMENT))

    def serve(self, release: Release, generation: int, instances: int) -> tuple[Endpoint, ...]:
        """The release's instances, started and ready."""
        environment = release.config.environment(ENVIRONMENT)
        order = order_for(self.world, release, environment, generation, instances)
        self.start(order)
        seen = ready(self.world, "local", order)
        return tuple(Endpoint(i.host, i.port) for i in seen)

    def start(self, order: DeployOrder) -> None:
        """The artifact unpacked, the instances declared."""
        self.world.artifacts.unpack(order.digest, order.content)
        self.world.targets["local"].deploy(order)

    def proxy_failures(self) -> dict[str, int]:
        """The proxy's own counts of what went wrong: a second witness beside the client."""
        names = (
            r"^http\.shop\.downstream_rq_(5xx|4xx|rx_reset|timeout)$"
            r"|^cluster\.shop__.*\.upstream_(cx_connect_fail|rq_retry|rq_pending_failure_eject)$"
        )
        found = self.proxy.admin.json(f"/stats?format=json&filter={names}")["stats"]
        return _sums((s["name"].rpartition(".")[2], s["value"]) for s in found if "name" in s)

    @contextmanager
    def flows(self, flows: dict[str, tuple[Callable[..., None], type]]) -> Iterator["Flows"]:
        """Run these flows on the durable engine, in this process, until the block ends."""
        engine = Engine(self.headway.url, "bench")
        running = Flows(self)
        engine.launch(
            {
                name: (running.watched(flow), self.world, kind)
                for name, (flow, kind) in flows.items()
            }
        )
        try:
            yield running
        finally:
            running.settle()
            engine.close()


class Flows:
    """Starts one flow at a time and waits for its end."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._last = ""

    def watched(self, flow: Callable[..., None]) -> Callable[..., None]:
        """The flow, and its end told to who waits."""

        def run(journal: Any, world: Any, order: Any) -> None:
            self._error = None
            try:
                flow(journal, world, order)
            except BaseException as error:
                self._error = error
                raise
            finally:
                self._ended.set()

        return run

    def run(self, name: str, id: str, order: Any, within: float = 60.0) -> None:
        """One flow from its start to its end. Raises what the flow raised."""
        self._ended.clear()
        self._last = id
        with self._rig.headway.tx() as tx:
            self._rig.headway.outbox.start(tx, name, id, order)
        if not self._ended.wait(within):
            raise TimeoutError(f"{name} did not end in {within:g} s")
        if self._error is not None:
            raise self._error

    def settle(self) -> None:
        """Return when the engine has recorded the end of the last flow."""
        if self._last:
            settled(self._last)


def settled(id: str, within: float = 20.0) -> None:
    """Return when the engine has recorded that the flow ended. A flow's body ends a moment earlier,
    and an engine closed in that moment waits for itself for ever.
    """
    deadline = time.monotonic() + within
    while (status := DBOS.retrieve_workflow(id).get_status().status) in {"ENQUEUED", "PENDING"}:
        if time.monotonic() > deadline:
            raise TimeoutError(f"flow {id} is {status} after {within:g} s")
        time.sleep(0.02)


def _config(name: str, rollout: RolloutPolicy) -> Service:
    environment = Environment(
        ENVIRONMENT,
        "production",
        Run(f"exec {sys.executable} -I -S app.py", instances=2, stop_grace_seconds=5.0),
        Health("/health", interval_seconds=0.1),
        env={"VERSION": name},
        rollout=rollout,
        analysis=Analysis(pace=QUICK),
    )
    return Service(SERVICE, (environment,))


def _sums(pairs: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, value in pairs:
        found[name] = found.get(name, 0) + value
    return found


def wait_200(address: str, path: str = "/", within: float = 20.0) -> None:
    """Return at the first 200."""
    deadline = time.monotonic() + within
    with httpx.Client(trust_env=False) as client:
        while True:
            try:
                if client.get(f"{address}{path}").status_code == 200:
                    return
            except httpx.TransportError:
                pass  # not there yet
            if time.monotonic() > deadline:
                raise TimeoutError(f"no 200 from {address}{path} in {within:g} s")
            time.sleep(0.002)


def clear(home: Path) -> None:
    """End every instance and proxy of a home."""
    target = LocalTarget(home)
    for folder in sorted((home / "instances").glob("*/*")):
        service, environment = folder.name, folder.parent.name
        for release in {i.release for i in target.observe(service, environment)}:
            target.remove(service, environment, release, 10**9)
    for folder in sorted((home / "envoy").glob("*")):
        EnvoyProxy(home, folder.name).stop()
