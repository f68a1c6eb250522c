"""Flows that wait on SQLite: whoever has mail is found in one question, and wakes at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from headway.flows import journal
from headway.flows.journal import Engine, Journal, Outbox
from headway.flows.mail import Mail, Waiting
from headway.store import database
from headway.store.database import Tx, lock

EVERYBODY: list[Waiting] = [(f"{id}::wake", (id, "wake", None), None) for id in ("a", "b", "c")]
WAITERS = 30


class Home:
    """A database with the engine's tables, and flows of it that nobody drives."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "headway.db"
        self.url = f"sqlite:///{self.file}"
        database.prepare(self.url)
        journal.prepare(self.url)
        self.db, self.outbox = database.connect(self.url), Outbox(self.url)

    def start(self, *ids: str) -> None:
        with self.db.begin() as connection:
            lock(connection)
            for id in ids:
                self.outbox.start(Tx(connection, time.time()), "sit", id, 0)

    def wake(self, *ids: str) -> None:
        with self.db.begin() as connection:
            lock(connection)
            for id in ids:
                self.outbox.wake(Tx(connection, time.time()), id)

    def close(self) -> None:
        self.outbox.close()
        self.db.dispose()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with closing(Home(tmp_path)) as made:
        yield made


def test_those_with_mail_are_found_and_nobody_is_asked_about_when_nothing_came(home: Home) -> None:
    asked: list[int] = []

    def everybody() -> list[Waiting]:
        asked.append(1)
        return EVERYBODY

    home.start("a", "b", "c")
    with closing(Mail(home.file)) as mail:
        assert mail.of(everybody) == []
        home.wake("b")
        assert mail.of(everybody) == [EVERYBODY[1]]
        assert len(asked) == 2
        assert mail.of(everybody) == []
        assert len(asked) == 2
        home.wake("a", "c")
        assert mail.of(everybody) == EVERYBODY


def test_what_was_taken_is_no_mail(home: Home) -> None:
    home.start("a", "b")
    home.wake("a", "b")
    with home.db.begin() as connection:
        taken = "UPDATE notifications SET consumed = 1 WHERE destination_uuid = 'a'"
        connection.execute(sa.text(taken))
    with closing(Mail(home.file)) as mail:
        assert mail.of(lambda: EVERYBODY) == [EVERYBODY[1]]


def test_if_the_database_does_not_answer_everybody_is_asked_about(home: Home) -> None:
    mail = Mail(home.file)
    mail.close()
    assert mail.of(lambda: EVERYBODY) == EVERYBODY


def test_many_flows_wait_and_each_that_is_woken_wakes_at_once(home: Home) -> None:
    sitting, woken = threading.Semaphore(0), threading.Semaphore(0)
    ended: list[int] = []

    def sit(journal: Journal, _world: Any, order: int) -> None:
        sitting.release()
        journal.wait(3600)
        ended.append(order)
        woken.release()

    ids = [f"f{n}" for n in range(WAITERS)]
    engine = Engine(home.url, "one")
    engine.launch({"sit": (sit, None, int)})
    try:
        home.start(*ids)
        assert all(sitting.acquire(timeout=30) for _ in ids)
        home.wake("f3", "f7")
        assert all(woken.acquire(timeout=30) for _ in range(2))
        assert len(ended) == 2
        home.wake(*(set(ids) - {"f3", "f7"}))
        assert all(woken.acquire(timeout=30) for _ in range(WAITERS - 2))
    finally:
        engine.close()
