"""Real worker processes with homes of their own, and a server's bench that gives them jobs."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from headway import workbench
from headway.adapters.linux import logs
from headway.adapters.linux.actions.listing import lay_out
from headway.flows import pipeline
from headway.flows.pipeline_bench import Bench
from headway.flows.pool_bench import Ways, pooled
from headway.model.job import JobOrder, JobReport
from headway.pipeline.run.state import RunSpec, RunState
from headway.store import database, pool_members
from headway.store.pool_tables import workers
from tests.contract.job_runs import Seen, short_home
from tests.support import forked
from tests.support.forked import Forked


@dataclass
class Hears(Seen):
    """A RunWatch that remembers."""

    jobs: dict[str, JobReport] = field(default_factory=dict)

    def job_began(self, order: JobOrder) -> None:
        pass

    def job_ended(self, job: str, report: JobReport) -> None:
        self.jobs[report.key] = report


@dataclass
class Worker:
    """One `headway worker`."""

    process: Forked
    home: Path
    pool: str
    since: float = field(default_factory=time.time)
    log: str = ""

    @property
    def id(self) -> str:
        return str(json.loads((self.folder / "worker.json").read_text())["id"])

    @property
    def folder(self) -> Path:
        return self.home / "worker" / self.pool

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 60.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextmanager
def worker(url: str, pool: str, *words: str, home: Path | None = None) -> Iterator[Worker]:
    """Runs until the block ends; its home is gone then, unless it was given."""
    with short_home() as own:
        used = home or own
        argv = ["--home", str(used), "worker", "--pool", pool, *words]
        with (used / "worker.log").open("ab") as log:
            process = forked.start(argv, log, env={**os.environ, "HEADWAY_DATABASE": url})
        made = Worker(process, used, pool)
        try:
            until(lambda: _registered(url, made))
            yield made
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            made.log = (used / "worker.log").read_text()


def _registered(url: str, made: Worker) -> bool:
    """Whether this process has said that it is there; a pool is known from then on."""
    assert made.process.poll() is None, (made.home / "worker.log").read_text()
    if not (made.folder / "worker.json").exists():
        return False
    engine = database.connect(url)
    try:
        with engine.connect() as connection:
            found = pool_members.member(connection, made.id)
            return found is not None and found.started_at >= made.since
    finally:
        engine.dispose()


def silence(engine: sa.Engine, gone: Worker) -> None:
    """As if its lease had run out."""
    with engine.begin() as connection:
        mine = workers.update().where(workers.c.id == gone.id)
        # no lease at all, because one counts anew from the start of the database
        connection.execute(mine.values(beat_at=0.0, lease=0.0))


@dataclass
class Server:
    """What a server is to runs, without its engine."""

    bench: Bench
    engine: sa.Engine

    @property
    def home(self) -> Path:
        return self.bench.home

    def run(self, spec: RunSpec, watch: Hears | None = None) -> tuple[RunState, Hears]:
        hears = watch or Hears()
        pipeline.create(self.bench, spec)
        return pipeline.run(self.bench, spec.id, hears), hears

    def rows(self, text: str, **values: object) -> list[sa.Row[tuple[object, ...]]]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(text), values).all())

    def log(self, run: str, key: str, step: int) -> str:
        return logs.read(self.home / "runs" / run / key, step)[0].decode()


@contextmanager
def server(
    url: str, home: Path, secrets: Mapping[str, str] | None = None, *, reuse: bool = False
) -> Iterator[Server]:
    """As wiring builds it."""
    database.prepare(url)
    engine = database.connect(url)
    near = workbench.bench(home, 2, secrets, reuse=reuse)
    packs = workbench.load("headway.source_packs", "git")()
    ways = Ways(packs, parse=logs.parse, lay_out=partial(lay_out, share=True))
    try:
        yield Server(pooled(near, url, home.name, ways), engine)
    finally:
        engine.dispose()
        near.runner.close()  # type: ignore[attr-defined]


def spec(run: str, text: str, **more: object) -> RunSpec:
    """A run of this workflow."""
    made = RunSpec(
        id=run,
        workflow=".github/workflows/ci.yml",
        texts={".github/workflows/ci.yml": text},
        repo="",
        sha="0" * 40,
        ref="refs/heads/main",
        event="push",
    )
    return replace(made, **more)  # type: ignore[arg-type]


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for it; fail if it does not come."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
