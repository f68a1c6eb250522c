"""A home with every part real, whose engine is a process of its own that can be killed.

One stage lives long: v1 goes live once, and every further delivery is one more version on the same
home, under the same load. Used by test_kill_sweep.py and test_readopt.py.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.flows import kill_child
from tests.flows.kill_child import Life
from tests.support import ledger
from tests.support.load import Tally

from headway.adapters.envoy.proxy import EnvoyProxy
from headway.flows import commands
from headway.model.delivery import Delivery, Place
from headway.model.event import Event
from headway.store import log, records
from headway.wiring import Headway
from headway.wiring import Place as Where

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.flows.kill_child"])
SHOP = "shop"
ENVIRONMENTS = ("staging", "production")
LIFE_SECONDS = 120.0
TIMED = frozenset({"rollout.judged", "rollout.held", "rollout.baseline", "rollout.compared"})
BESIDE = "alert."  # told by rounds beside the journey, whenever they come by

WORKFLOW = """\
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: mkdir dist && cp server.py dist/
      - uses: actions/upload-artifact@v4
        with: {name: dist, path: dist}
"""
CONFIG = """\
service: shop
run: {command: exec PYTHON -I -S server.py, instances: 2}
analysis: {pace: quick, insufficient_data: POLICY}
environments:
  staging: {run: {instances: 1}}
  production: {rollout: ROLLOUT}
"""
CANARY = "{strategy: canary, steps: [50%, 100%], stability: 500ms}"
BLUE_GREEN = "{strategy: blue-green, bake: 500ms, stability: 500ms, keep_old: 1s}"
SHADOW = "{strategy: shadow, mirror: 100%, bake: 500ms}"
AT_ONCE = "{strategy: blue-green, bake: 0s, stability: 0s, keep_old: 0s}"
SERVER = """\
import os, random, signal, socket, threading, time

VERSION, FAULTS, STOPS_IN = "@VERSION", @FAULTS, @STOPS_IN


def serve(link):
    data = b""
    while True:
        while b"\\r\\n\\r\\n" not in data:
            more = link.recv(65536)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\\r\\n\\r\\n")
        bad = head.split()[1] == b"/" and random.random() < FAULTS
        status = "500 Fault" if bad else "200 OK"
        answer = f"HTTP/1.1 {status}\\r\\ncontent-length: 2\\r\\nx-version: {VERSION}\\r\\n\\r\\nok"
        link.sendall(answer.encode())


def guarded(link):
    with link:
        try:
            serve(link)
        except OSError:
            pass


def stop(*_):
    if os.environ["HEADWAY_INSTANCE"].endswith("-2"):
        time.sleep(STOPS_IN)
    os._exit(0)


signal.signal(signal.SIGTERM, stop)
door = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=128)
while True:
    threading.Thread(target=guarded, args=(door.accept()[0],), daemon=True).start()
"""


@dataclass(frozen=True)
class Version:
    """What to deliver. `faults`: the part of the users' requests that it answers 500. `stops_in`:
    seconds that the second instance takes to stop.
    """

    rollout: str = CANARY
    faults: float = 0.0
    policy: str = "promote_unproven"
    stops_in: float = 0.0


@dataclass(frozen=True)
class End:
    """All that must be the same however often the engine was killed on the way. Releases are
    called new and old; counts are of this delivery alone.
    """

    outcome: str
    shares: dict[str, dict[str, float]]
    instances: dict[str, dict[str, int]]
    places: dict[str, tuple[object, ...]]
    kinds: list[str]
    starts: dict[str, dict[str, int]]
    reloads: dict[str, int]


@dataclass(frozen=True)
class Before:
    """Where things stood before a delivery: places, and lines of the ledgers."""

    places: dict[str, Place]
    starts: dict[str, int]
    reloads: dict[str, int]


class Stage:
    """`folder` gets the home and the repository. Nothing runs until `life` or `serving`."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self.home, self.repo = folder / "home", folder / "repo"
        self.database = database or f"sqlite:///{self.home / 'headway.db'}"
        self.headway = Headway(Where(self.home, self.database))
        self.version = 0
        self._lives: list[BaseProcess] = []
        self._git("init", "--quiet", "--initial-branch=main", str(self.repo))
        with self.serving():
            pass  # the engine makes its own tables

    # --- asking ---

    def request(self, version: Version) -> str:
        """Commit the next version and ask for its delivery; gives the delivery's id."""
        self.version += 1
        config = CONFIG.replace("PYTHON", sys.executable).replace("ROLLOUT", version.rollout)
        code = SERVER.replace("@VERSION", str(self.version))
        code = code.replace("@FAULTS", str(version.faults))
        code = code.replace("@STOPS_IN", str(version.stops_in))
        (self.repo / ".github" / "workflows").mkdir(parents=True, exist_ok=True)
        (self.repo / ".github" / "workflows" / "deliver.yml").write_text(WORKFLOW)
        (self.repo / "headway.yaml").write_text(config.replace("POLICY", version.policy))
        (self.repo / "server.py").write_text(code)
        self._git("-C", str(self.repo), "add", "--all")
        self._git("-C", str(self.repo), "commit", "--quiet", "-m", f"Version {self.version}")
        commit = self.headway.world.source.commit(str(self.repo), "HEAD")
        asked = commands.Request(SHOP, commit, "ana")
        with self.headway.tx() as tx:
            return commands.request(tx, self.headway.outbox, asked)

    def _git(self, *arguments: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        who = {"GIT_AUTHOR_NAME": "Ana", "GIT_AUTHOR_EMAIL": "ana@example.com"}
        who |= {"GIT_COMMITTER_NAME": "Ana", "GIT_COMMITTER_EMAIL": "ana@example.com"}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(["git", *arguments], env=kept | who | alone, check=True, timeout=60)

    # --- processes ---

    def start(self, flow: str = "", kill_at: str = "", *, ends: bool = False) -> BaseProcess:
        """One life of the engine's process; see Life."""
        what = Life(str(self.home), self.database, str(self.points_file), flow, kill_at, ends)
        self._lives.append(PROCESSES.Process(target=kill_child.main, args=(what,)))
        self._lives[-1].start()
        return self._lives[-1]

    @property
    def points_file(self) -> Path:
        return self.home / "points"

    def run(self, delivery: str, kill_at: str = "") -> bool:
        """One life, to its end; gives whether it was killed at the point."""
        self.points_file.write_text("")
        life = self.start(delivery, kill_at, ends=True)
        life.join(LIFE_SECONDS)
        code = life.exitcode
        self._over(life)
        assert code in ((0, -signal.SIGKILL) if kill_at else (0,)), self.told()
        return code == -signal.SIGKILL

    def deliver(self, version: Version, kill_at: str = "") -> tuple[str, bool]:
        """A whole delivery, killed once at the point, then let run to its end."""
        delivery = self.request(version)
        killed = self.run(delivery, kill_at)
        if killed:
            self.run(delivery)
        return delivery, killed

    @contextmanager
    def serving(self) -> Iterator[BaseProcess]:
        """The engine's process without a delivery; ended with SIGKILL, as always here."""
        life = self.start()
        try:
            self.until(lambda: self._ready(life), "the engine runs")
            yield life
        finally:
            life.kill()
            life.join(30)
            self._over(life)

    def _over(self, life: BaseProcess) -> None:
        """It keeps no descriptors here; a long sweep has hundreds of lives."""
        if life.exitcode is not None:
            self._lives.remove(life)
            life.close()

    def _ready(self, life: BaseProcess) -> bool:
        assert life.is_alive(), self.told()
        file = self.home / "ready"
        return file.exists() and file.read_text() == str(life.pid)

    def until(self, test: Any, what: str, within: float = 60.0) -> Any:
        deadline = time.monotonic() + within
        while not (found := test()):
            assert time.monotonic() < deadline, f"not within {within:g} s: {what}\n{self.told()}"
            time.sleep(0.05)
        return found

    def told(self) -> str:
        """The last words of the engine's process, and of the home's log."""
        logs = [self.home / "child.log", self.home / "log" / "headway.log"]
        return "\n".join(f.read_text(errors="replace")[-3000:] for f in logs if f.exists())

    def close(self) -> None:
        """Nothing of the home may outlive the test."""
        for life in self._lives:
            life.kill()
            life.join(30)
        deadline = time.monotonic() + 30
        while left := [*ledger.shims(self.home).values(), *ledger.pids(self.home)]:
            for pid in left:
                kill(pid)
            assert time.monotonic() < deadline, f"{left} do not die"
            time.sleep(0.02)
        for environment in ENVIRONMENTS:
            if (who := EnvoyProxy(self.home, environment).running()) is not None:
                kill(who.pid)
        self.headway.outbox.close()
        self.headway.db.dispose()

    # --- looking ---

    def points(self) -> list[str]:
        return self.points_file.read_text().splitlines()

    def delivery(self, id: str) -> Delivery:
        with self.headway.reading() as connection:
            return records.delivery(connection, id)

    def place(self, environment: str) -> Place:
        with self.headway.reading() as connection:
            return records.place(connection, SHOP, environment)

    def events(self, **where: str) -> list[Event]:
        with self.headway.reading() as connection:
            return log.after(connection, 0, limit=1_000_000, **where)

    def before(self) -> Before:
        return Before(
            {e: self.place(e) for e in ENVIRONMENTS},
            {e: len(ledger.starts(self.home, e)) for e in ENVIRONMENTS},
            {e: len(ledger.reloads(self.home, e)) for e in ENVIRONMENTS},
        )

    def end(self, id: str, before: Before) -> End:
        """The end state of a delivery, as the world and the records tell it now."""
        done, world = self.delivery(id), self.headway.world
        assert done.state == "done", done
        shares: dict[str, dict[str, float]] = {}
        instances: dict[str, dict[str, int]] = {}
        places: dict[str, tuple[object, ...]] = {}
        starts: dict[str, dict[str, int]] = {}
        reloads: dict[str, int] = {}
        for name, former in before.places.items():
            said = {done.release: "new", former.stable: "old"}
            routed = world.router.observe(SHOP, name)
            assert routed is not None
            shares[name] = {said[r]: s for r, s in routed.shares.items()}
            seen = world.targets["local"].observe(SHOP, name)
            instances[name] = Counter(f"{said[i.release]} {i.phase}" for i in seen)
            now = self.place(name)
            told = (said[now.stable], now.candidate, now.rollout, now.holder, now.address)
            places[name] = (*told, now.generation - former.generation)
            new = ledger.starts(self.home, name)[before.starts[name] :]
            starts[name] = Counter(f"{said[line['release']]} {line['why']}" for line in new)
            reloads[name] = len(ledger.reloads(self.home, name)) - before.reloads[name]
        told = [e.kind for e in self.events(delivery=id) if not e.kind.startswith(BESIDE)]
        kinds = [kind for kind in told if kind not in TIMED]
        return End(done.outcome, shares, instances, places, kinds, starts, reloads)

    def address(self) -> str:
        return self.place("production").address


def kill(pid: int) -> None:
    """SIGKILL; gone already is as good."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def lost(tally: Tally, *, own_faults: bool = False) -> int:
    """Requests that got no good answer. A 500 is the application's own word: the proxy and the
    delivery never say it (theirs are refusals, resets, 502, 503 and 504).
    """
    return tally.failed - (tally.statuses[500] if own_faults else 0)
