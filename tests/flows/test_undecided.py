"""What happens where the judge cannot tell: each `insufficient_data` policy from end to end, in the
real flows with a world in memory.
"""

from collections.abc import Callable

import pytest
from tests.fakes.world import Behaviour
from tests.flows.conftest import PATIENT, Stage

from headway.flows import commands
from headway.flows.commands import Word
from headway.model.delivery import Delivery
from headway.model.delivery import Verb as Said
from headway.store import rollouts
from headway.store.database import Tx
from headway.store.views import verdict

SCARCE = 4.0  # requests a second: some proof, too slow for the clock of 60 s
SILENT = 0.2


@pytest.fixture
def stage(new_stage: Callable[[], Stage]) -> Stage:
    made = new_stage()
    made.config = PATIENT
    return made


class Enough(Exception):
    """Nothing more will happen by itself, or nobody wants to see more."""


def config(policy: str, more: str = "") -> str:
    analysis = f"analysis: {{pace: quick, insufficient_data: {policy}}}"
    text = PATIENT.replace("analysis: {pace: quick}", analysis)
    return text.replace("stability: 60s", f"stability: 60s{more}")


def deliver(stage: Stage, policy: str, when: Callable[[], bool], more: str = "") -> Delivery:
    """The second release, until it ends or `when` is true before a wait."""
    yaml = config(policy, more)
    stage.deliver("a1", yaml)
    stage.parts.meter.rate = SILENT
    real = stage.parts.clock.sleep

    def sleep(seconds: float) -> None:
        if when():
            raise Enough
        real(seconds)

    stage.parts.clock.sleep = sleep  # type: ignore[method-assign]
    try:
        return stage.deliver("a2", yaml)
    except Enough:
        return stage.delivery(stage.events(kind="delivery.requested")[-1].delivery)


def share(stage: Stage) -> float:
    return stage.parts.router.routings["shop", "production"].shares.get("shop-2", 0.0)


def held(stage: Stage) -> list[dict[str, object]]:
    return [e.data for e in stage.events(kind="rollout.held")]


def moves(stage: Stage) -> list[dict[str, object]]:
    found = stage.events(kind="rollout.moved", release="shop-2", environment="production")
    return [e.data for e in found if e.data["type"] == "shift"]


def say(stage: Stage, delivery: str, verb: Said, reason: str) -> None:
    with stage.db.begin() as connection:
        tx = Tx(connection, stage.parts.clock.now())
        commands.say(tx, stage.parts.outbox, delivery, Word(verb, "ana", reason, "production"))


def answered(stage: Stage, verb: Said) -> Callable[[], bool]:
    """A person who says one word once the rollout asks; then traffic is as usual."""
    said: list[str] = []

    def when() -> bool:
        if held(stage) and not said:
            said.append(verb)
            id = stage.events(kind="delivery.requested")[-1].delivery
            say(stage, id, verb, "looked at it")
            stage.parts.meter.rate = 500.0
        return False

    return when


def started(stage: Stage) -> float:
    return stage.events(kind="rollout.shifted", release="shop-2", environment="production")[0].at


@pytest.mark.seed("S-094", "S-110")
def test_hold_stays_at_the_step_after_the_clock_and_says_how_long_it_would_take(
    stage: Stage,
) -> None:
    deliver(stage, "hold", lambda: bool(held(stage)))
    (only,) = held(stage)
    assert (only["policy"], only["step"]) == ("hold", 0)
    assert "insufficient data" in str(only["because"])
    assert str(only["outlook"]).startswith("at this rate (")
    assert share(stage) == 0.05
    event = stage.events(kind="rollout.held")[0]
    assert event.at - started(stage) >= 60  # the quick pace's clock


@pytest.mark.soak
def test_extend_goes_on_looking_until_the_deadline_and_holds_then(stage: Stage) -> None:
    deliver(stage, "extend", lambda: bool(held(stage)), ", deadline: 20m")
    (only,) = held(stage)
    assert str(only["because"]).startswith("undecided at the deadline: insufficient data")
    waited = stage.events(kind="rollout.held")[0].at - started(stage)
    assert 1100 < waited < 1300
    assert share(stage) == 0.05


def test_extend_is_promoted_by_proof_when_users_come_late(stage: Stage) -> None:
    """Nobody but a few for 5 minutes, long past the clock; then the usual traffic."""

    def when() -> bool:
        shifts = stage.events(kind="rollout.shifted", release="shop-2", environment="production")
        if shifts and stage.parts.clock.now() - shifts[0].at > 300:
            stage.parts.meter.rate = 500.0
        return False

    done = deliver(stage, "extend", when)
    assert done.outcome == "delivered", done.because
    assert held(stage) == []
    assert all(m["proven"] for m in moves(stage))


def test_promote_unproven_goes_on_by_the_clock_and_says_so(stage: Stage) -> None:
    done = deliver(stage, "promote_unproven", lambda: bool(held(stage)))
    onward = moves(stage)[1:]
    assert [m["proven"] for m in onward] == [False, False, False]
    assert all(str(m["because"]).startswith("not proven, promoted by policy: ") for m in onward)
    with stage.db.connect() as connection:
        id = stage.events(kind="rollout.started", release="shop-2")[-1].subject
        view = verdict.read(connection, id, stage.parts.clock.now())
    assert [(p.step, p.to) for p in view.unproven_promotions] == [(0, 1), (1, 2), (2, 3)]
    assert done.release == "shop-2"


def test_promote_unproven_never_promotes_what_looks_worse(stage: Stage) -> None:
    """Suspicion is not insufficient data: 2 % errors more, too few requests to be sure."""
    yaml = config("promote_unproven")
    stage.deliver("a1", yaml)
    stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.3)
    stage.parts.meter.rate = SCARCE
    done = stage.deliver("a2", yaml)
    assert done.outcome == "rolled_back", done.because
    assert share(stage) == 0.0


@pytest.mark.seed("S-110")
@pytest.mark.parametrize("verb", ["approve", "promote"])
def test_ask_pauses_and_a_person_lets_it_go_on(stage: Stage, verb: Said) -> None:
    done = deliver(stage, "ask", answered(stage, verb))
    first = held(stage)[0]
    assert str(first["because"]).startswith("asks for a decision: insufficient data")
    assert str(first["outlook"]).startswith("at this rate (")
    assert done.outcome == "delivered", done.because
    shifts = moves(stage)
    assert shifts[0]["to"] == 0
    assert (shifts[1]["to"], shifts[1]["proven"]) == (1, False)
    assert f"{verb} by ana: looked at it" in str(shifts[1]["because"])
    assert all(m["proven"] for m in shifts[2:])


@pytest.mark.seed("S-110")
def test_ask_pauses_and_a_person_sends_it_back(stage: Stage) -> None:
    done = deliver(stage, "ask", answered(stage, "abort"))
    assert done.outcome == "rolled_back"
    assert "aborted by ana: looked at it" in done.because
    assert stage.parts.router.routings["shop", "production"].shares == {"shop-1": 1.0}


@pytest.mark.seed("S-110")
def test_ask_needs_nobody_where_the_breach_is_clear(stage: Stage) -> None:
    yaml = config("ask")
    stage.deliver("a1", yaml)
    stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.2)
    done = stage.deliver("a2", yaml)
    assert done.outcome == "rolled_back"
    assert held(stage) == []
    assert stage.kinds(kind="command.given") == []


def test_a_hold_ends_by_itself_when_proof_comes(stage: Stage) -> None:
    def when() -> bool:
        if held(stage):
            stage.parts.meter.rate = 500.0
        return False

    done = deliver(stage, "hold", when)
    assert done.outcome == "delivered", done.because
    assert len(held(stage)) == 1
    assert all(m["proven"] for m in moves(stage))


def test_the_outlook_is_read_again_at_any_time_and_changes_nothing(stage: Stage) -> None:
    deliver(stage, "hold", lambda: bool(held(stage)))
    id = stage.events(kind="rollout.started", release="shop-2")[-1].subject
    with stage.db.connect() as connection:
        before = rollouts.column(connection, id, "judge")
        now = stage.parts.clock.now()
        found = verdict.outlook(connection, id, now)
        assert found == verdict.outlook(connection, id, now)
        assert rollouts.column(connection, id, "judge") == before
    assert found is not None
    assert [f.share for f in found.forecasts] == [0.05, 0.25, 0.5]
