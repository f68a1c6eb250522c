"""A real repository, database and git adapters around the flows of triggers."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import sqlalchemy as sa

from headway.adapters.git.repositories import GitRepositories
from headway.adapters.git.source_host import GitSourceHost
from headway.flows import trigger_work
from headway.flows.world import World
from headway.model.connection import Connection
from headway.model.errors import HeadwayError
from headway.pipeline.run.state import RunSpec
from headway.pipeline.trigger import TriggerEvent
from headway.store import database, triggers
from headway.store.database import Tx
from headway.store.triggers import Seen, Told
from tests.fakes.world import FakeParts

JOBS = (
    "jobs:\n  a:\n    runs-on: ubuntu-latest\n    timeout-minutes: 1\n    steps:\n      - run: x\n"
)


def workflow(on: str, jobs: str = JOBS) -> str:
    return f"name: CI\non:\n{on}\n{jobs}"


@dataclass
class Repository:
    """A repository with a working tree; commits are told by their names."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        known = {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": "/nonexistent",
        }
        who = {f"GIT_{w}_{k}": v for w in ("AUTHOR", "COMMITTER")
               for k, v in (("NAME", "ana"), ("EMAIL", "ana@example.com"))}  # fmt: skip
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env={**os.environ, **known, **who},
            capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout.decode().strip()

    def commit(self, message: str = "change", **files: str | None) -> str:
        """Write files, commit, give the sha. `__` in a name is `/`, `_dot_` a dot; None: away."""
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True) if text is None else path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def workflow(self, on: str, name: str = "ci", message: str = "workflow") -> str:
        path = self.folder / ".github/workflows" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(workflow(on))
        return self.commit(message)


@dataclass
class Bureau:
    """Everything a trigger goes through, and the runs that were started."""

    home: Path
    url: str = ""
    parts: FakeParts = field(default_factory=FakeParts)
    known: dict[str, Connection] = field(default_factory=dict)
    started: list[RunSpec] = field(default_factory=list)
    failing: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.url = self.url or f"sqlite:///{self.home}/headway.db"
        database.prepare(self.url)
        self.db = database.connect(self.url)
        made = self.parts.world(self.home)
        git = GitRepositories(self.home)
        self.world: World = replace(made, source=GitSourceHost(), repositories=git)
        self.desk = trigger_work.Desk(
            self.world, self.tx, self.reading, self.known.get, self._start
        )

    def _start(self, spec: RunSpec) -> None:
        if self.failing:
            raise self.failing.pop(0)
        self.started.append(spec)

    @contextmanager
    def tx(self) -> Iterator[Tx]:
        with self.db.begin() as connection:
            database.lock(connection)
            yield Tx(connection, self.world.clock.now())

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self.db.connect() as connection:
            yield connection

    def tell(self, event: TriggerEvent, delivery: str = "d1", hook: str = "push") -> str:
        with self.tx() as tx:
            return triggers.add(tx, Told(hook, delivery, replace(event, delivery=delivery)))

    def work(self) -> None:
        trigger_work.work(self.desk)

    def seen(self) -> list[Seen]:
        with self.reading() as connection:
            return triggers.newest(connection)

    def runs(self) -> list[tuple[str, str, str]]:
        """(file, event, ref) of what was started, and start anew."""
        found = [(s.workflow.rpartition("/")[2], s.event, s.ref) for s in self.started]
        self.started.clear()
        return found


def refusal(call: object, *arguments: object) -> HeadwayError:
    """The error that the call must raise."""
    try:
        call(*arguments)  # type: ignore[operator]
    except HeadwayError as error:
        return error
    raise AssertionError("it was not refused")
