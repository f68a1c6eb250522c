"""What every traffic meter promises, asked of a real Envoy and compared with what both ends saw."""

import os
import shutil
import signal
import socket
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.load import Load, fetch, fetch_all
from tests.support.upstream import Farm

from headway.adapters.envoy.meter import EnvoyMeter
from headway.adapters.envoy.router import EnvoyRouter
from headway.model.routing import Backend, Mirror, Routing
from headway.model.window import Counts

ENV = "staging"


@pytest.fixture(scope="module")
def home():
    found = Path(tempfile.mkdtemp(prefix="hwm"))
    yield found
    for folder in (found / "envoy").iterdir():
        EnvoyRouter(found).proxy(folder.name).stop()
    shutil.rmtree(found)


@pytest.fixture(scope="module")
def farm():
    with Farm() as grown:
        yield grown


@pytest.fixture
def metrics(home):
    return EnvoyMeter(home)


def serve(home, service, backends, shares, **more):
    found = tuple(
        Backend(release, tuple(u.endpoint for u in ups)) for release, ups in backends.items()
    )
    return EnvoyRouter(home).set(Routing(service, ENV, 1, found, shares, **more)).address


def total(metrics, service, release):
    return metrics.read(service, ENV).versions[release].total


def eventually(condition, within=20.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_no_proxy_is_no_data(metrics, home):
    assert metrics.read("shop", "nowhere") is None
    assert not (home / "envoy" / "nowhere").exists()


def test_counts_are_what_users_and_applications_counted(home, farm, metrics):
    v1, v2a, v2b = farm.grow("v1"), farm.grow("v2"), farm.grow("v2")
    address = serve(home, "counts", {"v1": [v1], "v2": [v2a, v2b]}, {"v1": 0.5, "v2": 0.5})
    with Load(address, connections=4) as load:
        load.wait_answered(400)
    asked = [{"x-headway-release": "v2"}] * 10
    for path, times in (("/status/500", 3), ("/status/404", 2), ("/status/301", 1)):
        fetch_all(address, asked[:times], path)
    tally = load.stop()
    read = metrics.read("counts", ENV)
    one, two = read.versions["v1"], read.versions["v2"]
    assert (one.total.requests, one.total.errors) == (tally.versions["v1"], 0)
    assert (two.total.requests, two.total.errors) == (tally.versions["v2"] + 6, 3)
    assert one.instances[f"127.0.0.1:{v1.port}"].requests == v1.asked
    for upstream in (v2a, v2b):
        counts = two.instances[f"127.0.0.1:{upstream.port}"]
        assert (counts.requests, counts.errors) == (upstream.asked, upstream.statuses[500])
    eventually(lambda: sum(total(metrics, "counts", "v2").buckets) == two.total.requests)
    assert two.instances[f"127.0.0.1:{v2a.port}"].buckets == ()


def test_a_request_under_way_is_not_counted_yet(home, farm, metrics):
    v1 = farm.grow("v1")
    address = serve(home, "under-way", {"v1": [v1]}, {"v1": 1.0})
    with Load(address, connections=3, path="/sleep/400") as load:
        eventually(lambda: v1.active == 3)
        read = metrics.read("under-way", ENV).versions["v1"]
        assert read.total.requests == read.instances[f"127.0.0.1:{v1.port}"].requests
        assert read.total.requests <= load.tally().answered + 3
        assert v1.asked >= read.total.requests + 3
    assert total(metrics, "under-way", "v1").requests == load.stop().answered


def test_what_envoy_answers_itself_is_the_releases_error(home, farm, metrics):
    dead, dropping = farm.grow("v1"), farm.grow("v2")
    backends = {"dead": [dead], "drop": [dropping]}
    shares = {"dead": 0.5, "drop": 0.5}
    address = serve(home, "own", backends, shares, timeout_seconds=0.3)
    dead.kill()
    statuses = {
        (release, path): fetch(address, path, {"x-headway-release": release}).status
        for release, path in (("dead", "/"), ("drop", "/drop"), ("drop", "/sleep/3000"))
    }
    assert statuses == {("dead", "/"): 503, ("drop", "/drop"): 503, ("drop", "/sleep/3000"): 504}
    read = metrics.read("own", ENV)
    assert (read.versions["dead"].total.requests, read.versions["dead"].total.errors) == (1, 1)
    assert (read.versions["drop"].total.requests, read.versions["drop"].total.errors) == (2, 2)
    # Three attempts on the dead one: the instance shows them all, the user saw one.
    assert read.versions["dead"].instances[f"127.0.0.1:{dead.port}"].errors == 3


def test_a_retry_that_helped_is_no_error(home, farm, metrics):
    one, two = farm.grow("v1"), farm.grow("v1")
    address = serve(home, "helped", {"v1": [one, two]}, {"v1": 1.0})
    one.kill()
    fetch_all(address, [{}] * 40)
    counts = total(metrics, "helped", "v1")
    assert (counts.requests, counts.errors) == (40, 0)


def test_latency_lies_in_the_bucket_it_belongs_to(home, farm, metrics):
    v1 = farm.grow("v1")
    address = serve(home, "latency", {"v1": [v1]}, {"v1": 1.0})
    fetch_all(address, [{}] * 10, "/sleep/42")
    fetch_all(address, [{}] * 5, "/sleep/310")
    eventually(lambda: sum(total(metrics, "latency", "v1").buckets) == 15)
    read = metrics.read("latency", ENV)
    buckets = read.versions["v1"].total.buckets
    assert len(buckets) == len(read.bounds_ms) + 1
    below = {bound: sum(buckets[: i + 1]) for i, bound in enumerate(read.bounds_ms)}
    assert below[40] == 0  # an answer is never faster than its application
    assert below[300] == 10
    assert below[60000] == 15


@pytest.mark.seed("S-104")
def test_two_readings_two_seconds_apart_differ_in_all_that_was_counted(home, farm, metrics):
    v1 = farm.grow("v1")
    address = serve(home, "often", {"v1": [v1]}, {"v1": 1.0})
    with Load(address, connections=2, rate=200) as load:
        load.wait_answered(50)
        readings = [metrics.read("often", ENV)]
        for _ in range(2):
            time.sleep(2)
            readings.append(metrics.read("often", ENV))
    assert load.stop().failed == 0
    for before, after in pairwise(readings):
        assert after.at - before.at < 5
        assert after.epoch == before.epoch
        old, new = before.versions["v1"].total, after.versions["v1"].total
        assert new.requests > old.requests
        assert sum(new.buckets) > sum(old.buckets)


def test_a_new_proxy_is_a_new_epoch_and_a_dead_one_no_data(home, farm, metrics):
    v1 = farm.grow("v1")
    address = serve(home, "epochs", {"v1": [v1]}, {"v1": 1.0})
    fetch_all(address, [{}] * 5)
    before = metrics.read("epochs", ENV)
    os.kill(EnvoyRouter(home).proxy(ENV).running().pid, signal.SIGKILL)
    eventually(lambda: metrics.read("epochs", ENV) is None)
    EnvoyRouter(home).observe("epochs", ENV)
    after = metrics.read("epochs", ENV)
    assert after.epoch != before.epoch
    assert (before.versions["v1"].total.requests, after.versions["v1"].total.requests) == (5, 0)


def test_routing_changes_do_not_reset_what_was_counted(home, farm, metrics):
    v1, v2 = farm.grow("v1"), farm.grow("v2")
    address = serve(home, "kept", {"v1": [v1]}, {"v1": 1.0})
    fetch_all(address, [{}] * 20)
    backends = (Backend("v1", (v1.endpoint,)), Backend("v2", (v2.endpoint,)))
    for generation in range(2, 12):
        share = generation % 4 / 4
        shares = {"v1": 1 - share, "v2": share}
        EnvoyRouter(home).set(Routing("kept", ENV, generation, backends, shares))
        fetch_all(address, [{}] * 20)
    read = metrics.read("kept", ENV)
    assert sum(v.total.requests for v in read.versions.values()) == 220
    assert read.versions["v2"].total.requests == v2.asked


def routes(metrics, service):
    return metrics.read(service, ENV).routes


def test_a_route_counts_what_its_clients_saw_of_all_releases(home, farm, metrics):
    v1, v2 = farm.grow("v1"), farm.grow("v2")
    backends, shares = {"v1": [v1], "v2": [v2]}, {"v1": 0.5, "v2": 0.5}
    found = ("/cart", "/sleep", "/status", "/status/404", "/unused")
    address = serve(home, "routes", backends, shares, routes=found)
    assert EnvoyRouter(home).observe("routes", ENV).routes == found
    with Load(address, connections=4, path="/status/200") as load:
        load.wait_answered(200)
    tally = load.stop()
    fetch_all(address, [{}] * 5, "/status/500")
    fetch_all(address, [{}] * 4, "/status/404/")
    fetch_all(address, [{}] * 3, "/status/404/?a=/status/500")
    fetch_all(address, [{}] * 8, "/cart?a=/status")
    fetch_all(address, [{}], "/cart")
    fetch_all(address, [{}], "/cart/1/2")
    fetch_all(address, [{}] * 7, "/sleep/42/?a=1")
    fetch_all(address, [{}] * 6, "/sleepless")
    fetch_all(address, [{}] * 2)
    now = routes(metrics, "routes")
    assert set(tally.versions) == {"v1", "v2"}
    assert (now["/status"].requests, now["/status"].errors) == (tally.answered + 5, 5)
    assert (now["/status/404"].requests, now["/status/404"].errors) == (4 + 3, 0)
    assert (now["/sleep"].requests, now["/sleep"].errors) == (7, 0)
    assert now["/cart"].requests == 8 + 1 + 1
    assert now["/unused"] == Counts(0, 0, (0,) * len(now["/sleep"].buckets))
    both = sum(total(metrics, "routes", release).requests for release in backends)
    assert both == sum(c.requests for c in now.values()) + 6 + 2
    eventually(lambda: sum(routes(metrics, "routes")["/sleep"].buckets) == 7)
    read = metrics.read("routes", ENV)
    below = sum(read.routes["/sleep"].buckets[: read.bounds_ms.index(40.0) + 1])
    assert below == 0  # an answer is never faster than its application


def test_a_route_counts_each_answer_once_whoever_it_was_for(home, farm, metrics):
    v1, dead, v2 = farm.grow("v1"), farm.grow("v1"), farm.grow("v2")
    more = {"mirror": Mirror("v2", 1.0), "timeout_seconds": 0.4, "routes": ("/status", "/sleep")}
    address = serve(home, "once", {"v1": [v1, dead], "v2": [v2]}, {"v1": 1.0}, **more)
    fetch_all(address, [{}] * 10, "/status/200")
    eventually(lambda: v2.asked == 10)
    assert routes(metrics, "once")["/status"].requests == 10  # not the copies
    fetch_all(address, [{"x-headway-release": "v2"}] * 3, "/status/200")
    assert routes(metrics, "once")["/status"].requests == 13
    dead.kill()
    fetch_all(address, [{}] * 20, "/status/200")
    counts = routes(metrics, "once")["/status"]
    assert (counts.requests, counts.errors) == (33, 0)  # retries helped, and count once
    assert fetch(address, "/sleep/5000").status == 504
    assert (routes(metrics, "once")["/sleep"].requests, routes(metrics, "once")["/sleep"].errors) \
        == (1, 1)  # fmt: skip


def test_who_hangs_up_is_counted_for_no_route(home, farm, metrics):
    v1 = farm.grow("v1")
    address = serve(home, "hung-up", {"v1": [v1]}, {"v1": 1.0}, routes=("/sleep",))
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=20) as user:
        user.sendall(b"GET /sleep/300 HTTP/1.1\r\nhost: shop\r\n\r\n")
        eventually(lambda: v1.active == 1)
    eventually(lambda: v1.active == 0)
    fetch(address, "/sleep/1")
    assert routes(metrics, "hung-up")["/sleep"].requests == 1


def test_routes_come_and_go_and_keep_their_counts(home, farm, metrics):
    v1 = farm.grow("v1")
    backends = (Backend("v1", (v1.endpoint,)),)
    seen = []
    for generation, found in enumerate(
        (("/",), ("/", "/status"), (), ("/status",), ("/", "/status/200")), start=1
    ):
        routing = Routing("come-go", ENV, generation, backends, {"v1": 1.0}, routes=found)
        routed = EnvoyRouter(home).set(routing)
        assert routed.routes == found
        fetch_all(routed.address, [{}] * 10, "/status/200")
        seen.append({r: c.requests for r, c in routes(metrics, "come-go").items()})
    assert seen == [
        {"/": 10},
        {"/": 10, "/status": 10},
        {},
        {"/status": 20},
        {"/": 10, "/status/200": 10},
    ]


def test_no_route_can_break_the_proxys_configuration(home, farm, metrics):
    v1 = farm.grow("v1")
    found = ("/", "/%REQ(x)%", "/a\\", "/'\"{}[]()*+.$^|", "/" + "c" * 199)
    address = serve(home, "hostile", {"v1": [v1]}, {"v1": 1.0}, routes=found)
    fetch(address, "/a")
    fetch(address, found[-1])
    counted = {r: c.requests for r, c in routes(metrics, "hostile").items()}
    assert counted == {**dict.fromkeys(found, 0), "/": 1, found[-1]: 1}
