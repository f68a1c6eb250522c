"""Why it is not moving, in one sentence, at every place where a delivery can stand."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes.memory_journal import MemoryJournal, Recorded
from tests.fakes.world import Behaviour
from tests.flows.conftest import Stage

from headway.flows import commands, line
from headway.flows.commands import Word
from headway.flows.deliver import deliver
from headway.flows.line import Said
from headway.model.delivery import Order
from headway.model.line import Scope
from headway.store import records
from headway.store.database import Tx, lock
from headway.store.views import status as status_view
from headway.store.views import waiting

CANARY = """\
service: shop
run: ./shop
health: /health
analysis: {pace: quick}
environments:
  production:
    rollout: {strategy: canary, steps: [50%, 100%], stability: 60s}
"""
APPROVED = CANARY + "    gates: {approval: {count: 1, by: [ben, cai]}}\n"
BY_HAND = CANARY.replace("[50%, 100%]", "[{share: 50%, approval: 1}, 100%]")
KEPT = CANARY.replace(
    "{strategy: canary, steps: [50%, 100%], stability: 60s}",
    "{strategy: blue-green, bake: 60s, keep_old: 60s, stability: 30s}",
)


class Watched(MemoryJournal):
    """Collects the sentence at each wait; ends when `enough` says so."""

    look: Callable[[str], bool] = staticmethod(lambda _words: False)
    delivery = ""
    waits = 0

    def wait(self, seconds: float) -> None:
        with self.db.connect() as connection:
            words = waiting.of_delivery(connection, self.delivery, self.clock.now())
        if self.look(words):
            raise Enough(words)
        self.waits += 1
        assert self.waits < 150, f"never seen; at last: {words}"
        super().wait(seconds)


class Enough(Exception):
    """The sentence was seen."""


def until(stage: Stage, order: Order, part: str, act: Callable[[str], Any] | None = None) -> str:
    """The first sentence with that part in it."""
    journal = Watched(stage.db, Recorded(), stage.parts.clock)
    journal.delivery = order.delivery

    def look(words: str) -> bool:
        if act is not None:
            act(words)
        return part in words

    journal.look = look  # type: ignore[method-assign]
    try:
        deliver(journal, stage.parts.world(stage.home), order)
    except Enough as found:
        return str(found)
    pytest.fail(f"it ended: {stage.delivery(order.delivery)}; {stage.kinds()[-9:]}")


def every(stage: Stage, order: Order) -> list[str]:
    """The sentences at each wait of a delivery that comes to its end."""
    said: list[str] = []
    journal = Watched(stage.db, Recorded(), stage.parts.clock)
    journal.delivery = order.delivery
    journal.look = lambda words: bool(said.append(words))  # type: ignore[func-returns-value, method-assign]
    deliver(journal, stage.parts.world(stage.home), order)
    return said


def say(stage: Stage, order: Order, verb: Any) -> None:
    with stage.db.begin() as connection:
        lock(connection)
        word = Word(verb, "ben", "lunch", "production")
        tx = Tx(connection, stage.parts.clock.at)
        commands.say(tx, stage.parts.outbox, order.delivery, word)  # type: ignore[arg-type]


def sentence(stage: Stage, id: str) -> str:
    with stage.db.connect() as connection:
        return waiting.of_delivery(connection, id, stage.parts.clock.at)


def test_nobody_took_it_yet_and_nothing_after_its_end(stage: Stage) -> None:
    stage.config = CANARY
    order = stage.request("a1")
    assert sentence(stage, order.delivery) == "waits for the server to take it"
    assert sentence(stage, stage.deliver("a2").id) == ""


def test_an_approval_and_by_whom(stage: Stage) -> None:
    stage.config = APPROVED
    said = until(stage, stage.request("a1"), "production")
    assert said == "waits before production: approval by people, 0 of 1 (ben, cai)"


def test_every_gate_that_waits_is_named(stage: Stage) -> None:
    stage.config = CANARY
    stage.deliver("a1")
    with stage.db.begin() as connection:
        lock(connection)
        tx = Tx(connection, stage.parts.clock.at)
        line.stop(tx, stage.parts.outbox, Scope(), Said("ana", "the fair"))  # type: ignore[arg-type]
    said = until(stage, stage.request("a2", APPROVED), "waits before")
    assert "the line is stopped for everything by ana since " in said
    assert "approval by people, 0 of 1 (ben, cai)" in said


def test_its_turn(stage: Stage) -> None:
    stage.config = CANARY
    stage.deliver("a1")
    with stage.db.begin() as connection:
        lock(connection)
        place = records.place(connection, "shop", "production")
        held = records.changed(place, holder="del_other", candidate="shop-1")
        records.put_place(Tx(connection, 0.0), held)
    said = until(stage, stage.request("a2"), "waits before")
    assert said == "waits before production: shop-1 is rolling out; this one is next"


def test_data_that_is_missing_and_when_to_expect_enough(stage: Stage) -> None:
    stage.config = CANARY
    stage.deliver("a1")
    stage.parts.meter.rate = 20.0
    said = until(stage, stage.request("a2"), "at this rate")
    assert said.startswith("production: step 1 of 2, 50%: insufficient data")


def test_a_pause_with_who_and_since_when(stage: Stage) -> None:
    stage.config = CANARY
    stage.deliver("a1")
    order, said = stage.request("a2"), []

    def act(words: str) -> None:
        if "step 1" in words and not said:
            said.append(words)
            say(stage, order, "pause")

    words = until(stage, order, "paused", act)
    assert words.startswith("production: step 1 of 2, 50%: paused by ben since 20")
    assert words.endswith("UTC: lunch; the judge stays armed")


def test_an_approval_of_a_step_names_the_command(stage: Stage) -> None:
    stage.config = BY_HAND
    stage.deliver("a1")
    words = until(stage, stage.request("a2"), "approval(s)")
    assert words == (
        "production: step 1 of 2, 50%: waits for 1 more approval(s) of this step "
        "(headway rollout approve shop/production)"
    )


def test_time_that_must_pass_and_the_old_release_that_is_kept(stage: Stage) -> None:
    stage.config = KEPT
    stage.deliver("a1")
    said = every(stage, stage.request("a2"))
    for words in ("step 1 of 1, 100%: baking, ", "step 1 of 1, 100%: stability window, ",
                  "the old release is kept, "):  # fmt: skip
        assert any(s.startswith(f"production: {words}") for s in said), said


def test_the_stopped_line_in_the_middle_of_a_rollout(stage: Stage) -> None:
    stage.config = CANARY
    stage.deliver("a1")
    order, stopped = stage.request("a2"), []

    def act(words: str) -> None:
        if "step 1" in words and not stopped:
            stopped.append(words)
            with stage.db.begin() as connection:
                lock(connection)
                tx = Tx(connection, stage.parts.clock.at)
                line.stop(tx, stage.parts.outbox, Scope(), Said("ana", "the fair"))  # type: ignore[arg-type]

    words = until(stage, order, "the line is stopped", act)
    assert words.startswith("production: step 1 of 2, 50%: the line is stopped for everything by")
    with stage.db.connect() as connection:
        seen = status_view.read(connection)
    (here,), (one,) = seen.places, seen.open
    assert (here.phase, here.because) == ("stopped", seen.line[0])
    assert one.because == words


def test_on_the_way_back_it_says_to_what_and_why(stage: Stage) -> None:
    stage.config = CANARY
    stage.deliver("a1")
    stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.5)
    route, order, said = stage.parts.router.set, stage.request("a2"), list[str]()

    def heard(routing: Any) -> Any:
        said.append(sentence(stage, order.delivery))
        return route(routing)

    stage.parts.router.set = heard  # type: ignore[method-assign]
    deliver(stage.journal(), stage.parts.world(stage.home), order)
    assert said[-1].startswith("production: goes back to shop-1: ")
