"""What every Target promises, against the real local one: real shims, processes, sockets, kills."""

import contextlib
import dataclasses
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest

from headway.adapters.local import limits, shim, slots
from headway.adapters.local.target import LocalTarget
from headway.model.deployment import DeployOrder, InstanceState
from headway.model.errors import Drifted, Invalid
from headway.model.service import Health, Run

APP = """
import json, os, signal, socket, subprocess, sys, time
mode = os.environ.get("MODE", "")
print("mode", mode, flush=True)
if mode == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "hog":
    hog = bytearray(512 << 20)
if mode == "dies":
    sys.exit(3)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(os.environ["PORT"])))
listener.listen(64)
while True:
    link, _ = listener.accept()
    path = (link.recv(4096).decode().split() or ["", "/"])[1]
    sick = path == "/health" and (mode == "never" or os.path.exists("sick"))
    body = json.dumps(dict(os.environ))
    if path == "/die":
        os._exit(7)
    if path == "/family":
        daemon = "import os,time; os.fork() and os._exit(0); os.setsid(); time.sleep(600)"
        subprocess.run([sys.executable, "-S", "-c", daemon], env={})
        child = subprocess.Popen(["sleep", "600"])
        body = str(child.pid)
    status = "503 Sick" if sick else "200 OK"
    link.sendall(f"HTTP/1.1 {status}\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}".encode())
    link.close()
"""
COMMAND = f"exec {sys.executable} -I -S app.py"
QUICK_STOP = 5.0


T = TypeVar("T")


def until(seen: Callable[[], T], seconds: float = 30.0) -> T:
    """Poll until it is true."""
    end = time.monotonic() + seconds
    while not (value := seen()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)
    return value


def alive(pid: int) -> bool:
    fields = shim.proc_stat(pid)
    return bool(fields) and fields[0] not in "ZX"


@dataclass
class World:
    """One home, one content folder, and what the shims wrote."""

    home: Path
    content: Path
    target: LocalTarget

    def order(self, instances: int = 1, generation: int = 1, **changes: object) -> DeployOrder:
        order = DeployOrder(
            service="shop",
            environment="production",
            release="shop-1",
            digest="sha256:aa",
            generation=generation,
            instances=instances,
            content=str(self.content),
            run=Run(COMMAND, stop_grace_seconds=QUICK_STOP),
            health=Health(timeout_seconds=5.0),
            env={"COLOUR": "green"},
            commit="c0ffee",
        )
        return replace(order, **changes)  # type: ignore[arg-type]

    def observe(self) -> tuple[InstanceState, ...]:
        return self.target.observe("shop", "production")

    def ready(self, order: DeployOrder) -> tuple[InstanceState, ...]:
        self.target.deploy(order)

        def all_ready() -> tuple[InstanceState, ...]:
            seen = self.observe()
            fine = len(seen) == order.instances and all(i.phase == "ready" for i in seen)
            return seen if fine else ()

        return until(all_ready)

    def one(self, phase: str) -> InstanceState:
        def found() -> InstanceState | None:
            return next((i for i in self.observe() if i.phase == phase), None)

        return until(found)

    def ledger(self) -> list[dict[str, object]]:
        path = self.home / "ledger" / "production.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def slot(self, instance: str = "shop-1-1") -> Path:
        return self.home / "instances" / "production" / "shop" / instance

    def read(self, instance: str, name: str) -> dict[str, object]:
        found = json.loads((self.slot(instance) / name).read_text())
        assert isinstance(found, dict)
        return found

    def shim(self, instance: str = "shop-1-1") -> int:
        return int(str(self.read(instance, "state.json")["shim"]))

    def leftovers(self) -> list[str]:
        """Processes of this home: shims by their argument, applications by their environment."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                if os.fsencode(self.home / "instances") in words and alive(int(entry.name)):
                    found.append(f"{entry.name} {words[:80]!r}")
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    content = tmp_path / "content"
    content.mkdir()
    (content / "app.py").write_text(APP)
    made = World(tmp_path / "home", content, LocalTarget(tmp_path / "home"))
    yield made
    for release in {i.release for i in made.observe()}:
        made.target.remove("shop", "production", release, 10**9)
    assert made.leftovers() == []


def get(instance: InstanceState, path: str) -> str:
    with urllib.request.urlopen(f"http://{instance.host}:{instance.port}{path}", timeout=10) as got:
        text: str = got.read().decode()
    return text


# --- deploy -------------------------------------------------------------------------------------


@pytest.mark.seed("S-053")
def test_as_many_as_ordered_get_ready_on_ports_of_their_own(world: World) -> None:
    seen = world.ready(world.order(3))
    assert [i.id for i in seen] == ["shop-1-1", "shop-1-2", "shop-1-3"]
    assert len({i.port for i in seen}) == 3
    assert {(i.release, i.digest, i.generation, i.restarts) for i in seen} == {
        ("shop-1", "sha256:aa", 1, 0)
    }
    assert sorted(line["instance"] for line in world.ledger()) == [i.id for i in seen]  # type: ignore[type-var]


def test_the_application_is_told_who_it_is(world: World) -> None:
    reserved = {"COLOUR": "green", "PORT": "1", "HEADWAY_SERVICE": "other"}
    (one,) = world.ready(world.order(env=reserved, generation=7))
    env = json.loads(get(one, "/env"))
    assert (
        env
        | {
            "PORT": str(one.port),
            "COLOUR": "green",
            "HEADWAY_SERVICE": "shop",
            "HEADWAY_ENVIRONMENT": "production",
            "HEADWAY_RELEASE": "shop-1",
            "HEADWAY_DIGEST": "sha256:aa",
            "HEADWAY_COMMIT": "c0ffee",
            "HEADWAY_INSTANCE": one.id,
            "HEADWAY_GENERATION": "7",
        }
        == env
    )
    assert "PATH" in env
    assert "PYTEST_CURRENT_TEST" not in env


def test_the_same_order_again_starts_nothing(world: World) -> None:
    first = world.ready(world.order(2))
    world.target.deploy(world.order(2))
    assert [(i.pid, i.port) for i in world.observe()] == [(i.pid, i.port) for i in first]
    assert len(world.ledger()) == 2


def test_a_new_generation_alone_restarts_nothing(world: World) -> None:
    first = world.ready(world.order(2))
    second = world.ready(world.order(2, generation=2, health=Health(live="/live")))
    assert [i.pid for i in second] == [i.pid for i in first]
    assert {i.generation for i in second} == {2}
    assert len(world.ledger()) == 2


def test_a_changed_command_or_environment_replaces_the_process(world: World) -> None:
    (first,) = world.ready(world.order())
    (second,) = world.ready(world.order(generation=2, env={"COLOUR": "red"}))
    assert second.pid != first.pid
    assert json.loads(get(second, "/env"))["COLOUR"] == "red"
    assert [line["generation"] for line in world.ledger()] == [1, 2]


def test_an_older_generation_is_refused_and_changes_nothing(world: World) -> None:
    before = world.ready(world.order(2, generation=5))
    with pytest.raises(Drifted) as refused:
        world.target.deploy(world.order(0, generation=4))
    assert refused.value.code == "stale-generation"
    with pytest.raises(Drifted):
        world.target.remove("shop", "production", "shop-1", 4)
    assert [i.pid for i in world.observe()] == [i.pid for i in before]


def test_one_generation_has_one_content_per_release(world: World) -> None:
    world.target.deploy(world.order(1))
    with pytest.raises(Drifted) as refused:
        world.target.deploy(world.order(2))
    assert refused.value.code == "generation-reused"
    world.target.deploy(world.order(1, release="shop-2"))
    assert {i.release for i in world.observe()} == {"shop-1", "shop-2"}


def test_fewer_stops_the_named_ones_first_then_the_highest(world: World) -> None:
    world.ready(world.order(4))
    world.target.deploy(world.order(2, generation=2, stop=("shop-1-1",)))
    assert [i.id for i in world.observe()] == ["shop-1-2", "shop-1-3"]
    world.target.deploy(world.order(2, generation=2, stop=("shop-1-1",)))
    assert [i.id for i in world.observe()] == ["shop-1-2", "shop-1-3"]
    world.ready(world.order(3, generation=3))
    assert [i.id for i in world.observe()] == ["shop-1-1", "shop-1-2", "shop-1-3"]
    assert world.target.deploy(world.order(0, generation=4)) == ()
    assert world.leftovers() == []


def test_two_servers_at_once_start_each_slot_once(world: World) -> None:
    threads = [
        threading.Thread(target=LocalTarget(world.home).deploy, args=(world.order(3),))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(world.observe()) == 3
    assert len(world.ledger()) == 3


DEPLOY = """
import dataclasses, json, sys
from pathlib import Path
from headway.adapters.local.target import LocalTarget
from headway.model.deployment import DeployOrder
from headway.model.service import Health, Run
order = json.loads(sys.argv[2])
order |= {"run": Run(**order["run"]), "health": Health(**order["health"]), "stop": ()}
LocalTarget(Path(sys.argv[1])).deploy(DeployOrder(**order))
"""


@pytest.mark.parametrize(("file", "count"), [("spec.json", 1), ("spec.json", 4), ("state.json", 1)])
def test_a_server_killed_in_the_middle_is_completed_without_a_double(
    world: World, file: str, count: int
) -> None:
    order = world.order(5)
    words = [str(world.home), json.dumps(dataclasses.asdict(order))]
    server = subprocess.Popen([sys.executable, "-c", DEPLOY, *words])
    folder = world.slot().parent
    until(lambda: server.poll() is not None or len(list(folder.glob(f"*/{file}"))) >= count)
    server.kill()
    assert server.wait(10) == -signal.SIGKILL, "it was too fast to be killed in the middle"
    seen = world.ready(order)
    assert len(seen) == 5
    firsts = [line["instance"] for line in world.ledger() if line["why"] == "first"]
    assert sorted(map(str, firsts)) == [i.id for i in seen]
    assert len(world.ledger()) == 5


@pytest.mark.soak
def test_servers_killed_at_any_moment_of_any_order(world: World) -> None:
    """60 orders, each cut short at a random moment: nothing runs twice, nothing is lost."""
    chance = random.Random(7)
    running: set[str] = set()
    cut = 0
    for generation in range(1, 61):
        order = world.order(chance.randrange(6), generation, health=Health(path=None))
        words = [str(world.home), json.dumps(dataclasses.asdict(order))]
        server = subprocess.Popen([sys.executable, "-c", DEPLOY, *words])
        time.sleep(chance.uniform(0.08, 0.3))
        server.kill()
        cut += server.wait(10) != 0
        seen = {i.id for i in world.target.deploy(order)}
        assert len(seen) == order.instances
        started = [line["instance"] for line in world.ledger() if line["generation"] == generation]
        assert sorted(map(str, started)) == sorted(seen - running)
        running = seen
    print(f"{cut} of 60 servers were killed before their end")
    assert cut >= 10


# --- what is seen -------------------------------------------------------------------------------


def test_another_server_finds_the_same_instances(world: World) -> None:
    def lasting(instances: Iterable[InstanceState]) -> list[InstanceState]:
        return [replace(i, cpu_seconds=None, memory_bytes=None) for i in instances]

    before = world.ready(world.order(2))
    after = LocalTarget(world.home).observe("shop", "production")
    assert lasting(after) == lasting(before)


@pytest.mark.seed("S-067")
def test_an_instance_that_never_answers_well_stays_unready(world: World) -> None:
    world.target.deploy(world.order(env={"MODE": "never"}))
    assert world.one("unready").exit_status is None
    time.sleep(0.3)
    (still,) = world.observe()
    assert (still.phase, still.restarts) == ("unready", 0)


@pytest.mark.seed("S-067")
def test_readiness_comes_and_goes_without_a_restart(world: World) -> None:
    (first,) = world.ready(world.order())
    (world.content / "sick").touch()
    world.one("unready")
    (world.content / "sick").unlink()
    assert world.one("ready").pid == first.pid


def test_readiness_by_command_sees_the_port(world: World) -> None:
    ask = f"test -e allowed && {sys.executable} -S -c \"import os; int(os.environ['PORT'])\""
    world.target.deploy(world.order(health=Health(path=None, command=ask, timeout_seconds=10)))
    world.one("unready")
    (world.content / "allowed").touch()
    world.one("ready")


def test_a_dead_application_is_restarted_and_its_status_kept(world: World) -> None:
    (first,) = world.ready(world.order())
    with contextlib.suppress(OSError):
        get(first, "/die")
    again = until(lambda: next((i for i in world.observe() if i.restarts and i.pid), None))
    again = world.one("ready")
    assert (again.exit_status, again.restarts) == (7, 1)
    assert again.pid != first.pid
    ends = world.read(again.id, "state.json")["ends"]
    assert isinstance(ends, list)
    assert [(end["status"], end["why"]) for end in ends] == [(7, "exit")]
    assert [line["why"] for line in world.ledger()] == ["first", "restart"]


def test_a_crash_loop_is_visible_and_slows_down(world: World) -> None:
    world.target.deploy(world.order(env={"MODE": "dies"}))
    seen = world.one("crash_loop")
    assert seen.exit_status == 3
    assert seen.restarts >= shim.CRASHES - 1
    starts = [float(str(line["at"])) for line in world.ledger()][: shim.CRASHES]
    waits = [later - former for former, later in itertools.pairwise(starts)]
    assert waits[0] >= shim.BACKOFF_SECONDS
    assert waits[1] >= 2 * shim.BACKOFF_SECONDS
    assert "mode dies" in world.target.logs("shop", "production", seen.id)


def test_a_port_taken_by_somebody_else_is_not_our_readiness(world: World) -> None:
    """The application cannot bind; a stranger answers 200 on its port; it must not look ready."""
    world.target.deploy(world.order(run=Run("exec sleep 600", stop_grace_seconds=1)))
    (silent,) = world.observe()
    other = subprocess.Popen(
        [sys.executable, "-I", "-S", "app.py"],
        cwd=world.content,
        env={"PORT": str(silent.port)},
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: _answers(silent))
        assert [i.phase for i in world.observe()] == ["unready"]
    finally:
        other.kill()
        other.wait()


def _answers(instance: InstanceState) -> bool:
    try:
        return bool(get(instance, "/health"))
    except OSError:
        return False


def test_a_port_in_use_is_left_for_another(world: World) -> None:
    (first,) = world.ready(world.order())
    os.kill(world.shim(), signal.SIGKILL)
    until(lambda: not alive(first.pid or 0))
    other = subprocess.Popen(
        [sys.executable, "-I", "-S", "app.py"],
        cwd=world.content,
        env={"PORT": str(first.port)},
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: _answers(first))
        assert world.one("ready").port != first.port
    finally:
        other.kill()
        other.wait()


# --- the end ------------------------------------------------------------------------------------


def test_remove_leaves_nothing_and_forgets(world: World) -> None:
    world.ready(world.order(2))
    world.target.remove("shop", "production", "shop-1", 2)
    assert world.observe() == ()
    assert world.leftovers() == []
    assert not world.slot().exists()
    world.target.remove("shop", "production", "shop-1", 2)
    LocalTarget(world.home).remove("never", "seen", "shop-1", 1)


def test_remove_stops_only_its_release(world: World) -> None:
    world.target.deploy(world.order(1))
    world.target.deploy(world.order(1, release="shop-2", generation=2))
    world.target.remove("shop", "production", "shop-1", 3)
    assert [i.id for i in world.observe()] == ["shop-2-1"]


def test_who_ignores_the_signal_is_killed_after_the_grace(world: World) -> None:
    run = Run(COMMAND, stop_grace_seconds=0.5)
    (one,) = world.ready(world.order(run=run, env={"MODE": "deaf"}))
    began = time.monotonic()
    world.target.remove("shop", "production", "shop-1", 2)
    assert time.monotonic() - began >= 0.5
    assert not alive(one.pid or 0)


def test_children_and_daemons_end_with_their_instance(world: World) -> None:
    (one,) = world.ready(world.order(run=Run(COMMAND, stop_grace_seconds=0.5)))
    before = shim.descendants(world.shim())
    child = int(get(one, "/family"))
    family = [pid for pid in shim.descendants(world.shim()) if pid not in before]
    assert child in family
    assert len(family) == 2, "a child, and a daemon in a session of its own"
    world.target.remove("shop", "production", "shop-1", 2)
    assert [pid for pid in family if alive(pid)] == []


@pytest.mark.parametrize("cgroups", ["as here", "none"])
def test_a_memory_hog_is_stopped_at_its_limit(
    world: World, cgroups: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cgroups == "none":
        monkeypatch.setattr(limits, "_ROOT", world.content)
    run = Run(COMMAND, memory_bytes=64 << 20, stop_grace_seconds=1)
    world.target.deploy(world.order(run=run, env={"MODE": "hog"}))
    how = world.read("shop-1-1", "state.json")["limits"]
    if how == {"memory": "none"}:
        pytest.skip("this machine allows no memory limit")
    seen = until(lambda: next((i for i in world.observe() if i.exit_status is not None), None))
    ends = until(lambda: world.read("shop-1-1", "state.json")["ends"])
    assert isinstance(ends, list)
    if how == {"memory": "rlimit"}:
        assert seen.exit_status == 1
        assert "MemoryError" in world.target.logs("shop", "production", seen.id)
    else:
        assert (seen.exit_status, ends[0]["why"]) == (-signal.SIGKILL, "memory")


def test_the_limits_in_force_are_on_record_and_gone_afterwards(world: World) -> None:
    world.ready(world.order(run=Run(COMMAND, cpu=0.5, memory_bytes=256 << 20)))
    made = world.read("shop-1-1", "spec.json")["cgroups"]
    assert isinstance(made, list)
    assert world.read("shop-1-1", "state.json")["limits"].keys() == {"memory", "cpu"}  # type: ignore[attr-defined]
    if not made:
        pytest.skip("this machine gives no cgroups")
    (one,) = world.observe()
    for folder in made:
        assert str(one.pid) in Path(folder, "cgroup.procs").read_text().split()
    world.target.remove("shop", "production", "shop-1", 2)
    assert [folder for folder in made if Path(folder).exists()] == []


# --- the shim dies ------------------------------------------------------------------------------


@pytest.mark.parametrize("healer", ["observe", "deploy"])
def test_a_killed_shim_is_replaced_and_its_application_too(world: World, healer: str) -> None:
    (first,) = world.ready(world.order())
    get(first, "/family")
    family = shim.descendants(world.shim())
    os.kill(world.shim(), signal.SIGKILL)
    until(lambda: not alive(first.pid or 0))
    if healer == "deploy":
        world.target.deploy(world.order())
    second = world.one("ready")
    left = [pid for pid in family if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    if world.read("shop-1-1", "spec.json")["cgroups"]:
        assert left == []
    else:
        assert len(left) <= 1, "only a daemon without an environment may be lost"
    assert second.pid != first.pid
    assert [line["why"] for line in world.ledger()] == ["first", "restart"]


def test_clearing_up_spares_what_a_living_shim_started(world: World) -> None:
    """A shim launched by a server that was killed may come up while another one clears up."""
    (one,) = world.ready(world.order())
    slots.clear(slots.Slot(world.slot()))
    assert alive(one.pid or 0)


def test_a_recorded_pid_that_is_somebody_elses_is_not_believed(world: World) -> None:
    (first,) = world.ready(world.order())
    os.kill(world.shim(), signal.SIGKILL)
    until(lambda: not alive(first.pid or 0))
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            path = world.slot() / "state.json"
            lie = {"shim": stranger.pid, "pid": stranger.pid, "phase": "running"}
            path.write_text(json.dumps(json.loads(path.read_text()) | lie))
            assert world.one("ready").pid != stranger.pid
            world.target.remove("shop", "production", "shop-1", 2)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_stop_cut_short_is_ended_by_the_next_look(world: World) -> None:
    world.ready(world.order(2))
    path = world.slot("shop-1-2") / "spec.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"wanted": False}))
    until(lambda: [i.id for i in world.observe()] == ["shop-1-1"])


# --- bad orders ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"run": Run(COMMAND, path="../..")}, "outside"),
        ({"run": Run(COMMAND, path="/etc")}, "outside"),
        ({"run": Run(COMMAND, path="nowhere")}, "missing-content"),
        ({"service": "../shop"}, "bad-name"),
        ({"environment": ".."}, "bad-name"),
        ({"release": "a/b"}, "bad-name"),
        ({"instances": -1}, "bad-instances"),
        ({"env": {"A=B": "c"}}, "bad-variable"),
        ({"env": {"A": "\0"}}, "bad-variable"),
        ({"health": Health(path="/x HTTP/1.1\r\nA: b")}, "bad-path"),
    ],
)
def test_a_bad_order_changes_nothing(world: World, changes: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        world.target.deploy(replace(world.order(), **changes))  # type: ignore[arg-type]
    assert refused.value.code == code
    assert not world.home.exists()


def test_logs_of_an_unknown_instance(world: World) -> None:
    for name in ("shop-1-9", "../../x"):
        with pytest.raises(Invalid):
            world.target.logs("shop", "production", name)


def test_a_home_deeper_than_a_socket_path_may_be(world: World, tmp_path: Path) -> None:
    deep = World(tmp_path / ("d" * 120) / "home", world.content, world.target)
    deep.target = LocalTarget(deep.home)
    deep.ready(deep.order())
    deep.target.remove("shop", "production", "shop-1", 2)
    assert deep.leftovers() == []


@pytest.mark.seed("S-163")
def test_it_tells_what_all_processes_of_an_instance_use(world: World) -> None:
    """A worker of the application counts, too."""
    burn = "python3 -c 'import time\nheld = b\"x\" * (60 << 20)\nwhile True: sum(range(1000))' & "
    run = Run(f"{burn}{COMMAND}", stop_grace_seconds=QUICK_STOP)
    world.ready(world.order(run=run))

    def busy() -> InstanceState | None:
        (one,) = world.observe()
        known = one.cpu_seconds is not None and one.memory_bytes is not None
        enough = known and one.cpu_seconds > 0.5 and one.memory_bytes > 60 << 20  # type: ignore[operator]
        return one if enough else None

    first = until(busy)
    assert first.memory_bytes < 1 << 30  # type: ignore[operator]
    again = until(
        lambda: next((i for i in world.observe() if i.cpu_seconds > first.cpu_seconds), 0)
    )  # type: ignore[operator]
    assert again
