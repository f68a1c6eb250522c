"""Shadow traffic through a real Envoy: copies reach the new version, and users never feel it."""

import asyncio
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.load import Load, fetch, fetch_all
from tests.support.upstream import Farm

from headway.adapters.envoy.config import Limits
from headway.adapters.envoy.meter import EnvoyMeter
from headway.adapters.envoy.router import EnvoyRouter
from headway.model.errors import Invalid
from headway.model.routing import Backend, Mirror, Routing

ENV = "production"


@pytest.fixture(scope="module")
def home():
    found = Path(tempfile.mkdtemp(prefix="hwx"))
    yield found
    for folder in (found / "envoy").iterdir():
        EnvoyRouter(found).proxy(folder.name).stop()
    shutil.rmtree(found)


@pytest.fixture(scope="module")
def farm():
    with Farm() as grown:
        yield grown


@pytest.fixture
def router(home):
    return EnvoyRouter(home)


def shadowed(service, stable, candidate, share=1.0, generation=1, **more):
    backends = (Backend("v1", (stable.endpoint,)), Backend("v2", (candidate.endpoint,)))
    mirror = Mirror("v2", share)
    return Routing(service, ENV, generation, backends, {"v1": 1.0}, mirror=mirror, **more)


def counted(home, service, release):
    return EnvoyMeter(home).read(service, ENV).versions[release].total


def eventually(condition, within=20.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


@pytest.mark.seed("S-088")
def test_copies_reach_the_candidate_marked_and_users_get_stable_answers(home, router, farm):
    one, two = farm.grow("v1"), farm.grow("v2")
    routed = router.set(shadowed("copies", one, two))
    assert routed.mirror == Mirror("v2", 1.0)
    assert routed.shares == {"v1": 1.0}
    assert router.observe("copies", ENV) == routed
    forged = [{"x-headway-shadow": "1", "x-user": "ana"}] * 100
    answers = fetch_all(routed.address, forged)
    assert {(a.status, a.header("x-version")) for a in answers} == {(200, "v1")}
    eventually(lambda: two.asked == 100)
    assert two.last_headers["x-headway-shadow"] == "1"
    assert two.last_headers["x-user"] == "ana"
    assert two.last_headers["host"] == one.last_headers["host"]
    assert "x-headway-shadow" not in one.last_headers


def test_a_part_of_the_requests_is_copied_and_none_after_the_step(router, farm):
    one, two = farm.grow("v1"), farm.grow("v2")
    routing = shadowed("part", one, two, share=0.2)
    address = router.set(routing).address
    with Load(address, connections=4) as load:
        load.wait_answered(3000)
    tally = load.stop()
    eventually(lambda: abs(two.asked / tally.answered - 0.2) < 0.04)
    after = router.set(replace(routing, generation=2, mirror=None))
    assert after.mirror is None
    before = two.asked
    fetch_all(address, [{}] * 50)
    assert two.asked == before


def test_copies_count_for_the_candidate_alone(home, router, farm):
    one, two = farm.grow("v1"), farm.grow("v2")
    address = router.set(shadowed("counts", one, two)).address
    for path, times in (("/", 40), ("/status/500", 7), ("/sleep/60", 3)):
        fetch_all(address, [{}] * times, path)
    eventually(lambda: counted(home, "counts", "v2").requests == 50)
    stable, candidate = counted(home, "counts", "v1"), counted(home, "counts", "v2")
    assert (stable.requests, stable.errors) == (50, 7)
    assert (candidate.requests, candidate.errors) == (50, 7)
    eventually(lambda: sum(counted(home, "counts", "v2").buckets) == 50)
    assert sum(counted(home, "counts", "v1").buckets) == 50


SLOW_SECONDS = 20


def ill(upstream, kind):
    """Make it drop every request, or take SLOW_SECONDS for each."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        upstream.asked += 1
        if kind == "reset":
            writer.transport.abort()
            return False
        await asyncio.sleep(SLOW_SECONDS)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        return True

    if kind == "dead":
        upstream.kill()
    else:
        upstream._answer = answer


@pytest.mark.parametrize("kind", ["slow", "reset", "dead"])
def test_a_sick_shadow_never_touches_users(home, router, farm, kind):
    one, two = farm.grow("v1"), farm.grow("v2")
    address = router.set(shadowed(f"sick-{kind}", one, two)).address
    ill(two, kind)
    with Load(address, connections=6) as load:
        load.wait_answered(1500)
    tally = load.stop()
    assert (tally.failed, tally.connections, set(tally.versions)) == (0, 6, {"v1"})
    # A request to the stable version takes milliseconds; waiting for the shadow would be seen.
    assert tally.slowest < SLOW_SECONDS / 2
    stable = counted(home, f"sick-{kind}", "v1")
    assert (stable.requests, stable.errors) == (tally.answered, 0)
    if kind != "slow":
        eventually(lambda: counted(home, f"sick-{kind}", "v2").errors > 100)


def test_nonsense_mirrors_are_invalid(router, farm):
    one, two = farm.grow("v1"), farm.grow("v2")
    good = shadowed("mirrors", one, two)
    gone = (good.backends[0], Backend("v2", (two.draining,)))
    for bad in (
        {"mirror": Mirror("v2", 0.0)},
        {"mirror": Mirror("v2", float("nan"))},
        {"mirror": Mirror("v2", 1.1)},
        {"mirror": Mirror("v1", 0.5)},
        {"mirror": Mirror("v3", 0.5)},
        {"mirror": Mirror("v2", 0.5, "relative")},
        {"backends": gone},
    ):
        with pytest.raises(Invalid):
            router.set(replace(good, **bad))
    assert router.observe("mirrors", ENV) is None


@pytest.mark.seed("S-097", "S-271", "S-542")
def test_the_circuit_opens_when_an_application_hangs_and_closes_again(home, farm):
    """More requests than the limits are answered 503 at once, and are the release's errors."""
    hung = farm.grow("v1")
    routing = Routing("circuit", ENV, 1, (Backend("v1", (hung.endpoint,)),), {"v1": 1.0})
    address = EnvoyRouter(home, limits=Limits(connections=2, pending=1)).set(routing).address
    with Load(address, connections=12, path="/sleep/700") as load:
        eventually(lambda: load.tally().statuses[503] >= 20)
        assert hung.active <= 2
    tally = load.stop()
    assert set(tally.statuses) == {200, 503}
    assert tally.resets == 0
    assert hung.asked == tally.statuses[200]
    seen = counted(home, "circuit", "v1")
    assert (seen.requests, seen.errors) == (tally.answered, tally.statuses[503])
    assert [a.status for a in fetch_all(address, [{}] * 20)] == [200] * 20


@pytest.mark.seed("S-097")
def test_the_circuit_of_a_failing_instance_opens_and_closes_again(home, router, farm):
    """One of two instances drops every request: it gets no more of them until it had time."""
    well, sick = farm.grow("v1"), farm.grow("v1")
    genuine = sick._answer
    ill(sick, "reset")
    backends = (Backend("v1", (well.endpoint, sick.endpoint)),)
    address = router.set(Routing("ejected", ENV, 1, backends, {"v1": 1.0})).address
    with Load(address, connections=4) as load:
        load.wait_answered(400)
        opened = load.tally().statuses[503]
        assert 0 < opened <= 40
        asked = sick.asked
        load.wait_answered(200)
        assert sick.asked - asked <= 4
        sick._answer = genuine
        eventually(lambda: sick.asked > asked + 100, within=60)
        failed = load.tally().failed
        load.wait_answered(200)
        assert load.tally().failed == failed
    seen = counted(home, "ejected", "v1")
    assert seen.errors == load.stop().failed
    assert fetch(address).status == 200
