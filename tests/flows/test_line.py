"""A stopped line: nothing enters, nothing moves on, everything may go back; also across kills."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes.memory_journal import Killed, MemoryJournal, Recorded
from tests.fakes.world import Behaviour
from tests.flows.conftest import Stage

from headway.flows import commands, line
from headway.flows.commands import Word
from headway.flows.deliver import deliver
from headway.flows.line import Said
from headway.flows.revert import revert
from headway.model.delivery import Delivery, Order
from headway.model.errors import Invalid, Refused
from headway.model.line import EVERYTHING, Scope
from headway.store.database import Tx, lock
from headway.store.views import line as view

CONFIG = """\
service: shop
run: ./shop
health: /health
analysis: {pace: quick}
environments:
  staging:
  production: {rollout: {strategy: canary, steps: [50%, 100%], stability: 4s}}
"""
STOP, START = Said("ana", "the database fails"), Said("ben", "it is well")


class Hands:
    """What people do to the line of a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage, stage.config = stage, CONFIG

    def tx(self, do: Callable[[Tx, Any], Any]) -> Any:
        with self.stage.db.begin() as connection:
            lock(connection)
            return do(Tx(connection, self.stage.parts.clock.at), self.stage.parts.outbox)

    def stop(self, scope: Scope = EVERYTHING, said: Said = STOP) -> Any:
        return self.tx(lambda tx, outbox: line.stop(tx, outbox, scope, said))

    def start(self, scope: Scope = EVERYTHING) -> Any:
        return self.tx(lambda tx, outbox: line.start(tx, outbox, scope, START))

    def seen(self) -> view.LineView:
        with self.stage.db.connect() as connection:
            return view.read(connection)

    def share(self, release: str = "shop-2") -> float:
        routing = self.stage.parts.router.routings.get(("shop", "production"))
        return routing.shares.get(release, 0.0) if routing else 0.0

    def told(self, environment: str) -> list[dict[str, Any]]:
        return [e.data for e in self.stage.events(kind="gates.judged", environment=environment)]


class Waiting(MemoryJournal):
    """Calls `at_wait` with the number of each wait, before it."""

    at_wait: Callable[[int], None] = staticmethod(lambda _number: None)
    waits = 0

    def wait(self, seconds: float) -> None:
        if self.at >= len(self.recorded.results):
            self.waits += 1
            self.at_wait(self.waits)
        super().wait(seconds)


@pytest.fixture
def hands(stage: Stage) -> Hands:
    return Hands(stage)


def go(
    hands: Hands, order: Order, at_wait: Callable[[int], None], recorded: Recorded | None = None
) -> Delivery:
    stage = hands.stage
    journal = Waiting(stage.db, recorded or Recorded(), stage.parts.clock)
    journal.at_wait = at_wait  # type: ignore[method-assign]
    deliver(journal, stage.parts.world(stage.home), order)
    return stage.delivery(order.delivery)


def test_nothing_enters_while_the_line_is_stopped_and_all_goes_on_after(hands: Hands) -> None:
    hands.stage.deliver("a1")
    hands.stop()
    states: list[tuple[str, str]] = []

    def look(number: int) -> None:
        seen = hands.seen()
        states.append((seen.stops[0].held[0].state if seen.stopped else "", seen.because))
        if number == 3:
            hands.start()

    done = go(hands, hands.stage.request("a2"), look)
    assert done.outcome == "delivered"
    because = hands.told("staging")[-2]["because"]
    assert "the line is stopped for everything by ana since " in because
    assert because.endswith(": the database fails")
    assert states[0] == ("at the door", because)
    started = hands.stage.events(kind="line.started")[0]
    entered = [e for e in hands.stage.events(kind="rollout.started") if e.release == "shop-2"]
    assert started.seq < entered[0].seq


def test_a_running_rollout_stands_with_its_clocks_and_goes_on(hands: Hands) -> None:
    stage = hands.stage
    stage.deliver("a1")
    stood: list[float] = []

    def look(_number: int) -> None:
        if hands.share() == 0.5 and not stood:
            hands.stop(Scope(environment="production"))
        if hands.seen().stopped:
            stood.append(hands.share())
        if hands.seen().stopped and len(stood) == 40:
            held = hands.seen().stops[0].held[0]
            assert (held.state, held.share, held.rollout[:4]) == ("at a step", 0.5, "rol_")
            hands.start(Scope(environment="production"))

    assert go(hands, stage.request("a2"), look).outcome == "delivered"
    assert stood == [0.5] * 40
    halted, continued = (stage.events(kind=f"rollout.{k}") for k in ("halted", "continued"))
    assert (len(halted), len(continued)) == (1, 1)
    assert continued[0].data["seconds"] > 30
    judged = [e for e in stage.events(kind="rollout.judged", release="shop-2")
              if halted[0].at < e.at < continued[0].at]  # fmt: skip
    assert judged
    moved = [e for e in stage.events(kind="rollout.moved", environment="production")
             if halted[0].seq < e.seq < continued[0].seq]  # fmt: skip
    assert moved == []


def test_a_failure_rolls_back_while_the_line_is_stopped(hands: Hands) -> None:
    stage = hands.stage
    stage.deliver("a1")

    def look(_number: int) -> None:
        if hands.share() == 0.5 and not hands.seen().stopped:
            hands.stop()
            stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.3)

    done = go(hands, stage.request("a2"), look)
    assert done.outcome == "rolled_back"
    assert (hands.share(), hands.share("shop-1")) == (0.0, 1.0)
    assert hands.seen().stopped


def test_a_person_can_abort_and_not_promote(hands: Hands) -> None:
    stage = hands.stage
    stage.deliver("a1")
    order = stage.request("a2")

    def say(verb: Any) -> None:
        word = Word(verb, "ben", "now", "production")
        hands.tx(lambda tx, outbox: commands.say(tx, outbox, order.delivery, word))

    def look(_number: int) -> None:
        if hands.share() == 0.5 and not hands.seen().stopped:
            hands.stop(Scope("shop"))
            with pytest.raises(Refused, match="not promoted in production") as refused:
                say("promote")
            assert (refused.value.code, "by ana" in refused.value.why) == ("line-stopped", True)
            say("abort")

    done = go(hands, order, look)
    assert (done.outcome, done.because) == ("rolled_back", "aborted by ben: now")


def test_the_way_back_to_a_former_release_is_open(hands: Hands) -> None:
    stage = hands.stage
    stage.deliver("a1")
    stage.deliver("a2")
    hands.stop()
    word = Word("abort", "ben", "wrong prices", "production")
    hands.tx(lambda tx, outbox: commands.go_back(tx, outbox, "shop", word))
    order = stage.parts.outbox.started[-1][2]
    revert(stage.journal(), stage.parts.world(stage.home), order)
    assert stage.delivery(order.delivery).outcome == "delivered"
    assert hands.share("shop-1") == 1.0


def test_a_release_that_was_never_released_there_is_no_way_back(hands: Hands) -> None:
    stage = hands.stage
    stage.deliver("a1")
    stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.3)
    assert stage.deliver("a2").outcome == "rolled_back"
    hands.tx(lambda tx, _: tx.connection.exec_driver_sql("DELETE FROM headway_quarantine"))
    hands.stop()
    word = Word("abort", "ben", "I like it", "production")
    hands.tx(lambda tx, outbox: commands.go_back(tx, outbox, "shop", word, "shop-2"))
    order = stage.parts.outbox.started[-1][2]

    class Enough(Exception):
        pass

    def look(_number: int) -> None:
        raise Enough

    journal = Waiting(stage.db, Recorded(), stage.parts.clock)
    journal.at_wait = look  # type: ignore[method-assign]
    with pytest.raises(Enough):
        revert(journal, stage.parts.world(stage.home), order)
    assert "the line is stopped" in stage.delivery(order.delivery).because


def test_a_stop_ends_by_itself_and_the_log_says_so_before_anything_moves(hands: Hands) -> None:
    stage = hands.stage
    stage.deliver("a1")
    hands.stop(said=Said("ana", "the fair", 90.0))
    assert go(hands, stage.request("a2"), lambda _n: None).outcome == "delivered"
    over = stage.events(kind="line.started")[0]
    assert (over.data["by"], over.data["reason"]) == ("", "its time has passed")
    begun = [e for e in stage.events(kind="rollout.started") if e.release == "shop-2"]
    assert over.seq < begun[0].seq
    assert hands.seen().ended[0].ended_by == ""


def test_stopping_twice_keeps_the_first_word_and_the_longer_time(hands: Hands) -> None:
    stage = hands.stage
    stage.deliver("a1")
    first = hands.stop(said=Said("ana", "the database fails", 60.0))
    again = hands.stop(said=Said("ben", "the fair begins", 600.0))
    assert (again.id, again.by, again.since) == (first.id, "ana", first.since)
    assert again.until == first.since + 600.0
    shorter = hands.stop(said=Said("cai", "me too", 5.0))
    assert shorter.until == again.until
    forever = hands.stop(said=Said("dan", "until I say", 0.0))
    assert forever.until == 0.0
    assert [a.by for a in hands.seen().stops[0].again] == ["ben", "cai", "dan"]
    assert [e.data["again"] for e in stage.events(kind="line.stopped")] == [False] + [True] * 3
    assert hands.start().id == first.id
    assert hands.start() is None
    assert len(stage.events(kind="line.started")) == 1


def test_a_scope_stops_what_it_names_and_nothing_else(hands: Hands) -> None:
    stage = hands.stage
    stage.deliver("a1")
    hands.stop(Scope(tier="production"))

    def look(number: int) -> None:
        if number == 3:
            hands.start(Scope(tier="production"))

    order = stage.request("a2")
    assert go(hands, order, look).outcome == "delivered"
    waited = {env: [t["because"] for t in hands.told(env) if t["judge"] == "line"]
              for env in ("staging", "production")}  # fmt: skip
    assert "every production environment" in waited["production"][0]
    assert waited["staging"] == []
    assert order.delivery in stage.parts.outbox.woken


@pytest.mark.parametrize(
    ("scope", "said", "code"),
    [
        (Scope("shpo"), STOP, "unknown-name"),
        (Scope(environment="prod"), STOP, "unknown-name"),
        (Scope(tier="prod"), STOP, "unknown-name"),
        (EVERYTHING, Said("ana", "  "), "no-reason"),
    ],
)
def test_a_stop_that_would_miss_is_refused(
    hands: Hands, scope: Scope, said: Said, code: str
) -> None:
    hands.stage.deliver("a1")
    with pytest.raises(Invalid) as refused:
        hands.stop(scope, said)
    assert refused.value.code == code
    assert not hands.seen().stopped


def moves(stage: Stage) -> tuple[float, int]:
    """How far the candidate has come: its greatest share, its instances that were started."""
    router, target = stage.parts.router.ledger, stage.parts.target.ledger
    shares = [s.get("shop-2", 0.0) for place, _, s in router if place == "production"]
    started = {i for _, _, what, i in target if what == "start" and i.startswith("shop-2")}
    return max(shares, default=0.0), len(started)


@pytest.mark.parametrize("stride", [61, pytest.param(1, marks=pytest.mark.soak)])
def test_a_stop_while_the_engine_is_down_is_seen_wherever_it_was_killed(
    new_stage: Callable[[], Stage], stride: int
) -> None:
    whole = Hands(new_stage())
    whole.stage.deliver("a1")
    names = whole.stage.journal()
    deliver(names, whole.stage.parts.world(whole.stage.home), whole.stage.request("a2"))
    for point in range(0, len(names.names), stride):
        hands = Hands(new_stage())
        stage = hands.stage
        stage.deliver("a1")
        order, recorded = stage.request("a2"), Recorded()
        with contextlib.suppress(Killed):
            deliver(stage.journal(recorded, point), stage.parts.world(stage.home), order)
        before = moves(stage)
        hands.stop()

        def look(number: int, hands: Hands = hands, before: tuple[float, int] = before) -> None:
            if hands.seen().stopped:
                assert moves(hands.stage) == before
            if number == 4:
                hands.start()

        done = go(hands, order, look, recorded)
        assert done.outcome == "delivered", (names.names[point], done.because)
        assert hands.share() == 1.0
        seqs = [e.seq for e in stage.events()]
        assert seqs == list(range(1, len(seqs) + 1))
