"""A job runner that keeps the promises of the port without running anything.

Each step is one line in a ledger on disk, so that a second runner over the same folder goes on
after the last step that ended, as the real one does, and tests can see what was done twice.
"""

import hashlib
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from headway.flows.pipeline_bench import Bench
from headway.model.errors import Invalid
from headway.model.job import JobOrder, JobReport, Line, StepReport, Upload
from headway.ports.job_runner import JobWatch
from tests.fakes.memory_journal import Killed

Does = Callable[[JobOrder, Mapping[str, str]], JobReport | None]


@dataclass
class FakeRunner:
    """`does` gives a job's report, None for a green one; `gate` holds jobs until it is set, all but
    `free`.
    """

    folder: Path
    does: Does = lambda order, secrets: None
    gate: threading.Event | None = None
    free: tuple[str, ...] = ()
    dead: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[JobOrder, dict[str, str]]] = field(default_factory=list)
    running: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def warm(self) -> None:
        """Nothing takes time here."""

    def check(self, order: JobOrder) -> None:
        """Everything can run here."""

    def run(self, order: JobOrder, secrets: Mapping[str, str], watch: JobWatch) -> JobReport:
        with self.lock:
            self.seen.append((order, dict(secrets)))
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            return self._run(order, secrets, watch)
        finally:
            with self.lock:
                self.running -= 1

    def _run(self, order: JobOrder, secrets: Mapping[str, str], watch: JobWatch) -> JobReport:
        self.folder.mkdir(parents=True, exist_ok=True)
        ledger = self.folder / f"{order.run}.{order.key}.{order.attempt}"
        done = ledger.read_text().split() if ledger.exists() else []
        began = time.time()
        steps = []
        for number, step in enumerate(order.steps):
            report = StepReport(step.id, step.name, "success", "success", 0, began, time.time())
            if str(number) not in done:
                watch.step_began(order.key, number, step.name)
                if self._stopped(order.key, watch):
                    return JobReport(order.key, "cancelled", began, time.time(), because="told to")
                self._alive()
                with ledger.open("a") as file:
                    file.write(f"{number}\n")
                watch.step_ended(order.key, number, report)
            steps.append(report)
        self._alive()
        said = self.does(order, secrets)
        return said or JobReport(order.key, "success", began, time.time(), tuple(steps))

    def _stopped(self, key: str, watch: JobWatch) -> bool:
        held = self.gate is not None and key not in self.free
        while held and self.gate and not self.gate.wait(0.01):
            self._alive()
            if watch.cancelled():
                return True
        return watch.cancelled()

    def _alive(self) -> None:
        if self.dead.is_set():
            raise Killed("the process is gone")

    def lines(self) -> list[str]:
        """Every step that was run, as `run.key.attempt/number`, as often as it was run."""
        files = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [f"{f.name}/{n}" for f in files for n in f.read_text().split()]

    @property
    def keys(self) -> list[str]:
        return [order.key for order, _ in self.seen]


@dataclass
class FakeWatch:
    """Remembers what it was told, in order."""

    told: list[tuple[str, str, str]] = field(default_factory=list)
    stop: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _tell(self, what: str, key: str, more: str = "") -> None:
        with self.lock:
            self.told.append((what, key, more))

    def job_began(self, order: JobOrder) -> None:
        self._tell("began", order.key, order.name)

    def job_retried(self, job: str, report: JobReport, due: float) -> None:
        self._tell("retried", report.key, report.outcome)

    def job_ended(self, job: str, report: JobReport) -> None:
        self._tell("ended", report.key, report.outcome)

    def job_waits(self, key: str, environment: str, because: str) -> None:
        self._tell("waits", key, environment)

    def step_began(self, job: str, number: int, name: str) -> None:
        self._tell("step", job, str(number))

    def line(self, job: str, number: int, line: Line) -> None:
        self._tell("line", job, line.text)

    def step_ended(self, job: str, number: int, report: StepReport) -> None:
        self._tell("stepped", job, str(number))

    def cancelled(self) -> bool:
        return self.stop

    def of(self, key: str) -> list[str]:
        return [what for what, k, _ in self.told if k == key]


@dataclass
class FakeBlobs:
    """Blobs and names in memory."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    names: dict[str, dict[str, tuple[str, float]]] = field(default_factory=dict)

    def put(self, source: BinaryIO) -> str:
        content = source.read()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return digest

    def open(self, digest: str) -> BinaryIO:
        if digest not in self.blobs:
            raise Invalid(f"there is no blob {digest}", code="no-blob")
        return io.BytesIO(self.blobs[digest])

    def point(self, scope: str, name: str, digest: str) -> bool:
        names = self.names.setdefault(scope, {})
        if name in names:
            return False
        names[name] = (digest, float(len(names)))
        return True

    def pointed(self, scope: str, prefix: str) -> Iterator[tuple[str, str, float]]:
        found = [(n, d, at) for n, (d, at) in self.names.get(scope, {}).items()]
        return iter(sorted((f for f in found if f[0].startswith(prefix)), key=lambda f: -f[2]))


@dataclass
class FakeActions:
    """Repositories of others, as folders by `owner/name`; a ref's commit is given."""

    folders: dict[str, Path] = field(default_factory=dict)
    shas: dict[str, str] = field(default_factory=dict)

    def resolve(self, name: str, ref: str) -> str:
        if f"{name}@{ref}" not in self.shas:
            raise Invalid(f"there is no {name}@{ref}", code="no-action")
        return self.shas[f"{name}@{ref}"]

    def fetch(self, name: str, sha: str) -> str:
        return str(self.folders[name])


@dataclass
class FakeTrees:
    """Git object ids, by path."""

    ids: dict[str, str] = field(default_factory=lambda: {"": "tree-1"})
    asked: int = 0

    def trees(self, repo: str, sha: str, folder: str, paths: list[str]) -> dict[str, str]:
        self.asked += 1
        return {path: self.ids.get(path, "") for path in paths}


class Ticks:
    """A clock that counts."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def now(self) -> float:
        self.at += 0.001
        return self.at

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def bench(home: Path, runner: FakeRunner | None = None, **more: object) -> Bench:
    """A bench of fakes, over a real home folder."""
    parts: dict[str, object] = {
        "home": home,
        "runner": runner or FakeRunner(home / "ledger"),
        "blobs": FakeBlobs(),
        "actions": FakeActions(),
        "clock": Ticks(),
        "jobs": 4,
    }
    return Bench(**{**parts, **more})  # type: ignore[arg-type]


def upload(blobs: FakeBlobs, folder: Path, name: str, files: dict[str, str]) -> Upload:
    """A folder as upload-artifact leaves it: its files, and their list in the store."""
    top = folder / name
    entries = []
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
        digest = blobs.put(io.BytesIO(text.encode()))
        entries.append({"path": path, "digest": digest, "executable": False})
    listing = json.dumps(entries, sort_keys=True).encode()
    return Upload(name, str(top), blobs.put(io.BytesIO(listing)))
