"""What lives beside the server outlives it and is found again; what dies is started again.

Real processes all of them, killed with SIGKILL while users ask. The tests only look at files, at
/proc and at what the proxy says of itself, because the target and the router mend by looking:
what is mended here was mended by the server.
"""

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.flows.kill_stage import ENVIRONMENTS, SHOP, Stage, Version, kill, lost
from tests.support import ledger
from tests.support.load import Load, fetch

from headway.adapters.envoy import observed
from headway.adapters.envoy.proxy import EnvoyProxy
from headway.adapters.local.shim import http_status
from headway.flows.commands import Word, say
from headway.model.errors import Unreachable

RELEASED = {"staging": {"shop-1-1"}, "production": {"shop-1-1", "shop-1-2"}}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """v1 is live in staging and production; no engine runs."""
    made = Stage(tmp_path_factory.mktemp("readopt"))
    try:
        first, _ = made.deliver(Version())
        assert made.delivery(first).outcome == "delivered", made.delivery(first)
        yield made
    finally:
        made.close()


def beings(stage: Stage) -> dict[str, list[int]]:
    """Every process that serves, by what it is."""
    found = {f"app {k}": pids for k, pids in ledger.alive(stage.home).items()}
    found |= {f"shim {k}": [pid] for k, pid in ledger.shims(stage.home).items()}
    for environment in ENVIRONMENTS:
        who = EnvoyProxy(stage.home, environment).running()
        found[f"envoy {environment}"] = [who.pid] if who else []
    return found


def pids(found: dict[str, list[int]]) -> set[int]:
    return {pid for each in found.values() for pid in each}


def recorded(stage: Stage) -> list[Any]:
    """Both ledgers of every environment."""
    return [(ledger.starts(stage.home, e), ledger.reloads(stage.home, e)) for e in ENVIRONMENTS]


def port(stage: Stage, environment: str, instance: str) -> int:
    """Where the instance's shim says that it listens; 0 unless it runs."""
    file = stage.home / "instances" / environment / SHOP / instance / "state.json"
    state = json.loads(file.read_text()) if file.exists() else {"phase": ""}
    return int(state["port"]) if state["phase"] == "running" else 0


def as_released(stage: Stage) -> bool:
    """Every instance of the release answers at its own port, and exactly those are routed to."""
    if set(ledger.shims(stage.home)) != {
        f"{e}/{i}" for e, found in RELEASED.items() for i in found
    }:
        return False
    return all(_place_is(stage, e, instances) for e, instances in RELEASED.items())


def _place_is(stage: Stage, environment: str, instances: set[str]) -> bool:
    ports = {port(stage, environment, i) for i in instances}
    try:
        if stage.place(environment).holder or {_asked(p) for p in ports} != {200}:
            return False
        routed = observed.routed(EnvoyProxy(stage.home, environment).admin, SHOP)
    except (OSError, Unreachable):
        return False
    if routed is None or routed.shares != {"shop-1": 1.0}:
        return False
    known = {e.port for e in routed.endpoints["shop-1"] if not e.draining}
    return known == ports and fetch(stage.place(environment).address).status == 200


def _asked(port: int) -> int:
    return http_status(port, "/health", 5.0)


def test_a_killed_server_is_not_missed_and_finds_everything_again(stage: Stage) -> None:
    with Load(stage.address(), rate=100) as load:
        with stage.serving():
            load.wait_answered(50)
            before, lines = beings(stage), recorded(stage)
        load.wait_answered(100)
        assert beings(stage) == before, "something died with the server"
        with stage.serving():
            load.wait_answered(200)  # it looks after its places at once
        assert beings(stage) == before, "something was started again"
        assert recorded(stage) == lines
        assert not [e for e in stage.events() if e.kind.startswith("place.")]
        tally = load.stop()
    assert lost(tally) == 0, tally
    assert as_released(stage)


@pytest.mark.soak
def test_a_killed_instance_comes_back_and_is_routed_to_wherever_it_is(stage: Stage) -> None:
    """The shim starts it again. Killed twice within seconds it comes back at another port, because
    its own may be what is wrong; then the server mends the routing.
    """
    with stage.serving(), Load(stage.address(), rate=50) as load:
        former = port(stage, "production", "shop-1-1")
        for _ in range(2):
            load.wait_answered(20)
            _kill_instance(stage, "shop-1-1")
        assert port(stage, "production", "shop-1-1") != former
        stage.until(lambda: as_released(stage), "it is routed to")
        load.wait_answered(50)
        tally = load.stop()
    mended = [e for e in stage.events() if e.kind == "place.mended"]
    assert "does not know" in str(mended[-1].data["because"])
    whys = [line["why"] for line in ledger.starts(stage.home, "production")]
    assert whys == ["first", "first", "restart", "restart"]
    # What the dying process was just answering may be lost at each kill, and nothing else.
    assert lost(tally) <= 2, tally


def _kill_instance(stage: Stage, instance: str) -> None:
    name = f"production/{instance}"
    dying = ledger.alive(stage.home)[name]
    for pid in dying:
        kill(pid)

    def back() -> bool:
        return ledger.alive(stage.home).get(name, dying) != dying

    stage.until(back, f"{name} runs again")
    stage.until(lambda: port(stage, "production", instance), f"{name} is on record")


def test_a_killed_proxy_comes_back_with_its_routes(stage: Stage) -> None:
    former = EnvoyProxy(stage.home, "production").running()
    assert former is not None
    lines = ledger.reloads(stage.home, "production")
    with stage.serving():
        began = time.monotonic()
        kill(former.pid)
        stage.until(lambda: as_released(stage), "all is as released")
        away = time.monotonic() - began
    now = EnvoyProxy(stage.home, "production").running()
    assert now is not None
    assert now != former
    assert ledger.reloads(stage.home, "production") == lines, "a restart is no new change"
    assert away < 30, away


def test_after_a_reboot_everything_is_as_released(stage: Stage) -> None:
    """Server, shims, applications and proxies die; the server is all that is started again."""
    with stage.serving():
        before = beings(stage)
    for pid in pids(before):
        kill(pid)
    stage.until(lambda: not pids(beings(stage)), "everything is dead")
    with stage.serving():
        stage.until(lambda: as_released(stage), "all is as released")
    after = beings(stage)
    assert after.keys() == before.keys()
    assert not pids(after) & pids(before)
    first = [line for e in ENVIRONMENTS for line in ledger.starts(stage.home, e)]
    assert sum(line["why"] == "first" for line in first) == 3
    for environment in ENVIRONMENTS:
        ledger.nothing_twice(stage.home, environment)


MENDING = [
    "take#1:commit",
    "tend: start shop#1:after",
    "tend: endpoints#1:after",
    "tend: route#1:before",
    "tend: route#1:after",
    "tend: left over#1:after",
    "mended#1:commit",
]


def test_killed_while_mending_the_server_mends_at_its_next_start(stage: Stage) -> None:
    killed_while_mending(stage, "tend: route#1:after")


@pytest.mark.soak
@pytest.mark.parametrize("point", MENDING)
def test_killed_anywhere_while_mending(stage: Stage, point: str) -> None:
    killed_while_mending(stage, point)


def killed_while_mending(stage: Stage, point: str) -> None:
    """An instance comes back elsewhere, and the server dies at a point of the mending."""
    former = port(stage, "production", "shop-1-2")
    for _ in range(2):
        _kill_instance(stage, "shop-1-2")
    assert port(stage, "production", "shop-1-2") != former
    generation = stage.place("production").generation
    life = stage.start(f"tend-{SHOP}-production-{generation}", point)
    life.join(60)
    assert life.exitcode == -signal.SIGKILL, stage.told()
    with stage.serving():
        stage.until(lambda: as_released(stage), "it is routed to")
    for environment in ENVIRONMENTS:
        ledger.nothing_twice(stage.home, environment)
        ledger.proxy_agrees(stage.home, environment, SHOP)


@pytest.mark.soak
def test_a_rollout_that_waits_loses_neither_proxy_nor_instances(stage: Stage) -> None:
    """In the middle of a canary without users: the proxy dies, an instance comes back elsewhere."""
    home, proxy = stage.home, EnvoyProxy(stage.home, "production")
    delivery = stage.request(Version(policy="hold"))
    with stage.serving():
        stage.until(lambda: stage.delivery(delivery).state == "held", "the canary holds")
        former = proxy.running()
        assert former is not None
        kill(former.pid)
        stage.until(lambda: proxy.running() not in (None, former), "the proxy lives")
        for _ in range(2):
            _kill_instance(stage, "shop-1-1")
        stage.until(lambda: _routed_to(stage, "shop-1-1"), "it is routed to")
        routed = observed.routed(proxy.admin, SHOP)
        assert routed is not None
        assert routed.shares == {"shop-1": 0.5, "shop-2": 0.5}
        with stage.headway.tx() as tx:
            said = Word("abort", "ben", "enough", "production")
            say(tx, stage.headway.outbox, delivery, said)
        stage.until(lambda: stage.delivery(delivery).state == "done", "it is over")
    assert stage.delivery(delivery).because == "aborted by ben: enough"
    assert "rollout.mended" in [e.kind for e in stage.events(delivery=delivery)]
    assert {k for k in ledger.alive(home) if k.startswith("production/")} == {
        "production/shop-1-1",
        "production/shop-1-2",
    }


def _routed_to(stage: Stage, instance: str) -> bool:
    routed = observed.routed(EnvoyProxy(stage.home, "production").admin, SHOP)
    at = port(stage, "production", instance)
    return routed is not None and at in {e.port for e in routed.endpoints["shop-1"]}
