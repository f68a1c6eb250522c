"""Releases wait for a departure, also across kills, and leave together; hotfixes go beside them."""

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.fakes.memory_journal import Killed, MemoryJournal, Recorded
from tests.flows.conftest import Stage

from headway.flows import commands, train
from headway.flows.commands import Word
from headway.flows.deliver import deliver
from headway.model.delivery import Delivery, Order
from headway.model.errors import Refused
from headway.store.database import Tx, lock

CONFIG = """\
service: shop
run: ./shop
analysis: {pace: quick}
environments:
  production:
    rollout: {strategy: blue-green, bake: 0s, keep_old: 0s, stability: 0s}
    train: {schedule: "0 14 * * TUE,THU", zone: Europe/Berlin}
"""
TRAIN = "shop/production"
TUESDAY = datetime(2026, 11, 24, 14, 0, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


class Gone(MemoryJournal):
    """A process that is killed whenever its delivery waits at the train."""

    def wait(self, seconds: float) -> None:
        done, _ = self._replayed("wait")
        if done:
            return
        with self.db.connect() as connection:
            waits = connection.exec_driver_sql(
                "SELECT count(*) FROM headway_delivery WHERE state = 'waiting'"
            ).scalar()
        self._record("wait", None)
        if waits:
            raise Killed("waiting at the train")
        self.clock.sleep(seconds)


class Line:
    """Deliveries of one service, each with what its journal remembers."""

    def __init__(self, stage: Stage) -> None:
        self.stage, stage.config = stage, CONFIG
        self.open: dict[str, tuple[Order, Recorded]] = {}
        self.clock = stage.parts.clock
        self.clock.at = TUESDAY - 3600

    def ask(self, sha: str) -> str:
        order = self.stage.request(sha)
        self.open[sha] = order, Recorded()
        return self.go(sha).release

    def go(self, sha: str) -> Delivery:
        """On from where it stood, in a new process."""
        order, recorded = self.open[sha]
        journal = Gone(self.stage.db, recorded, self.clock)
        with contextlib.suppress(Killed):
            deliver(journal, self.stage.parts.world(self.stage.home), order)
        return self.stage.delivery(order.delivery)

    def tx(self, do: Callable[[Tx, Any], object]) -> None:
        with self.stage.db.begin() as connection:
            lock(connection)
            do(Tx(connection, self.clock.at), self.stage.parts.outbox)

    def departed(self) -> list[dict[str, Any]]:
        return [e.data for e in self.stage.events(kind="train.departed")]


@pytest.fixture
def line(stage: Stage) -> Line:
    return Line(stage)


@pytest.mark.seed("S-010")
def test_releases_wait_through_kills_and_the_newest_leaves_at_the_moment(line: Line) -> None:
    line.ask("a1")
    line.clock.at += 600
    line.ask("b2")
    assert "waits for the departure of 2026-11-24 14:00 CET" in line.go("b2").because
    line.clock.at = TUESDAY - 1
    assert line.go("b2").state == "waiting"
    assert line.departed() == []
    line.clock.at = TUESDAY + 2
    first, second = line.go("a1"), line.go("b2")
    assert (first.outcome, first.because) == ("superseded", "superseded by shop-2")
    assert second.outcome == "delivered"
    (left,) = line.departed()
    assert (left["passengers"], left["scheduled_at"], left["by"]) == (
        ["shop-2"],
        TUESDAY,
        "schedule",
    )


@pytest.mark.seed("S-010")
def test_a_hotfix_goes_beside_the_train_which_does_not_roll_it_back(line: Line) -> None:
    line.ask("a1")
    line.ask("f2")
    hotfix, _ = line.open["f2"]
    word = Word("hotfix", "ben", "prices are wrong", "production")
    line.tx(lambda tx, outbox: commands.say(tx, outbox, hotfix.delivery, word))
    done = line.go("f2")
    assert (done.outcome, done.release) == ("delivered", "shop-2")
    assert line.clock.at < TUESDAY
    assert line.departed() == []
    told = line.stage.events(kind="delivery.hotfix")[0].data
    assert told == {"by": "ben", "reason": "prices are wrong"}
    line.clock.at = TUESDAY + 1
    assert line.go("a1").outcome == "superseded"


def test_who_gets_ready_after_the_departure_takes_the_next_train(line: Line) -> None:
    line.clock.at = TUESDAY + 60
    line.ask("a1")
    assert "2026-11-26 14:00 CET" in line.go("a1").because
    line.clock.at = TUESDAY + 2 * 86400 + 1
    assert line.go("a1").outcome == "delivered"


def test_a_held_train_stays_and_leaves_late_when_it_is_resumed(line: Line) -> None:
    line.ask("a1")
    line.tx(lambda tx, outbox: train.hold(tx, outbox, TRAIN, "ana", "snow"))
    line.clock.at = TUESDAY + 5
    assert line.go("a1").because == "the train is held by ana: snow"
    with pytest.raises(Refused, match="held"):
        line.tx(lambda tx, outbox: train.depart(tx, outbox, TRAIN, "ana", "go"))
    line.tx(lambda tx, outbox: train.resume(tx, outbox, TRAIN, "ana", "sun"))
    line.clock.at = TUESDAY + 600
    assert line.go("a1").outcome == "delivered"
    assert line.departed()[0]["late_seconds"] == 600


def test_a_train_that_nobody_could_let_go_does_not_leave_in_the_night(line: Line) -> None:
    line.ask("a1")
    line.clock.at = TUESDAY + 8 * 3600
    assert "2026-11-26 14:00 CET" in line.go("a1").because
    assert line.departed() == []


def test_who_comes_to_the_door_later_takes_no_seat_from_who_has_left(line: Line) -> None:
    line.ask("a1")
    line.tx(lambda tx, outbox: train.depart(tx, outbox, TRAIN, "ana", "the fair begins"))
    line.ask("b2")
    assert line.go("a1").outcome == "delivered"
    assert line.go("b2").state == "waiting"
    assert line.departed()[0]["passengers"] == ["shop-1"]


def test_a_person_lets_it_go_at_once(line: Line) -> None:
    line.ask("a1")
    line.tx(lambda tx, outbox: train.depart(tx, outbox, TRAIN, "ana", "the fair begins"))
    assert line.go("a1").outcome == "delivered"
    (left,) = line.departed()
    assert (left["by"], left["reason"]) == ("ana", "the fair begins")
    with pytest.raises(Refused, match="nobody is ready"):
        line.tx(lambda tx, outbox: train.depart(tx, outbox, TRAIN, "ana", "again"))
