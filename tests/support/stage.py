"""A whole Headway on real parts in a home of its own: Git, processes, OCI, keys, Envoy, SQLite.

Used by the e2e tests: `with Stage() as stage, stage.engine(): stage.deliver(stage.commit(…))`.
Nothing outlives the block: instances, shims and proxies are ended through the parts themselves.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from headway.adapters.beside.process import Beside
from headway.adapters.envoy.proxy import EnvoyProxy
from headway.adapters.local.target import LocalTarget
from headway.cli.main import main
from headway.cli.server import read_state
from headway.flows import commands, roll_back
from headway.flows.commands import Request, Word
from headway.model.delivery import Delivery, Place, Release
from headway.model.deployment import InstanceState
from headway.model.event import Event
from headway.model.pace import PACES, Pace
from headway.model.routing import Routed
from headway.model.verdict import Outcome, Verdict
from headway.ports.policy_engine import PolicyEngine, Promotion
from headway.store import log, records
from headway.wiring import Headway, locate
from tests.support import forked
from tests.support.forked import Forked
from tests.support.load import Load

ENVIRONMENTS = ("staging", "production")
# Nothing of what must be proven is in a pace, so a test may hurry where it waits for nobody.
HURRY = Pace("quick", 1.0, 0.5, 0.5, 0.3, 0.5, 0.3, 30, (1.5, 1.5, 1.5), 20)

APP = """\
import itertools, os, socket, sys, threading, time

VERSION, ERRORS, SLOW, READY, DIES_AFTER, CRASHES = {constants!r}
asked = itertools.count(1)


def answer(link):
    left = b""
    while True:
        while b"\\r\\n\\r\\n" not in left:
            more = link.recv(65536)
            if not more:
                return
            left += more
        head, _, left = left.partition(b"\\r\\n\\r\\n")
        status = "200 OK"
        if head.startswith(b"GET /health"):
            status = status if READY else "503 Not Ready"
        else:
            number = next(asked)
            if DIES_AFTER and number >= DIES_AFTER:
                os._exit(3)
            if number * SLOW % 1 < SLOW:
                time.sleep(0.05)
            if number * ERRORS % 1 < ERRORS:
                status = "500 Own Fault"
        head = f"HTTP/1.1 {{status}}\\r\\ncontent-length: 2\\r\\nx-version: {{VERSION}}"
        link.sendall(f"{{head}}\\r\\n\\r\\nok".encode())


def serve(link):
    with link:
        try:
            answer(link)
        except OSError:
            pass


if CRASHES:
    sys.exit("cannot read the price list")
door = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=256)
while True:
    threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()
"""

WORKFLOW = """\
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: mkdir dist && cp app.py dist/
      - uses: actions/upload-artifact@v4
        with: {name: dist, path: dist}
"""

# A production that takes no time: what a test is not about does not wait.
AT_ONCE = "rollout: {strategy: blue-green, bake: 0s, keep_old: 0s, stability: 0s}"
# Two proven steps, with margins that a few hundred requests can prove.
CANARY = """\
rollout: {strategy: canary, steps: [30%, 100%], holdback: 10%, stability: 1s}
    analysis:
      pace: quick
      errors: {absolute: 5%, relative: 50%}
      latency: {relative: 300%}
    traffic: {sticky: {header: x-user}}"""


STAGING = """
  staging:
    run: {instances: 1}
    rollout: {strategy: rolling, stability: 0s}"""


def config(
    production: str = AT_ONCE, instances: int = 1, more: str = "", *, staging: bool = True
) -> str:
    """A headway.yaml; `production` and `more` are blocks of that environment and of the top."""
    return f"""\
service: shop
run:
  command: {sys.executable} -I -S app.py
  instances: {instances}
  stop: {{grace: 5s}}
health: {{path: /health, interval: 200ms, timeout: 2s, ready_within: 20s}}
{more}
environments:{STAGING if staging else ""}
  production:
    {production}
"""


class Stage:
    """One home, one repository `shop`. `policies` are asked by the engine of this process;
    `database`: the URL of an empty one, instead of a file.
    """

    def __init__(self, *policies: PolicyEngine, database: str = "") -> None:
        self.base = Path(tempfile.mkdtemp(prefix="hws"))
        self.home, self.repo = self.base / "h", self.base / "shop"
        self.headway = Headway(locate(str(self.home), {"HEADWAY_DATABASE": database}))
        self.policies = list(policies)
        self.world = self.headway.world
        self.swap(policies=_Live(self.policies))
        self._commits = 0
        self.repo.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def swap(self, **parts: Any) -> None:
        """Before the engine runs: other parts of the world."""
        self.world = replace(self.world, **parts)
        self.headway.__dict__["world"] = self.world

    def before(self, environment: str, once: Callable[[Promotion], object]) -> None:
        """Do something once, between the build and the door of the environment."""
        self.policies.append(_Once(environment, once, self.policies))

    def close(self) -> None:
        """End everything that this home started, and forget it."""
        clear(self.home)
        if "outbox" in self.headway.__dict__:
            self.headway.outbox.close()
        self.headway.db.dispose()
        shutil.rmtree(self.base)

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"]
        done = subprocess.run(
            ["git", "-C", str(self.repo), *who, *arguments],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    def commit(
        self,
        yaml: str | None = None,
        *,
        workflow: str = WORKFLOW,
        author: str = "Ana <ana@example.org>",
        files: dict[str, str] | None = None,
        version: str = "",
        errors: float = 0.0,
        slow: float = 0.0,
        ready: bool = True,
        dies_after: int = 0,
        crashes: bool = False,
    ) -> str:
        """Commit the application as described; gives the sha. Every commit is another artifact
        unless `version` says otherwise.
        """
        self._commits += 1
        named = version or f"v{self._commits}"
        constants = (named, errors, slow, ready, dies_after, crashes)
        written = {
            "headway.yaml": config() if yaml is None else yaml,
            ".github/workflows/deliver.yml": workflow,
            "app.py": APP.format(constants=constants),
        } | (files or {})
        for name, text in written.items():
            path = self.repo / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", f"--author={author}", "-m", f"Shop {named}")
        return self.git("rev-parse", "HEAD")

    @contextlib.contextmanager
    def engine(self, pace: Pace = HURRY) -> Iterator[None]:
        """Deliveries run in this process, at this pace and without long looks back, until the
        block ends.
        """
        former = PACES["quick"], roll_back.RECOVERY_SECONDS
        PACES["quick"], roll_back.RECOVERY_SECONDS = pace, 0.3
        try:
            with self.headway.engine():
                yield
        finally:
            PACES["quick"], roll_back.RECOVERY_SECONDS = former

    @contextlib.contextmanager
    def server(self, pace: Pace = HURRY, more: str = "") -> Iterator[Forked]:
        """`headway server` in a process of its own, at this pace, until the block ends. `more`:
        what the process does first, in Python.
        """
        log = (self.base / "server.log").open("ab")
        process = forked.start(
            ["--home", str(self.home), "server", "--port", "0"],
            log,
            before=f"from headway.model.pace import PACES, Pace\nPACES['quick'] = {pace!r}\n{more}",
        )
        try:
            eventually(lambda: self._serves(process.pid), self._server_log, 60)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()

    def _serves(self, pid: int) -> bool:
        """Whether that very server has said where it is: one that was killed says so still."""
        known = read_state(self.home)
        return known is not None and known["pid"] == pid

    def _server_log(self) -> str:
        return (self.base / "server.log").read_text()

    def request(self, sha: str, to: str = "", by: str = "ben") -> str:
        """Ask for a delivery; gives its id."""
        commit = self.world.source.commit(str(self.repo), sha)
        with self.headway.tx() as tx:
            return commands.request(tx, self.headway.outbox, Request("shop", commit, by, to))

    def deliver(self, sha: str, to: str = "", within: float = 90.0) -> Delivery:
        """Ask for it and wait for its end."""
        return self.ended(self.request(sha, to), within)

    def ended(self, id: str, within: float = 90.0) -> Delivery:
        return self.until(id, lambda d: d.state == "done", within)

    def until(self, id: str, test: Callable[[Delivery], bool], within: float = 90.0) -> Delivery:
        """The delivery as it is once the test says yes, or has ended."""

        def there() -> bool:
            known = self.delivery(id)
            return test(known) or known.state == "done"

        eventually(there, lambda: self._story(id), within)
        return self.delivery(id)

    def happened(self, kind: str, within: float = 60.0, **where: str) -> Event:
        """The last event of the kind, waited for."""
        eventually(
            lambda: bool(self.events(kind=kind, **where)),
            lambda: f"no {kind} {where}: {self.kinds()[-12:]}",
            within,
        )
        return self.events(kind=kind, **where)[-1]

    def _story(self, id: str) -> str:
        told = [
            (e.kind, e.environment, e.data.get("because", "")) for e in self.events(delivery=id)
        ]
        return f"{self.delivery(id)}\n{told[-12:]}"

    def say(
        self, delivery: str, verb: Any, reason: str = "test", environment: str = "production"
    ) -> None:
        with self.headway.tx() as tx:
            commands.say(tx, self.headway.outbox, delivery, Word(verb, "ben", reason, environment))

    def delivery(self, id: str) -> Delivery:
        with self.headway.reading() as connection:
            return records.delivery(connection, id)

    def release(self, name: str) -> Release:
        with self.headway.reading() as connection:
            return records.release(connection, name)

    def events(self, **where: str) -> list[Event]:
        with self.headway.reading() as connection:
            return log.after(connection, 0, limit=1_000_000, **where)

    def kinds(self, **where: str) -> list[str]:
        return [e.kind for e in self.events(**where)]

    def seq(self) -> int:
        """Of the last event that somebody or something done made; alerts tell of them later."""
        return max((e.seq for e in self.done()), default=0)

    def done(self) -> list[Event]:
        """Every event but those of alerts, which may come at any time after what they tell of."""
        return [e for e in self.events() if not e.kind.startswith("alert.")]

    def place(self, environment: str = "production") -> Place:
        with self.headway.reading() as connection:
            return records.place(connection, "shop", environment)

    def routed(self, environment: str = "production") -> Routed | None:
        """Asked of Envoy."""
        return self.world.router.observe("shop", environment)

    def shares(self, environment: str = "production") -> dict[str, float]:
        routed = self.routed(environment)
        return {} if routed is None else {r: s for r, s in routed.shares.items() if s}

    def address(self, environment: str = "production") -> str:
        routed = self.routed(environment)
        assert routed is not None
        return routed.address

    def instances(self, environment: str = "production") -> tuple[InstanceState, ...]:
        """Asked of the shims."""
        return self.world.targets["local"].observe("shop", environment)

    def load(self, rate: float = 150.0, environment: str = "production") -> Load:
        """Users of the environment, ten of them."""
        return Load(self.address(environment), connections=10, rate=rate)

    def picture(self) -> dict[str, object]:
        """What users and operators could notice: who is in charge, what Envoy does, which processes
        run. Generations are left out: they count attempts.
        """
        return {name: self._picture(name) for name in ENVIRONMENTS}

    def _picture(self, environment: str) -> tuple[object, ...]:
        place, routed = self.place(environment), self.routed(environment)
        points = sorted(
            (release, e.host, e.port)
            for release, found in (routed.endpoints.items() if routed else ())
            for e in found
            if not e.draining
        )
        route = routed and (self.shares(environment), routed.address, points)
        running = sorted((i.id, i.pid, i.port, i.phase) for i in self.instances(environment))
        return (place.stable, place.candidate, place.rollout, place.holder, route, running)

    def run(self, *arguments: str) -> Result:
        """The command line in this process: exit code, stdout, stderr."""
        return CliRunner().invoke(main, ["--home", str(self.home), *arguments])

    def cli(self, *arguments: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        """The command line in a process of its own."""
        words = ["--home", str(self.home), *arguments]
        return forked.run(words, env={**os.environ, "NO_COLOR": "1"}, **more)


class _Live(Sequence[PolicyEngine]):
    """The stage's policies as the world has them, so that a test can add and take away."""

    def __init__(self, policies: list[PolicyEngine]) -> None:
        self._policies = policies

    def __getitem__(self, index: Any) -> Any:
        return list(self._policies)[index]

    def __iter__(self) -> Iterator[PolicyEngine]:
        return iter(list(self._policies))

    def __len__(self) -> int:
        return len(self._policies)


class _Once:
    """No rule: a moment in a delivery at which a test does something to the world."""

    def __init__(
        self, environment: str, do: Callable[[Promotion], object], among: list[PolicyEngine]
    ) -> None:
        self._environment, self._do, self._among = environment, do, among

    def judge(self, promotion: Promotion) -> Verdict:
        if promotion.environment == self._environment:
            self._among.remove(self)
            self._do(promotion)
        return Verdict("test", Outcome.PASS, "no rule")


def eventually(test: Callable[[], bool], tell: Callable[[], str], within: float = 60.0) -> None:
    """Return when the test says yes."""
    deadline = time.monotonic() + within
    while not test():
        assert time.monotonic() < deadline, f"not within {within:g} s: {tell()}"
        time.sleep(0.05)


def clear(home: Path) -> None:
    """End every instance, proxy and process beside a rollout of a home."""
    for folder in sorted((home / "beside").glob("*/*/*")):
        Beside(folder, "test").stop(10**9)
    target = LocalTarget(home)
    for folder in sorted((home / "instances").glob("*/*")):
        service, environment = folder.name, folder.parent.name
        for release in {i.release for i in target.observe(service, environment)}:
            target.remove(service, environment, release, 10**9)
    for folder in sorted((home / "envoy").glob("*")):
        EnvoyProxy(home, folder.name).stop()
