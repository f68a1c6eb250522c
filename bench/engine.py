"""What the journal costs per step: commit, act and wake-up, on SQLite and on Postgres.

One flow takes 1,000 steps of a kind in a row. The peer: between two commits the driver itself
(sqlite3, psycopg) inserts one row and commits, with the database's own default safety.
A wake-up is timed from the commit that sends the message to the end of the flow's wait.
"""

import sqlite3
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from tests.support.postgres import postgres

from bench.figures import Result, Row, p50_p99, quantile, ratio, spread
from bench.rig import settled
from headway.flows.journal import Engine, Journal, Outbox
from headway.store import database
from headway.store.database import Tx, lock

WAKES_SHARE = 0.1  # a wake-up waits for the engine's next look, so fewer of them
STEPS_SECONDS = 100.0
TABLE = "CREATE TABLE {} (number INTEGER PRIMARY KEY, text TEXT NOT NULL)"
TEXT = "x" * 200


@dataclass(frozen=True, slots=True)
class Order:
    """So many commits, as many acts, and so many waits."""

    steps: int
    wakes: int


class Bench:
    """The flow and what it measured, in milliseconds."""

    def __init__(self, bare: "Bare") -> None:
        self._bare = bare
        self.commits: list[float] = []
        self.acts: list[float] = []
        self.woken: list[float] = []
        self.waits, self.ended = threading.Event(), threading.Event()
        self.failure = ""

    def flow(self, journal: Journal, _world: Any, order: Order) -> None:
        try:
            self._steps(journal, order)
        except BaseException:
            self.failure = traceback.format_exc()
            raise
        finally:
            self.ended.set()
            self.waits.set()

    def _steps(self, journal: Journal, order: Order) -> None:
        for number in range(order.steps):
            began = time.monotonic()
            journal.commit("commit", insert, number)
            self.commits.append(1000 * (time.monotonic() - began))
            self._bare.insert(number)
        for _ in range(order.steps):
            began = time.monotonic()
            journal.act("act", nothing)
            self.acts.append(1000 * (time.monotonic() - began))
        for _ in range(order.wakes):
            self.waits.set()
            journal.wait(30.0)
            self.woken.append(time.monotonic())


def insert(tx: Tx, number: int) -> None:
    row = {"number": number, "text": TEXT}
    tx.connection.execute(sa.text("INSERT INTO bench_row VALUES (:number, :text)"), row)


def nothing() -> None:
    """The step's own work, so that what is left is the journal's."""


def run(base: Path, count: int) -> Result:
    wakes = max(5, int(count * WAKES_SHARE))
    order, url = Order(count, wakes), f"sqlite:///{base / 'engine.db'}"
    found = {"sqlite": _measure(url, order, bare_sqlite(base / "bare.db"))}
    try:
        with postgres() as server:
            found["postgres"] = _measure(server, order, bare_postgres(server))
    except pytest.skip.Exception as absent:
        return _result(found, (f"not measured on Postgres: {absent}",))
    return _result(found, ())


class Bare:
    """The driver itself: one row, one commit. Opened by the thread that uses it."""

    def __init__(self, connect: Callable[[], Any], place: str) -> None:
        self._connect, self._statement = connect, f"INSERT INTO bare_row VALUES ({place}, {place})"
        self._connection: Any = None
        self.taken: list[float] = []

    def insert(self, number: int) -> None:
        if self._connection is None:
            self._connection = self._connect()
            self._connection.execute(TABLE.format("bare_row"))
            self._connection.commit()
        began = time.monotonic()
        self._connection.execute(self._statement, (number, TEXT))
        self._connection.commit()
        self.taken.append(1000 * (time.monotonic() - began))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def bare_sqlite(file: Path) -> Bare:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(file, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        return connection

    return Bare(connect, "?")


def bare_postgres(url: str) -> Bare:
    return Bare(lambda: psycopg.connect(url.replace("+psycopg", "")), "%s")


def _measure(url: str, order: Order, bare: Bare) -> dict[str, list[float]]:
    database.prepare(url)
    db, outbox, engine, bench = (
        database.connect(url),
        Outbox(url),
        Engine(url, "bench"),
        Bench(bare),
    )
    with db.begin() as connection:
        connection.execute(sa.text(TABLE.format("bench_row")))
    engine.launch({"steps": (bench.flow, None, Order)})
    try:
        with _tx(db) as tx:
            outbox.start(tx, "steps", "steps", order)
        sent = _wake(bench, lambda: _send(db, outbox), order.wakes)
        if not bench.ended.wait(STEPS_SECONDS) or bench.failure:
            raise RuntimeError(bench.failure or f"not done in {STEPS_SECONDS:g} s")
        settled("steps")
    finally:
        bare.close()
        engine.close()
        outbox.close()
        db.dispose()
    wakes = [1000 * (woke - at) for woke, at in zip(bench.woken, sent, strict=True)]
    return {"bare": bare.taken, "commit": bench.commits, "act": bench.acts, "wake": wakes}


def _wake(bench: Bench, send: Callable[[], None], count: int) -> list[float]:
    """Send a message to each wait, at rising moments of it; gives when each was committed."""
    sent = []
    for number in range(count):
        if not bench.waits.wait(STEPS_SECONDS) or bench.ended.is_set():
            raise RuntimeError(bench.failure or f"no wait in {STEPS_SECONDS:g} s")
        bench.waits.clear()
        time.sleep(0.02 + 0.1 * (number * 37 % 100) / 100)
        send()
        sent.append(time.monotonic())
    return sent


def _send(db: sa.Engine, outbox: Outbox) -> None:
    with _tx(db) as tx:
        outbox.wake(tx, "steps")


@contextmanager
def _tx(db: sa.Engine) -> Iterator[Tx]:
    with db.begin() as connection:
        lock(connection)
        yield Tx(connection, time.time())


def _result(found: dict[str, dict[str, list[float]]], problems: tuple[str, ...]) -> Result:
    rows, figures = [], {}
    for name, taken in found.items():
        rows += _rows(name, taken)
        bare = quantile(taken["bare"], 0.5)
        figures[name] = {
            **{f"{kind}_ms": spread(values) for kind, values in taken.items()},
            "commit_ratio": ratio(quantile(taken["commit"], 0.5), bare),
            "act_ratio": ratio(quantile(taken["act"], 0.5), bare),
            "first_100_commits_p50_ms": round(quantile(taken["commit"][:100], 0.5), 3),
            "last_100_commits_p50_ms": round(quantile(taken["commit"][-100:], 0.5), 3),
        }
    return Result(tuple(rows), figures, problems)


def _rows(name: str, taken: dict[str, list[float]]) -> list[Row]:
    bare = quantile(taken["bare"], 0.5)
    rows = []
    for kind in ("commit", "act"):
        beside = f"{ratio(quantile(taken[kind], 0.5), bare)} of a bare insert, {bare:.3g} ms"
        rows.append(Row(f"{name}: {kind} p50 / p99", p50_p99(taken[kind]), beside))
    beside = f"{len(taken['wake'])} messages to a waiting flow"
    return [*rows, Row(f"{name}: wake-up p50 / p99", p50_p99(taken["wake"]), beside)]
