"""What the journal costs per step: commit, act and wake-up, on SQLite and on Postgres.

One flow takes 1,000 steps of a kind in a row. The peer, in the same run: the driver itself
(sqlite3, psycopg) inserts one row and commits, as often, with the database's own default safety.
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
TABLE = "CREATE TABLE bench_row (number INTEGER PRIMARY KEY, text TEXT NOT NULL)"
TEXT = "x" * 200


@dataclass(frozen=True, slots=True)
class Order:
    """So many commits, as many acts, and so many waits."""

    steps: int
    wakes: int


class Bench:
    """The flow and what it measured, in milliseconds."""

    def __init__(self) -> None:
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
    found = {"sqlite": _measure(url, order, raw_sqlite(base, count))}
    try:
        with postgres() as server:
            found["postgres"] = _measure(server, order, raw_postgres(server, count))
    except pytest.skip.Exception as absent:
        return _result(found, (f"not measured on Postgres: {absent}",))
    return _result(found, ())


def raw_sqlite(base: Path, count: int) -> list[float]:
    connection = sqlite3.connect(base / "raw.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(TABLE)
    taken = _raw(connection, "INSERT INTO bench_row VALUES (?, ?)", count)
    connection.close()
    return taken


def raw_postgres(url: str, count: int) -> list[float]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(TABLE.replace("bench_row", "raw_row"))
        connection.commit()
        return _raw(connection, "INSERT INTO raw_row VALUES (%s, %s)", count)


def _raw(connection: Any, statement: str, count: int) -> list[float]:
    taken = []
    for number in range(count):
        began = time.monotonic()
        connection.execute(statement, (number, TEXT))
        connection.commit()
        taken.append(1000 * (time.monotonic() - began))
    return taken


def _measure(url: str, order: Order, raw: list[float]) -> dict[str, list[float]]:
    database.prepare(url)
    db, outbox, engine, bench = database.connect(url), Outbox(url), Engine(url, "bench"), Bench()
    with db.begin() as connection:
        connection.execute(sa.text(TABLE))
    engine.launch({"steps": (bench.flow, None, Order)})
    try:
        with _tx(db) as tx:
            outbox.start(tx, "steps", "steps", order)
        sent = _wake(bench, lambda: _send(db, outbox), order.wakes)
        if not bench.ended.wait(STEPS_SECONDS) or bench.failure:
            raise RuntimeError(bench.failure or f"not done in {STEPS_SECONDS:g} s")
        settled("steps")
    finally:
        engine.close()
        outbox.close()
        db.dispose()
    wakes = [1000 * (woke - at) for woke, at in zip(bench.woken, sent, strict=True)]
    return {"raw": raw, "commit": bench.commits, "act": bench.acts, "wake": wakes}


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
        raw = quantile(taken["raw"], 0.5)
        figures[name] = {
            **{f"{kind}_ms": spread(values) for kind, values in taken.items()},
            "commit_ratio": ratio(quantile(taken["commit"], 0.5), raw),
            "act_ratio": ratio(quantile(taken["act"], 0.5), raw),
            "first_100_commits_p50_ms": round(quantile(taken["commit"][:100], 0.5), 3),
            "last_100_commits_p50_ms": round(quantile(taken["commit"][-100:], 0.5), 3),
        }
    return Result(tuple(rows), figures, problems)


def _rows(name: str, taken: dict[str, list[float]]) -> list[Row]:
    raw = quantile(taken["raw"], 0.5)
    rows = []
    for kind in ("commit", "act"):
        beside = f"{ratio(quantile(taken[kind], 0.5), raw)} of a bare insert, {raw:.3g} ms"
        rows.append(Row(f"{name}: {kind} p50 / p99", p50_p99(taken[kind]), beside))
    beside = f"{len(taken['wake'])} messages to a waiting flow"
    return [*rows, Row(f"{name}: wake-up p50 / p99", p50_p99(taken["wake"]), beside)]
