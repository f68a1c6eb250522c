"""A delivery in memory: one call delivers a version through the real flows, journal and store."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.fakes.memory_journal import MemoryJournal, Recorded
from tests.fakes.world import FakeParts

from headway.flows import commands
from headway.flows.deliver import deliver
from headway.model.delivery import Delivery, Order
from headway.model.event import Event
from headway.store import database, log, records
from headway.store.database import Tx

CONFIG = """\
service: shop
run: ./shop
health: /health
analysis: {pace: quick}
environments:
  staging:
  production: {rollout: {strategy: canary, steps: [50%, 100%], stability: 4s}}
"""
QUICK, FIVE_STEPS = "steps: [50%, 100%], stability: 4s", "stability: 60s"
PATIENT = CONFIG.replace(QUICK, FIVE_STEPS)
"""The same with the steps that a canary has unless it is told otherwise."""
WORKFLOW = """\
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: make dist
      - uses: actions/upload-artifact@v4
        with: {name: dist, path: dist}
"""


@dataclass
class Stage:
    """A Headway in memory with one repository."""

    home: Path
    db: sa.Engine
    parts: FakeParts = field(default_factory=FakeParts)
    config: str = CONFIG

    def __post_init__(self) -> None:
        self.parts.db = self.db

    def request(self, sha: str, config: str | None = None) -> Order:
        self.parts.source.files[sha] = {
            "headway.yaml": config or self.config,
            ".github/workflows/deliver.yml": WORKFLOW,
        }
        commit = self.parts.source.commit("/repo", sha)
        with self.db.begin() as connection:
            tx = Tx(connection, self.parts.clock.now())
            commands.request(tx, self.parts.outbox, commands.Request("shop", commit, "ana"))  # type: ignore[arg-type]
        order = self.parts.outbox.started[-1][2]
        assert isinstance(order, Order)
        return order

    def journal(self, recorded: Recorded | None = None, kill_at: int = -1) -> MemoryJournal:
        return MemoryJournal(self.db, recorded or Recorded(), self.parts.clock, kill_at)

    def deliver(self, sha: str, config: str | None = None) -> Delivery:
        order = self.request(sha, config)
        deliver(self.journal(), self.parts.world(self.home), order)
        return self.delivery(order.delivery)

    def delivery(self, id: str) -> Delivery:
        with self.db.connect() as connection:
            return records.delivery(connection, id)

    def events(self, **where: str) -> list[Event]:
        with self.db.connect() as connection:
            return log.after(connection, 0, limit=100_000, **where)

    def kinds(self, **where: str) -> list[str]:
        return [e.kind for e in self.events(**where)]


@pytest.fixture
def new_stage(tmp_path: Path) -> Callable[[], Stage]:
    """Makes stages, each with a database of its own."""
    made: list[Stage] = []

    def make() -> Stage:
        home = tmp_path / f"home{len(made)}"
        home.mkdir()
        url = f"sqlite:///{home / 'headway.db'}"
        database.prepare(url)
        made.append(Stage(home, database.connect(url)))
        return made[-1]

    return make


@pytest.fixture
def stage(new_stage: Callable[[], Stage]) -> Stage:
    return new_stage()
