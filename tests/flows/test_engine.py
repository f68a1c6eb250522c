"""The same journeys on the durable engine, on SQLite and on a real Postgres."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from dbos import DBOS
from tests.fakes.memory_journal import VirtualClock
from tests.fakes.world import Behaviour, FakeParts
from tests.flows.conftest import WORKFLOW
from tests.flows.test_kill_in_memory import FAST

from headway.flows.commands import Request, Word, request, say
from headway.flows.deliver import deliver
from headway.flows.journal import TOPIC, DurableJournal, Engine, Outbox
from headway.flows.world import World
from headway.model.delivery import Delivery, Order
from headway.store import database, log, records
from headway.store.database import Tx, lock


class QuickJournal(DurableJournal):
    """Waits pass in virtual time, so that a test does not."""

    def __init__(self, source: Any, clock: VirtualClock) -> None:
        super().__init__(source, clock.now)
        self._virtual = clock

    def wait(self, seconds: float) -> None:
        self._virtual.sleep(seconds)
        DBOS.recv(TOPIC, timeout_seconds=0.01)


class Rig:
    """A Headway on the real engine with a world of fakes."""

    def __init__(self, url: str, home: Path) -> None:
        database.prepare(url)
        self.url, self.home, self.db = url, home, database.connect(url)
        self.parts, self.outbox = FakeParts(db=self.db), Outbox(url)
        self.engine = Engine(url, "test-1", lambda source: QuickJournal(source, self.parts.clock))

    def world(self) -> World:
        return replace(self.parts.world(self.home), outbox=self.outbox)

    def launch(self) -> None:
        self.engine.launch({"deliver": (deliver, self.world(), Order)})

    def request(self, sha: str, config: str = FAST) -> str:
        files = {"headway.yaml": config, ".github/workflows/deliver.yml": WORKFLOW}
        self.parts.source.files[sha] = files
        commit = self.parts.source.commit("/repo", sha)
        with self.tx() as tx:
            return request(tx, self.outbox, Request("shop", commit, "ana"))

    @contextmanager
    def tx(self) -> Iterator[Tx]:
        with self.db.begin() as connection:
            lock(connection)
            yield Tx(connection, self.parts.clock.now())

    def ended(self, id: str) -> Delivery:
        return self.until(id, lambda d: d.state == "done")

    def until(self, id: str, test: Callable[[Delivery], bool]) -> Delivery:
        for _ in range(1200):
            with self.db.connect() as connection:
                known = records.delivery(connection, id)
            if test(known):
                return known
            time.sleep(0.05)
        raise AssertionError(f"delivery stays {known}")

    def seqs(self) -> list[int]:
        with self.db.connect() as connection:
            return [e.seq for e in log.after(connection, 0, limit=100_000)]


@pytest.fixture(params=["sqlite", "postgres"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    url = f"sqlite:///{tmp_path / 'headway.db'}"
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_url")
        name = f"t{uuid.uuid4().hex}"
        plain = server.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}").text)  # type: ignore[arg-type]
        url = server.rsplit("/", 1)[0] + f"/{name}"
    made = Rig(url, tmp_path)
    yield made
    made.engine.close()
    made.outbox.close()
    made.db.dispose()


def test_three_versions_on_the_engine(rig: Rig) -> None:
    rig.launch()
    assert rig.ended(rig.request("a1")).outcome == "delivered"
    assert rig.ended(rig.request("a2")).outcome == "delivered"
    rig.parts.meter.behaviour["shop-3"] = Behaviour(errors=0.1)
    done = rig.ended(rig.request("a3"))
    assert done.outcome == "rolled_back", done.because
    assert rig.parts.router.routings["shop", "production"].shares == {"shop-2": 1.0}
    seqs = rig.seqs()
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_request_made_while_nothing_runs_is_delivered_at_the_next_launch(rig: Rig) -> None:
    rig.launch()
    rig.engine.close()
    id = rig.request("a1")
    rig.launch()
    assert rig.ended(id).outcome == "delivered"


def test_an_error_is_the_same_on_replay(rig: Rig) -> None:
    rig.launch()
    rig.parts.runner.red.add("build")
    done = rig.ended(rig.request("a1"))
    assert done.outcome == "failed"
    assert "boom" in done.because


def test_abort_in_mid_bake_rolls_back(rig: Rig) -> None:
    rig.launch()
    assert rig.ended(rig.request("a1")).outcome == "delivered"
    rig.parts.meter.silent = True
    id = rig.request("a2")
    rig.until(id, lambda d: d.environment == "production" and d.state == "held")
    with rig.tx() as tx:
        say(tx, rig.outbox, id, Word("abort", "ben", "not today", "production"))
    rig.parts.meter.silent = False
    done = rig.ended(id)
    assert (done.outcome, done.because) == ("rolled_back", "aborted by ben: not today")


def test_two_deliveries_at_once_take_turns_and_the_log_has_no_gaps(rig: Rig) -> None:
    rig.launch()
    first, second = rig.request("a1"), rig.request("a2")
    assert rig.ended(first).outcome in {"delivered", "superseded"}
    assert rig.ended(second).outcome in {"delivered", "superseded"}
    seqs = rig.seqs()
    assert seqs == list(range(1, len(seqs) + 1))
    assert rig.parts.router.routings["shop", "production"].shares in (
        {"shop-1": 1.0},
        {"shop-2": 1.0},
    )
