"""What every comparer of answers promises, with copies from a real Envoy."""

import json
import os
import random
import shutil
import signal
import socket
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.load import Load, fetch_all
from tests.support.upstream import Farm

from headway.adapters.beside.differ import LocalDiffer
from headway.adapters.envoy.meter import EnvoyMeter
from headway.adapters.envoy.router import EnvoyRouter
from headway.model.errors import Drifted
from headway.model.routing import Backend, Mirror, Routing
from headway.ports.shadow_differ import Comparison

ENV = "production"


@pytest.fixture(scope="module")
def home():
    found = Path(tempfile.mkdtemp(prefix="hwd"))
    yield found
    for folder in (found / "beside" / ENV).iterdir():
        LocalDiffer(found).stop(folder.name, ENV, 10**9)
    for folder in (found / "envoy").iterdir():
        EnvoyRouter(found).proxy(folder.name).stop()
    shutil.rmtree(found)


@pytest.fixture(scope="module")
def farm():
    with Farm() as grown:
        yield grown


@pytest.fixture
def differ(home):
    return LocalDiffer(home)


def eventually(condition, within=30.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def speaks(upstream, answer):
    """Answer with what `answer(path)` gives: status, content type, body. Counts methods."""
    upstream.methods = []

    async def one(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        upstream.asked += 1
        method, path, _ = lines[0].split()
        upstream.methods.append((method, path))
        length = [int(x.partition(":")[2]) for x in lines if x.lower().startswith("content-length")]
        await reader.readexactly(length[0] if length else 0)
        status, kind, body = answer(path)
        told = f"HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(told.encode() + (b"" if method == "HEAD" else body))
        await writer.drain()
        return True

    upstream._answer = one
    return upstream


def as_json(value):
    return 200, "application/json", json.dumps(value).encode()


def compare(home, farm, service, stable, candidate, **more):
    """Both versions behind the proxy, all requests copied; gives the address."""
    one, two = speaks(farm.grow("v1"), stable), speaks(farm.grow("v2"), candidate)
    order = Comparison(service, ENV, 1, "v2", "v1", (two.endpoint,), (one.endpoint,), **more)
    watching = LocalDiffer(home).watch(order)
    backends = (Backend("v1", (one.endpoint,)), Backend("v2", (two.endpoint,)))
    mirror = Mirror("v2", 1.0, watching)
    routing = Routing(service, ENV, 1, backends, {"v1": 1.0}, mirror=mirror)
    routed = EnvoyRouter(home).set(routing)
    assert routed.mirror == mirror
    return routed.address, one, two, order


def compared(differ, service, count, address, path="/"):
    """Load until so many requests were compared; gives the counts."""

    def enough():
        found = differ.read(service, ENV)
        return found is not None and found.compared >= count

    with Load(address, connections=2, rate=100, path=path) as load:
        eventually(enough)
    tally = load.stop()
    assert tally.failed == 0
    return differ.read(service, ENV)


def price(path):
    return as_json({"id": random.random(), "at": time.time(), "lines": [{"sku": 7, "price": 10}]})


def test_the_same_version_twice_differs_in_nothing_held_against_it(home, farm, differ):
    address, *_ = compare(home, farm, "alike", price, price)
    seen = compared(differ, "alike", 25, address)
    assert (seen.candidate, seen.control, seen.kinds, seen.examples) == (0, 0, {}, ())
    assert (seen.candidate_release, seen.stable_release) == ("v2", "v1")


def test_what_differs_now_and_then_differs_on_both_sides(home, farm, differ):
    def moody(path):
        return as_json({"mood": random.choice("abc")})

    address, *_ = compare(home, farm, "moody", moody, moody)
    seen = compared(differ, "moody", 60, address)
    # Of three moods: each side alone differs in 2 of 9 draws; 60 draws, four deviations.
    assert 1 <= seen.candidate <= 27
    assert 1 <= seen.control <= 27


@pytest.mark.parametrize(
    ("kind", "field", "candidate"),
    [
        ("status", "", lambda path: (404, "application/json", b"{}")),
        ("content_type", "", lambda path: (200, "text/html", b'{"id": 1}')),
        ("schema", "$.lines[].price", lambda path: as_json({"id": 1, "lines": [{"sku": 7}]})),
        ("body", "$.lines[].price", lambda path: as_json(
            {"id": 1, "at": 2, "lines": [{"sku": 7, "price": 11}]})),
    ],
    ids=["status", "content_type", "schema", "body"],
)  # fmt: skip
def test_every_kind_of_difference_is_found_and_named(home, farm, differ, kind, field, candidate):
    service = f"kind-{kind.replace('_', '-')}"
    address, *_ = compare(home, farm, service, price, candidate, ignore=("id", "at"))
    seen = compared(differ, service, 10, address, "/basket/7?token=secret")
    assert (seen.candidate, seen.control) == (seen.compared, 0)
    assert seen.kinds[kind] == seen.compared
    last = seen.examples[-1]
    assert (last.method, last.path, last.kind, last.field) == ("GET", "/basket/7", kind, field)
    assert last.stable_status == 200
    assert len(seen.examples) <= 20


def test_ignored_fields_may_differ_at_any_depth(home, farm, differ):
    def with_id(first):
        return lambda path: as_json({"data": [{"request_id": first, "total": 5}]})

    address, *_ = compare(home, farm, "ignored", with_id(1), with_id(2), ignore=("request_id",))
    seen = compared(differ, "ignored", 10, address)
    assert (seen.candidate, seen.control) == (0, 0)


def test_nothing_secret_is_kept_and_only_safe_requests_are_repeated(home, farm, differ):
    address, one, two, _ = compare(home, farm, "secrets", price, price)
    fetch_all(address, [{"authorization": "Bearer s3cret", "cookie": "s=s3cret"}] * 5, "/?k=s3cret")
    seen = compared(differ, "secrets", 3, address)
    assert seen.compared >= 3
    one.methods.clear()
    two.methods.clear()
    posts = 30
    with socket_to(address) as raw:
        for _ in range(posts):
            raw.sendall(b"POST /buy HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi")
            assert raw.recv(65536).startswith(b"HTTP/1.1 200")
    eventually(lambda: two.methods.count(("POST", "/buy")) == posts)
    time.sleep(0.5)
    assert one.methods.count(("POST", "/buy")) == posts
    assert two.methods.count(("POST", "/buy")) == posts  # the proxy's copies, none of the watcher's
    folder = home / "beside" / ENV / "secrets" / "differ"
    kept = b"".join(f.read_bytes() for f in folder.iterdir() if f.is_file())
    assert b"s3cret" not in kept


def socket_to(address):
    host, _, port = address.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def test_comparing_is_bounded_and_in_no_users_count(home, farm, differ):
    address, one, _, _ = compare(home, farm, "bounded", price, price)
    with Load(address, connections=6) as load:
        load.wait_answered(1500)
    tally = load.stop()
    assert tally.failed == 0
    seen = differ.read("bounded", ENV)
    assert seen is not None
    assert seen.compared < 300
    eventually(lambda: one.asked == tally.answered + 2 * differ.read("bounded", ENV).compared)
    versions = EnvoyMeter(home).read("bounded", ENV).versions
    assert set(versions) == {"v1", "v2"}
    assert versions["v1"].total.requests == tally.answered
    eventually(
        lambda: (
            EnvoyMeter(home).read("bounded", ENV).versions["v2"].total.requests == tally.answered
        )
    )


def test_a_killed_watcher_comes_back_and_users_do_not_notice(home, farm, differ):
    address, *_ = compare(home, farm, "phoenix", price, price)
    before = compared(differ, "phoenix", 5, address)
    os.kill(int(before.epoch.partition("-")[0]), signal.SIGKILL)
    with Load(address, connections=2, rate=50) as load:
        load.wait_answered(50)
        eventually(lambda: (found := differ.read("phoenix", ENV)) and found.epoch != before.epoch)
        eventually(lambda: differ.read("phoenix", ENV).compared >= 3)
    assert load.stop().failed == 0


def test_older_orders_are_refused_and_the_same_again_changes_nothing(home, farm, differ):
    address, _, _, order = compare(home, farm, "fenced", price, price)
    pid = compared(differ, "fenced", 2, address).epoch
    assert differ.watch(order) == differ.watch(order)
    assert compared(differ, "fenced", 4, address).epoch == pid
    differ.watch(replace(order, generation=3))
    for stale in (replace(order, generation=2), replace(order, generation=3, ignore=("x",))):
        with pytest.raises(Drifted):
            differ.watch(stale)
    differ.stop("fenced", ENV, 4)
    differ.stop("fenced", ENV, 4)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.partition("-")[0]), 0)
    assert differ.read("fenced", ENV) is None
    with Load(address, connections=2, rate=100) as load:
        load.wait_answered(40)
    assert load.stop().failed == 0
    with pytest.raises(Drifted):
        differ.watch(replace(order, generation=3))


def test_nobody_compares_what_was_never_watched(differ):
    assert differ.read("nobody", ENV) is None
    differ.stop("nobody", "nowhere", 1)
