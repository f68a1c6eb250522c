"""What every traffic router promises, asked of a real Envoy with real applications behind it."""

import contextlib
import json
import os
import pickle
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.load import Load, fetch, fetch_all
from tests.support.upstream import Farm

from headway.adapters.envoy.router import EnvoyRouter
from headway.model.errors import Drifted, Invalid, Refused
from headway.model.routing import Backend, Endpoint, Routing

ENV = "production"


@pytest.fixture
def home():
    found = Path(tempfile.mkdtemp(prefix="hwr"))
    yield found
    if (found / "envoy").exists():
        for folder in (found / "envoy").iterdir():
            EnvoyRouter(found).proxy(folder.name).stop()
    shutil.rmtree(found)


@pytest.fixture(scope="module")
def farm():
    with Farm() as grown:
        yield grown


@pytest.fixture(scope="module")
def pair(farm):
    return farm.grow("v1"), farm.grow("v2")


@pytest.fixture
def router(home):
    return EnvoyRouter(home)


def split(service, generation, pair, share, **more):
    old, new = pair
    backends = (Backend("v1", (old.endpoint,)), Backend("v2", (new.endpoint,)))
    shares = {"v1": 1 - share, "v2": share}
    return Routing(service, ENV, generation, backends, shares, **more)


def eventually(condition, within=20.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def ledger(home, service, environment=ENV):
    path = home / "ledger" / f"{environment}-proxy.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in lines if line["service"] == service]


def test_unknown_service_and_environment_are_none(router, pair):
    assert router.observe("nobody", "nowhere") is None
    router.set(split("known", 1, pair, 0.0))
    assert router.observe("nobody", ENV) is None
    router.remove("nobody", "nowhere", 1)


@pytest.mark.seed("S-084")
def test_shares_are_what_users_meet_and_no_request_is_lost(router, pair):
    routed = router.set(split("weights", 1, pair, 0.0))
    # So many that two points are four standard deviations of the draw.
    plan = ((0.05, 2500), (0.25, 8000), (0.5, 10000), (1.0, 1000))
    with Load(routed.address, connections=6) as load:
        for generation, (share, requests) in enumerate(plan, start=2):
            assert router.set(split("weights", generation, pair, share)).shares["v2"] == share
            load.wait_answered(50)
            before = load.tally().versions.copy()
            load.wait_answered(requests)
            seen = load.tally().versions - before
            assert abs(seen["v2"] / seen.total() - share) < 0.02
    tally = load.stop()
    assert (tally.failed, tally.connections) == (0, 6)


def test_reads_back_shares_generation_and_address(router, pair):
    set_ = router.set(split("readback", 7, pair, 0.125))
    seen = router.observe("readback", ENV)
    assert seen == set_
    assert seen.shares == {"v1": 0.875, "v2": 0.125}
    assert seen.generation == 7
    assert seen.version.startswith("g7-")
    assert fetch(seen.address).status == 200


def test_the_tester_header_chooses_the_release(router, pair):
    address = router.set(split("testers", 1, pair, 0.0)).address
    answers = fetch_all(address, [{"x-headway-release": "v2"}, {}] * 20)
    assert [a.header("x-version") for a in answers] == ["v2", "v1"] * 20


@pytest.mark.seed("S-092")
def test_a_user_known_by_header_is_never_thrown_back(router, pair):
    users = [{"x-user": f"user-{n}"} for n in range(400)]
    was: set[int] = set()
    for generation, share in enumerate((0.05, 0.25, 0.5, 1.0), start=1):
        routing = split("by-header", generation, pair, share, sticky_header="x-user", rollout="r1")
        address = router.set(routing).address
        repeated = False
        for _ in range(2):
            answers = fetch_all(address, users)
            now = {n for n, a in enumerate(answers) if a.header("x-version") == "v2"}
            assert was <= now
            assert not repeated or now == was
            was, repeated = now, True
        assert abs(len(was) / 400 - share) < 0.1


@pytest.mark.seed("S-092")
def test_a_browser_known_by_cookie_is_never_thrown_back(router, pair):
    cookies: list[str] = []
    was: list[str] = []
    for generation, share in enumerate((0.25, 0.5, 0.9), start=1):
        routing = split("by-cookie", generation, pair, share, sticky_cookie="hw", rollout="r1")
        address = router.set(routing).address
        if not cookies:
            first = fetch_all(address, [{}] * 200)
            cookies = [a.header("set-cookie").partition(";")[0] for a in first]
            was = [a.header("x-version") for a in first]
            assert len(set(cookies)) == 200
        answers = fetch_all(address, [{"cookie": f"a=b; {c}"} for c in cookies])
        assert all(a.header("set-cookie") is None for a in answers)
        now = [a.header("x-version") for a in answers]
        if generation == 1:
            assert now == was
        assert not [
            n for n, (a, b) in enumerate(zip(was, now, strict=True)) if (a, b) == ("v2", "v1")
        ]
        assert abs(now.count("v2") / 200 - share) < 0.13
        was = now


def test_each_rollout_draws_other_users_first(router, pair):
    users = [{"x-user": f"user-{n}"} for n in range(300)]
    drawn = []
    for generation, rollout in enumerate(("r1", "r2"), start=1):
        routing = split("draws", generation, pair, 0.2, sticky_header="x-user", rollout=rollout)
        answers = fetch_all(router.set(routing).address, users)
        drawn.append({n for n, a in enumerate(answers) if a.header("x-version") == "v2"})
    assert drawn[0] - drawn[1]
    assert drawn[1] - drawn[0]


def test_a_release_comes_and_goes_under_load(router, pair):
    """Adding and removing clusters, with requests under way in the one that goes."""
    old, new = pair
    both = split("swap", 1, pair, 0.5)
    routed = router.set(both)
    with Load(routed.address, connections=6, path="/sleep/20") as load:
        for turn in range(1, 6):
            load.wait_answered(60)
            one = Backend(*(("v1", (old.endpoint,)) if turn % 2 else ("v2", (new.endpoint,))))
            alone = replace(both, generation=2 * turn, backends=(one,), shares={one.release: 1.0})
            assert router.set(alone).shares == {one.release: 1.0}
            load.wait_answered(60)
            router.set(replace(both, generation=2 * turn + 1))
    tally = load.stop()
    assert (tally.failed, tally.connections) == (0, 6)


def test_a_draining_instance_gets_nothing_new_and_finishes(router, farm):
    one, two, three = (farm.grow("v1") for _ in range(3))

    def routing(generation, *endpoints):
        return Routing("drain", ENV, generation, (Backend("v1", endpoints),), {"v1": 1.0})

    address = router.set(routing(1, one.endpoint, two.endpoint, three.endpoint)).address
    with Load(address, connections=12, path="/sleep/150") as load:
        eventually(lambda: one.active and two.active)
        assert router.in_flight("drain", ENV, one.endpoint) > 0
        # Two of three: the majority drains, which must not send anything to them after all.
        router.set(routing(2, one.draining, two.draining, three.endpoint))
        eventually(lambda: router.in_flight("drain", ENV, one.draining) == 0)
        eventually(lambda: router.in_flight("drain", ENV, two.draining) == 0)
        asked = one.asked + two.asked
        one.kill()
        two.kill()
        load.wait_answered(100)
        assert one.asked + two.asked == asked
        router.set(routing(3, three.endpoint))
        load.wait_answered(30)
    assert load.stop().failed == 0


def test_a_dead_instance_costs_its_users_nothing(router, farm):
    one, two = farm.grow("v1"), farm.grow("v1")
    backends = (Backend("v1", (one.endpoint, two.endpoint)),)
    address = router.set(Routing("dead", ENV, 1, backends, {"v1": 1.0})).address
    one.kill()
    assert {a.status for a in fetch_all(address, [{}] * 60)} == {200}


@pytest.mark.parametrize(
    "bad",
    [
        {"host": "two\nlines"},
        {"backends": (Backend("v1", (Endpoint("no address", 80),)),), "shares": {"v1": 1.0}},
        {"backends": (Backend("v9", (Endpoint("no address", 80),)),), "shares": {"v9": 1.0}},
    ],
    ids=["routes", "endpoints", "new-cluster"],
)
def test_what_envoy_refuses_changes_nothing(router, home, pair, bad, request):
    service = f"refused-{request.node.callspec.id}"
    former = router.set(split(service, 1, pair, 0.25))
    files = {p.name: p.read_text() for p in (home / "envoy" / ENV).glob("*.yaml")}
    with Load(former.address, connections=2) as load:
        load.wait_answered(20)
        with pytest.raises(Refused) as refusal:
            router.set(replace(split(service, 2, pair, 0.5), **bad))
        load.wait_answered(50)
    assert refusal.value.code == "routing-rejected"
    assert len(refusal.value.why) > 20
    assert "no reason" not in refusal.value.why
    assert load.stop().failed == 0
    assert router.observe(service, ENV) == former
    assert {p.name: p.read_text() for p in (home / "envoy" / ENV).glob("*.yaml")} == files
    assert [line["generation"] for line in ledger(home, service)] == [1]
    assert router.set(split(service, 2, pair, 0.5)).shares["v2"] == 0.5


def test_an_older_generation_is_refused(router, pair):
    former = router.set(split("fence", 5, pair, 0.25))
    for routing in (split("fence", 4, pair, 0.5), split("fence", 5, pair, 0.5)):
        with pytest.raises(Drifted) as refusal:
            router.set(routing)
        assert refusal.value.code == "stale-generation"
    assert router.observe("fence", ENV) == former


def test_the_same_again_changes_nothing(router, home, pair):
    former = router.set(split("again", 5, pair, 0.25))
    assert [router.set(split("again", 5, pair, 0.25)) for _ in range(3)] == [former] * 3
    assert [line["config_reload"] for line in ledger(home, "again")] == [1]
    router.set(split("again", 6, pair, 0.25))
    assert [line["config_reload"] for line in ledger(home, "again")] == [1, 2]


def test_nonsense_is_invalid(router, pair):
    good = split("nonsense", 1, pair, 0.25)
    for bad in (
        {"shares": {"v1": 0.5, "v2": 0.4}},
        {"shares": {"v1": 0.5, "v3": 0.5}},
        {"shares": {"v1": float("nan"), "v2": 1.0}},
        {"shares": {"v1": 1.5, "v2": -0.5}},
        {"backends": (Backend("v1", (pair[0].draining,)), good.backends[1])},
        {"backends": (good.backends[0], good.backends[0])},
        {"service": "../../etc"},
        {"tester_header": "two words"},
        {"timeout_seconds": -1.0},
    ):
        with pytest.raises(Invalid):
            router.set(replace(good, **bad))
    assert router.observe("nonsense", ENV) is None


def test_a_taken_port_is_refused_by_name(router, pair):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refused) as refusal:
            router.set(split("port", 1, pair, 0.0, port=port))
        assert refusal.value.code == "port-in-use"
        assert str(port) in str(refusal.value)
        assert router.observe("port", ENV) is None
    assert router.set(split("port", 1, pair, 0.0, port=port)).address.endswith(f":{port}")
    with pytest.raises(Refused) as refusal:
        router.set(split("other-port", 1, pair, 0.0, port=port))
    assert refusal.value.code == "port-in-use"


def test_a_removed_service_is_gone_until_a_newer_routing(router, pair):
    address = router.set(split("gone", 3, pair, 0.25)).address
    with Load(address, connections=2, path="/sleep/30") as load:
        load.wait_answered(5)
        router.remove("gone", ENV, 4)
        eventually(lambda: load.tally().refused > 0)
    assert set(load.stop().statuses) == {200}
    assert router.observe("gone", ENV) is None
    router.remove("gone", ENV, 4)
    with pytest.raises(Drifted):
        router.set(split("gone", 3, pair, 0.25))
    assert router.set(split("gone", 5, pair, 0.25)).address == address


def test_strangers_do_not_steer_the_proxy(router, pair):
    address = router.set(split("strangers", 1, pair, 0.0)).address
    steering = {"x-envoy-upstream-rq-timeout-ms": "20", "x-request-id": "mine"}
    answer = fetch(address, "/sleep/300", steering)
    assert answer.status == 200
    assert not [name for name, _ in answer.headers if name.startswith("x-envoy")]
    assert answer.header("server") == "shop"
    seen = pair[0].last_headers
    assert "x-envoy-upstream-rq-timeout-ms" not in seen
    assert len(seen["x-request-id"]) == 36
    assert fetch(address, "/", {"x_underscore": "1"}).status == 400


def test_a_named_host_answers_to_its_name_only(router, pair):
    address = router.set(split("named", 1, pair, 0.0, host="Shop.example.com")).address
    assert fetch(address).status == 200
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as raw:
        for name, status in (("shop.example.com:80", b"200"), ("other.example.com", b"404")):
            raw.sendall(f"GET / HTTP/1.1\r\nhost: {name}\r\n\r\n".encode())
            assert raw.recv(4096).split()[1] == status


def test_a_killed_proxy_comes_back_with_the_right_routes(router, home, pair):
    former = router.set(split("phoenix", 3, pair, 0.25))
    pid = router.proxy(ENV).running().pid
    os.kill(pid, signal.SIGKILL)
    assert router.observe("phoenix", ENV) == former
    assert router.proxy(ENV).running().pid != pid
    assert fetch(former.address).status == 200
    os.kill(router.proxy(ENV).running().pid, signal.SIGKILL)
    assert router.set(split("phoenix", 4, pair, 0.5)).shares["v2"] == 0.5
    assert [line["generation"] for line in ledger(home, "phoenix")] == [3, 4]


def test_many_starters_are_one_proxy(home, pair):
    found: list[int] = []
    starts = [
        threading.Thread(target=lambda: found.append(EnvoyRouter(home).proxy("crowd").start().pid))
        for _ in range(6)
    ]
    for thread in starts:
        thread.start()
    for thread in starts:
        thread.join(60)
    assert len(found) == 6
    assert len(set(found)) == 1


_SETTER = """
import os, pathlib, pickle, signal, sys
from headway.adapters.envoy import files
from headway.adapters.envoy.router import EnvoyRouter
home, routing, point = pickle.load(sys.stdin.buffer)
genuine, moments = files.replace, iter(range(10**6))
def moment():
    if next(moments) == point:
        os.kill(os.getpid(), signal.SIGKILL)
def replace(*arguments, **more):
    moment()
    genuine(*arguments, **more)
    moment()
files.replace = replace
print(EnvoyRouter(home).set(routing).version, next(moments))
"""


def set_elsewhere(home, routing, killed_at=None):
    """set() in another process, which kills itself before or after a file is replaced.

    Gives its words: the version, and how many such moments it lived through; [] if it was killed.
    """
    child = subprocess.run(
        [sys.executable, "-c", _SETTER],
        input=pickle.dumps((home, routing, killed_at)),
        stdout=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    assert child.returncode in (0, -signal.SIGKILL)
    return child.stdout.decode().split()


def test_another_process_adopts_the_proxy_and_it_outlives_it(router, home, pair):
    before = router.proxy(ENV).start()
    version, _ = set_elsewhere(home, split("adopt", 1, pair, 0.25))
    assert router.observe("adopt", ENV).version == version
    assert router.proxy(ENV).running() == before
    set_elsewhere(home, replace(split("orphan", 1, pair, 0.25), environment="orphan"))
    assert fetch(router.observe("orphan", "orphan").address).status == 200


def kill_sweep(router, home, pair, service, step):
    """SIGKILL at every `step`-th moment of set(), then the same call again: the right state, no
    request lost, and by the proxy's own count no generation took hold twice. Two changes in turn:
    one brings a release, one takes it away.
    """

    def wanted(generation):
        both = split(service, generation, pair, 0.5)
        alone = replace(both, backends=both.backends[:1], shares={"v1": 1.0})
        return both if generation % 2 else alone

    address = router.set(wanted(1)).address
    # By parity of the generation: even ones take a release away, odd ones bring it.
    moments = [int(set_elsewhere(home, wanted(generation))[1]) for generation in (2, 3)]
    assert min(moments) >= 10
    generation = 3
    with Load(address, connections=4) as load:
        for point in range(0, max(moments), step):
            for _ in range(2):
                generation += 1
                words = set_elsewhere(home, wanted(generation), point)
                assert bool(words) == (point >= moments[generation % 2])
                assert router.set(wanted(generation)).generation == generation
                assert router.observe(service, ENV).shares == wanted(generation).shares
                load.wait_answered(10)
    assert load.stop().failed == 0
    lines = ledger(home, service)
    assert [line["generation"] for line in lines] == list(range(1, generation + 1))
    assert [line["config_reload"] for line in lines] == list(range(1, generation + 1))
    assert not (home / "envoy" / ENV / "pending.json").exists()


def test_killed_in_mid_change_and_asked_again(router, home, pair):
    kill_sweep(router, home, pair, "killed", step=4)


@pytest.mark.soak
def test_killed_at_every_moment_and_asked_again(router, home, pair):
    kill_sweep(router, home, pair, "killed-often", step=1)


def inotify_instances(pid):
    """How many it holds; a descriptor that is closed while we look counts as gone."""
    held = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            held += "inotify" in str(fd.readlink())
    return held


@contextlib.contextmanager
def descriptors_left(count):
    """This process may open only so many more files; to others the machine stays as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_envoy_is_never_made_to_abort_for_want_of_watches(router, pair):
    """It opens an inotify instance for each file, and dies when the user has no more of them."""
    former = router.set(split("watched", 1, pair, 0.5))
    who = router.proxy(ENV).running()
    with descriptors_left(5):
        with pytest.raises(Refused) as refusal:
            router.set(split("unwatched", 1, pair, 0.5))
        assert refusal.value.code == "no-watches"
        assert "max_user_instances" in refusal.value.next
        assert router.observe("unwatched", ENV) is None
        assert router.observe("watched", ENV) == former
        assert router.set(split("watched", 2, pair, 0.25)).shares["v2"] == 0.25
    assert router.set(split("unwatched", 1, pair, 0.5)).generation == 1
    assert router.proxy(ENV).running() == who


def test_what_left_the_routing_is_no_longer_watched(router, pair):
    both = split("watches", 1, pair, 0.5)
    router.set(both)
    pid = router.proxy(ENV).running().pid
    held = inotify_instances(pid)
    router.set(replace(both, generation=2, backends=both.backends[:1], shares={"v1": 1.0}))
    eventually(lambda: inotify_instances(pid) == held - 1)
    router.set(split("watches-too", 1, pair, 0.5))
    eventually(lambda: inotify_instances(pid) == held - 1 + 3)


@pytest.mark.soak
def test_killed_at_every_moment_of_a_services_first_routing(router, home, pair):
    for point in range(40):
        wanted = replace(split("first", 1, pair, 0.5), environment=f"first-{point}")
        words = set_elsewhere(home, wanted, point)
        assert fetch(router.set(wanted).address).status == 200
        router.proxy(wanted.environment).stop()
        if words:
            break
    assert point >= 16
    assert words


def test_another_service_goes_on_after_a_cut_off_change(router, home, pair):
    """Its files are undone or kept, whichever the proxy has, and its own retry still works."""
    former = router.set(split("cut-off", 1, pair, 0.25))
    assert set_elsewhere(home, split("cut-off", 2, pair, 0.5), killed_at=4) == []
    assert (home / "envoy" / ENV / "pending.json").exists()
    router.set(split("bystander", 1, pair, 0.25))
    assert router.observe("cut-off", ENV) == former
    with pytest.raises(Drifted):
        router.set(split("cut-off", 1, pair, 0.25))
    assert router.set(split("cut-off", 2, pair, 0.5)).shares["v2"] == 0.5


def test_killed_in_mid_change_and_then_the_proxy_too(router, home, pair):
    """Files that no proxy accepted are not what a new proxy starts from."""
    former = router.set(split("cut", 1, pair, 0.25))
    folder = home / "envoy" / ENV
    rds = folder / "rds-cut.yaml"
    note = {"service": "cut", "version": "g2-x", "former": [[rds.name, rds.read_text()]]}
    (folder / "pending.json").write_text(json.dumps(note))
    os.kill(router.proxy(ENV).running().pid, signal.SIGKILL)
    rds.write_text('{"version_info": "g2-x", "resources": [{"@type": "nonsense"}]}')
    assert router.observe("cut", ENV) == former
    assert fetch(former.address).status == 200


def test_the_admin_socket_is_private_and_fits(pair):
    deep = Path(tempfile.mkdtemp(prefix="hwr")) / ("d" * 120)
    router = EnvoyRouter(deep)
    try:
        assert fetch(router.set(split("deep", 1, pair, 0.0)).address).status == 200
        found = router.proxy(ENV).admin.socket_path
        assert len(str(found)) <= 107
        assert found.stat().st_mode & 0o777 == 0o600
        assert found.parent.stat().st_mode & 0o777 == 0o700
    finally:
        router.proxy(ENV).stop()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(router.proxy(ENV).admin.socket_path.parent)
        shutil.rmtree(deep.parent)
