"""A world in memory whose parts keep the promises of the ports, with ledgers of what took hold."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from headway.adapters.git.repositories import GitRepositories
from headway.flows.pipeline_bench import Bench
from headway.flows.world import World
from headway.model.artifact import Artifact, Envelope, Signature
from headway.model.commit import Commit
from headway.model.deployment import DeployOrder, InstanceState
from headway.model.errors import Drifted, Invalid, Refused, Unreachable
from headway.model.job import JobOrder, JobReport, StepReport, Upload
from headway.model.routing import Endpoint, Mirror, Routed, Routing
from headway.model.series import Selector, Series
from headway.model.service import HttpTest
from headway.model.window import Counts, Snapshot, VersionCounts
from headway.ports.artifact_registry import ArtifactRegistry
from headway.ports.job_runner import JobWatch
from headway.ports.journey_player import JourneyOrder, Played
from headway.ports.metric_source import MetricSource
from headway.ports.notifier import Notifier
from headway.ports.probe import Answer, Call, Reply
from headway.ports.shadow_differ import Comparison, Differences
from headway.ports.status_sink import StatusSink
from headway.store.database import Tx, lock
from tests.fakes.job_runner import FakeActions, FakeBlobs
from tests.fakes.memory_journal import VirtualClock

BOUNDS = (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


@dataclass
class FakeSource:
    files: dict[str, dict[str, str]] = field(default_factory=dict)

    def commit(self, repo: str, revision: str) -> Commit:
        if revision not in self.files:
            raise Invalid(f"unknown revision {revision!r}", code="unknown-revision")
        return Commit(revision, repo, "refs/heads/main", "ana", f"change {revision}", "")

    def read(self, repo: str, sha: str, path: str) -> bytes:
        if path not in self.files[sha]:
            raise Invalid(f"`{path}` is not in {sha}", code="missing-file")
        return self.files[sha][path].encode()

    def contains(self, repo: str, branch: str, sha: str) -> bool:
        return branch == "main" and sha in self.files

    def checkout(self, repo: str, sha: str, into: str) -> None:
        for path, text in self.files[sha].items():
            file = Path(into) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


@dataclass
class FakeRunner:
    """Every job is green but the `red` ones; a green one leaves the upload `dist`."""

    red: set[str] = field(default_factory=set)
    ledger: list[tuple[str, str]] = field(default_factory=list)

    def run(self, order: JobOrder, secrets: Mapping[str, str], watch: JobWatch) -> JobReport:
        self.ledger.append((order.run, order.id))
        good = order.id not in self.red
        outcome: Any = "success" if good else "failure"
        step = StepReport(
            "0", "make", outcome, outcome, 0 if good else 1, 1.0, 1.1, tail="" if good else "boom"
        )
        uploads = (Upload("dist", f"/uploads/{order.sha}"),) if good else ()
        return JobReport(order.key, outcome, 1.0, 2.0, (step,), uploads=uploads)

    def warm(self) -> None:
        """Nothing takes time."""

    def check(self, order: JobOrder) -> None:
        """Everything can be run here."""

    def close(self) -> None:
        """Nothing is left."""


@dataclass
class FakeStore:
    content: dict[str, str] = field(default_factory=dict)
    statements: dict[str, list[Envelope]] = field(default_factory=dict)
    tampered: set[str] = field(default_factory=set)

    def pack(self, folder: str, annotations: dict[str, str]) -> Artifact:
        digest = "sha256:" + hashlib.sha256(folder.encode()).hexdigest()
        self.content[digest] = folder
        return Artifact(digest, "application/vnd.oci.image.manifest.v1+json", 1)

    def verify(self, digest: str) -> Artifact:
        if digest not in self.content:
            raise Invalid(f"no artifact {digest}", code="missing-artifact")
        if digest in self.tampered:
            raise Refused(f"{digest} was changed after it was stored", code="tampered")
        return Artifact(digest, "", 1)

    def take(self, manifest: bytes, blobs: dict[str, str]) -> Artifact:
        digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
        self.content[digest] = "taken"
        return Artifact(digest, "application/vnd.oci.image.manifest.v1+json", 1)

    def unpack(self, digest: str, into: str) -> None:
        self.verify(digest)

    def attach(self, digest: str, envelope: Envelope) -> str:
        self.statements.setdefault(digest, []).append(envelope)
        return "sha256:" + hashlib.sha256(envelope.payload).hexdigest()

    def attached(self, digest: str) -> tuple[Envelope, ...]:
        return tuple(self.statements.get(digest, ()))


class FakeSigner:
    def sign(self, payload: bytes, payload_type: str) -> Envelope:
        return Envelope(payload_type, payload, (Signature("key-1", self._mac(payload)),))

    def verify(self, envelope: Envelope) -> str:
        if envelope.signatures[0].sig != self._mac(envelope.payload):
            raise Refused("the signature does not fit", code="bad-signature")
        return envelope.signatures[0].keyid

    def speaks_for(self, key: str) -> tuple[str, ...]:
        return ()

    @staticmethod
    def _mac(payload: bytes) -> bytes:
        return hashlib.sha256(b"secret" + payload).digest()


@dataclass
class FakeTarget:
    """Instances start at once; `unready` releases never get ready."""

    clock: VirtualClock
    instances: dict[tuple[str, str], dict[str, InstanceState]] = field(default_factory=dict)
    generations: dict[tuple[str, str], int] = field(default_factory=dict)
    unready: set[str] = field(default_factory=set)
    dying: set[str] = field(default_factory=set)
    ledger: list[tuple[str, int, str, str]] = field(default_factory=list)
    peak: int = 0
    low: int = 99
    port: int = 20000

    def _fence(self, place: tuple[str, str], generation: int) -> None:
        if generation < self.generations.get(place, 0):
            raise Drifted(f"generation {generation} is stale", code="stale-generation")
        self.generations[place] = generation

    def deploy(self, order: DeployOrder) -> tuple[InstanceState, ...]:
        place = (order.service, order.environment)
        self._fence(place, order.generation)
        here = self.instances.setdefault(place, {})
        mine = [i for i in here if here[i].release == order.release]
        for slot in range(order.instances):
            id = f"{order.release}-{slot}"
            if id not in here and len(mine) < order.instances:
                self.port += 1
                here[id] = self._instance(order, id)
                mine.append(id)
                self.ledger.append((order.environment, order.generation, "start", id))
        surplus = [i for i in order.stop if i in mine] + sorted(set(mine) - set(order.stop))[::-1]
        for id in surplus[: max(0, len(mine) - order.instances)]:
            del here[id]
            self.ledger.append((order.environment, order.generation, "stop", id))
        self.peak = max(self.peak, len(here))
        return self.observe(*place)

    def _instance(self, order: DeployOrder, id: str) -> InstanceState:
        return InstanceState(
            id, order.release, order.digest, order.generation, "127.0.0.1", self.port,
            "starting", self.port, 0, None, self.clock.now(),
        )  # fmt: skip

    def observe(self, service: str, environment: str) -> tuple[InstanceState, ...]:
        here = self.instances.get((service, environment), {})
        phase: Any
        seen = []
        for one in here.values():
            phase = "unready" if one.release in self.unready else "ready"
            phase = "crash_loop" if one.release in self.dying else phase
            seen.append(replace(one, phase=phase))
        return tuple(seen)

    def remove(self, service: str, environment: str, release: str, generation: int) -> None:
        place = (service, environment)
        self._fence(place, generation)
        here = self.instances.get(place, {})
        for id in [i for i in here if here[i].release == release]:
            del here[id]
            self.ledger.append((environment, generation, "stop", id))

    def logs(self, service: str, environment: str, instance: str, lines: int) -> str:
        return "no log"


@dataclass
class FakeRouter:
    routings: dict[tuple[str, str], Routing] = field(default_factory=dict)
    generations: dict[tuple[str, str], int] = field(default_factory=dict)
    ledger: list[tuple[str, int, dict[str, float]]] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)
    unreachable: int = 0

    mirrors: list[tuple[str, Mirror]] = field(default_factory=list)

    def set(self, routing: Routing) -> Routed:
        if self.unreachable:
            self.unreachable -= 1
            raise Unreachable("the proxy does not answer")
        place = (routing.service, routing.environment)
        last = self.generations.get(place, 0)
        if routing.generation < last:
            raise Drifted(f"generation {routing.generation} is stale", code="stale-generation")
        if routing.generation == last:
            assert self.routings[place] == routing, "the same generation told two things"
            return self._routed(place)
        if set(routing.shares) & self.refuse:
            raise Refused("the proxy refused the routing", code="routing-rejected")
        assert abs(sum(routing.shares.values()) - 1) < 1e-9
        known = {b.release: b for b in routing.backends}
        for release, share in routing.shares.items():
            if share > 0:
                assert any(not e.draining for e in known[release].endpoints)
        self.generations[place] = routing.generation
        self.routings[place] = routing
        if routing.mirror is not None:
            assert any(not e.draining for e in known[routing.mirror.release].endpoints)
            assert not routing.shares.get(routing.mirror.release)
            self.mirrors.append((routing.environment, routing.mirror))
        self.ledger.append((routing.environment, routing.generation, dict(routing.shares)))
        return self._routed(place)

    def _routed(self, place: tuple[str, str]) -> Routed:
        routing = self.routings[place]
        return Routed(
            routing.generation, f"g{routing.generation}", dict(routing.shares),
            "http://127.0.0.1:1", mirror=routing.mirror, routes=routing.routes,
        )  # fmt: skip

    def observe(self, service: str, environment: str) -> Routed | None:
        place = (service, environment)
        return self._routed(place) if place in self.routings else None

    def in_flight(self, service: str, environment: str, endpoint: Endpoint) -> int:
        return 0

    def remove(self, service: str, environment: str, generation: int) -> None:
        self.routings.pop((service, environment), None)
        self.generations[(service, environment)] = generation


@dataclass
class Behaviour:
    """What users see of a release: its error rate and latency factor."""

    errors: float = 0.0
    slow: float = 1.0


@dataclass
class FakeMeter:
    """Traffic at `rate` requests a second, split by the shares, from a seeded generator."""

    router: FakeRouter
    clock: VirtualClock
    rate: float = 500.0
    behaviour: dict[str, Behaviour] = field(default_factory=dict)
    seed: int = 1
    totals: dict[str, list[Any]] = field(default_factory=dict)
    last: float = 0.0
    silent: bool = False

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def read(self, service: str, environment: str) -> Snapshot | None:
        if self.silent:
            return None
        now = self.clock.now()
        seconds, self.last = (now - self.last if self.last else 0.0), now
        routing = self.router.routings.get((service, environment))
        for release, share in routing.shares.items() if routing else ():
            self._serve(release, self.rate * share * seconds)
        if routing and routing.mirror:
            self._serve(routing.mirror.release, self.rate * routing.mirror.share * seconds)
        versions = {
            r: VersionCounts(Counts(t[0], t[1], tuple(int(b) for b in t[2])), {})
            for r, t in self.totals.items()
        }
        return Snapshot(now, "proxy-1", BOUNDS, versions)

    def _serve(self, release: str, mean: float) -> None:
        how = self.behaviour.get(release, Behaviour())
        n = int(self.rng.poisson(mean))
        errors = int(self.rng.binomial(n, how.errors))
        latencies = self.rng.lognormal(np.log(15.0 * how.slow), 0.5, n)
        buckets = np.histogram(latencies, bins=[0, *BOUNDS, np.inf])[0]
        total = self.totals.setdefault(release, [0, 0, np.zeros(len(BOUNDS) + 1)])
        total[0] += n
        total[1] += errors
        total[2] = total[2] + buckets


class FakeBeside:
    """What both that run beside a rollout promise: told what to do, newer generations only."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.orders: dict[tuple[str, str], Any] = {}
        self.since: dict[tuple[str, str], float] = {}
        self.generations: dict[tuple[str, str], int] = {}
        self.broken = False

    def tell(self, place: tuple[str, str], generation: int, order: Any) -> None:
        last = self.generations.get(place, 0)
        if generation < last or (generation == last and order != self.orders.get(place)):
            raise Drifted(f"generation {generation} is stale", code="stale-generation")
        self.generations[place] = generation
        if order is None:
            self.orders.pop(place, None)
            self.since.pop(place, None)
            return
        self.orders[place] = order
        self.since.setdefault(place, self.clock.now())

    def stop(self, service: str, environment: str, generation: int) -> None:
        if (service, environment) in self.orders:
            self.tell((service, environment), generation, None)

    def seconds(self, place: tuple[str, str]) -> float:
        if self.broken:
            raise Unreachable("it does not answer")
        return self.clock.now() - self.since[place]


class FakeDiffer(FakeBeside):
    """Compares 20 requests a second; `differing`: share of a release's answers that differ."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.differing: dict[str, float] = {}

    def watch(self, order: Comparison) -> str:
        assert order.candidate_endpoints
        assert order.stable_endpoints
        self.tell((order.service, order.environment), order.generation, order)
        return f"/beside/{order.environment}/{order.service}"

    def read(self, service: str, environment: str) -> Differences | None:
        order = self.orders.get((service, environment))
        if order is None:
            return None
        compared = int(20 * self.seconds((service, environment)))
        bad = int(compared * self.differing.get(order.candidate, 0.0))
        return Differences("1", order.candidate, order.stable, compared, bad, 0, {"body": bad})


class FakePlayer(FakeBeside):
    """Plays each journey once in `every_seconds`; `red`: releases on which they fail."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.red: set[str] = set()

    def play(self, order: JourneyOrder) -> None:
        self.tell((order.service, order.environment), order.generation, order)

    def read(self, service: str, environment: str) -> Played | None:
        order = self.orders.get((service, environment))
        if order is None:
            return None
        total = int(self.seconds((service, environment)) / order.every_seconds)
        counts = {r: (total if r in self.red else 0, total) for r in order.releases}
        return Played("1", dict.fromkeys(order.files, counts))


@dataclass
class FakeProbe:
    red: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    replies: Callable[[Call], Reply] = lambda _call: Reply(problem="nobody is there")

    def send(self, address: str, call: Call, seconds: float) -> Reply:
        return self.replies(call)

    def ask(self, address: str, test: HttpTest, headers: dict[str, str]) -> Answer:
        release = next(iter(headers.values()))
        self.asked.append((release, test.path))
        problem = "expected status 200, got 500" if release in self.red else ""
        return Answer(f"{test.method} {test.path}", problem, 200, 0.01)


@dataclass
class FakeOutbox:
    started: list[tuple[str, str, Any]] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)

    def start(self, tx: Any, flow: str, id: str, order: Any) -> None:
        self.started.append((flow, id, order))

    def wake(self, tx: Any, id: str) -> None:
        self.woken.append(id)

    def close(self) -> None:
        pass


class EmptySource:
    """A metric source that has never heard of anything."""

    def fetch(self, selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        return ()


@dataclass
class FakeParts:
    """Every part, so that a test can make one misbehave."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    source: FakeSource = field(default_factory=FakeSource)
    runner: FakeRunner = field(default_factory=FakeRunner)
    store: FakeStore = field(default_factory=FakeStore)
    router: FakeRouter = field(default_factory=FakeRouter)
    probe: FakeProbe = field(default_factory=FakeProbe)
    outbox: FakeOutbox = field(default_factory=FakeOutbox)
    db: sa.Engine | None = None

    @contextmanager
    def tx(self) -> Iterator[Tx]:
        assert self.db is not None
        with self.db.begin() as connection:
            lock(connection)
            yield Tx(connection, self.clock.now())

    def __post_init__(self) -> None:
        self.target = FakeTarget(self.clock)
        self.meter = FakeMeter(self.router, self.clock)
        self.sources: dict[str, MetricSource] = {"headway": EmptySource()}
        self.notifiers: dict[str, Notifier] = {}
        self.sinks: dict[str, StatusSink] = {}
        self.registries: dict[str, ArtifactRegistry] = {}
        self.signer = FakeSigner()
        self.differ = FakeDiffer(self.clock)
        self.player = FakePlayer(self.clock)

    def world(self, home: Path) -> World:
        return World(
            home=home,
            builder="urn:headway:builder:test",
            source=self.source,
            bench=Bench(home, self.runner, FakeBlobs(), FakeActions(), self.clock),
            tx=self.tx,
            artifacts=self.store,
            signer=self.signer,
            targets={"local": self.target},
            router=self.router,
            meter=self.meter,
            probe=self.probe,
            outbox=self.outbox,  # type: ignore[arg-type]
            clock=self.clock,
            sources=self.sources.__getitem__,
            notifiers=self.notifiers.__getitem__,
            differ=self.differ,
            player=self.player,
            repositories=GitRepositories(home),
            sinks=self.sinks.__getitem__,
            registries=self.registries.__getitem__,
        )
