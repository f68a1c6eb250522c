"""Shadow traffic in a rollout: copies are judged before any user, and by no user's cost."""

from collections.abc import Callable

import pytest
from tests.fakes.memory_journal import Killed, Recorded
from tests.fakes.world import Behaviour
from tests.flows.conftest import Stage

from headway.flows.deliver import deliver
from headway.model.event import Event
from headway.store import log
from headway.store.views import rollout as rollout_view

TEXT = """\
service: shop
run: ./shop
health: /health
analysis: {pace: quick}
environments:
  staging:
"""
MIRROR_FIRST = TEXT + """\
  production:
    rollout:
      strategy: canary
      steps: [{mirror: 40%, bake: 10s}, 50%, 100%]
      stability: 20s
      ignore_fields: [request_id]
"""  # fmt: skip
SHADOW = (
    TEXT
    + """\
  shadow: {rollout: {strategy: shadow, mirror: 100%, bake: 10s}}
  production: {rollout: {strategy: blue-green, bake: 1s, stability: 1s, keep_old: 0s}}
"""
)


def bounded(stage: Stage) -> Stage:
    """A rollout that holds for ever must not hang the test."""
    ends, genuine = stage.parts.clock.now() + 1800, stage.parts.clock.sleep

    def sleep(seconds: float) -> None:
        assert stage.parts.clock.now() < ends, stage.events(kind="rollout.held")
        genuine(seconds)

    stage.parts.clock.sleep = sleep  # type: ignore[method-assign]
    return stage


def live(stage: Stage, config: str) -> Stage:
    bounded(stage).config = config
    assert stage.deliver("a1").outcome == "delivered"
    return stage


def users_shares(stage: Stage, environment: str) -> list[float]:
    """The shares that shop-2 ever had of users."""
    told = [s for e, _, s in stage.parts.router.ledger if e == environment]
    return [s.get("shop-2", 0.0) for s in told if s.get("shop-1") != 1.0 or "shop-2" in s]


def of(stage: Stage, kind: str, environment: str = "production") -> list[Event]:
    return [e for e in stage.events(kind=kind) if e.environment == environment]


def shown(stage: Stage, environment: str = "production") -> rollout_view.RolloutView:
    with stage.db.connect() as connection:
        started = [
            e
            for e in log.after(connection, 0, limit=10_000, kind="rollout.started")
            if e.environment == environment
        ]
        return rollout_view.read(connection, started[-1].subject)


@pytest.mark.seed("S-088", "S-477")
def test_a_good_release_is_mirrored_then_shifted(stage: Stage) -> None:
    live(stage, MIRROR_FIRST)
    assert stage.deliver("a2").outcome == "delivered"
    steps = [e.data for e in of(stage, "rollout.shifted") if e.release == "shop-2"]
    assert [(s["share"], s["mirror"]) for s in steps] == [(0.0, 0.4), (0.5, 0.0), (0.9, 0.0)]
    mirrored = [e for e in of(stage, "rollout.judged") if e.data["share"] == 0.0]
    assert mirrored
    assert mirrored[-1].data["outcome"] == "PASS"
    assert mirrored[-1].data["candidate_requests"]
    assert stage.parts.router.mirrors[0][1].release == "shop-2"
    assert stage.parts.router.mirrors[0][1].watch == "/beside/production/shop"
    (order,) = [m for e, m in stage.parts.router.mirrors if e == "production"]
    assert order.share == 0.4
    assert stage.parts.differ.orders == {}
    told = shown(stage)
    assert told.compared is not None
    assert told.compared.compared > 100
    assert told.compared.candidate == 0
    assert told.steps[0].mirror == 0.4
    assert any(s.name == "equal answers" for s in told.steps[0].signals)
    assert not any(s.name == "equal answers" for s in told.steps[1].signals)


@pytest.mark.parametrize("how", ["errors", "latency", "answers"])
@pytest.mark.parametrize("config", [MIRROR_FIRST, SHADOW], ids=["canary", "shadow"])
def test_a_bad_shadow_goes_back_before_any_user(stage: Stage, how: str, config: str) -> None:
    live(stage, config)
    if how == "answers":
        stage.parts.differ.differing["shop-2"] = 0.3
    else:
        bad = Behaviour(errors=0.2) if how == "errors" else Behaviour(slow=3.0)
        stage.parts.meter.behaviour["shop-2"] = bad
    environment = "shadow" if config is SHADOW else "production"
    done = stage.deliver("a2")
    assert done.outcome == "failed"
    assert not any(users_shares(stage, environment))
    (back,) = of(stage, "rollout.rolled_back", environment)
    assert (back.data["exposed"], back.data["share"]) == (False, 0.0)
    assert stage.parts.router.routings["shop", environment].mirror is None
    assert stage.parts.router.routings["shop", environment].shares == {"shop-1": 1.0}
    assert {i.release for i in stage.parts.target.observe("shop", environment)} == {"shop-1"}
    assert stage.parts.differ.orders == {}
    if how == "answers":
        assert "equal answers" in done.because
        assert of(stage, "rollout.differed", environment)
        told = shown(stage, environment).compared
        assert told is not None
        assert told.candidate > 0


@pytest.mark.seed("S-088", "S-477")
def test_the_strategy_shadow_proves_and_leaves_all_as_it_was(stage: Stage) -> None:
    live(stage, SHADOW)
    done = stage.deliver("a2")
    assert (done.outcome, done.environment) == ("delivered", "production")
    assert not any(users_shares(stage, "shadow"))
    (ended,) = [e for e in of(stage, "rollout.shadowed", "shadow") if e.release == "shop-2"]
    assert ended.data["proven"] is True
    assert not [e for e in of(stage, "release.released", "shadow") if e.release == "shop-2"]
    assert stage.parts.router.routings["shop", "shadow"].shares == {"shop-1": 1.0}
    assert stage.parts.router.routings["shop", "shadow"].mirror is None
    assert {i.release for i in stage.parts.target.observe("shop", "shadow")} == {"shop-1"}
    assert stage.parts.router.routings["shop", "production"].shares == {"shop-2": 1.0}
    view = shown(stage, "shadow")
    assert (view.outcome, view.phase) == ("shadowed", "done")
    assert stage.deliver("a3").outcome == "delivered"


def test_nothing_to_compare_is_insufficient_data(stage: Stage) -> None:
    """No request that may be repeated: the step waits, then holds; it never passes."""
    live(stage, MIRROR_FIRST + "    analysis: {insufficient_data: promote_unproven}\n")
    stage.parts.differ.broken = True
    assert stage.deliver("a2").outcome == "delivered"
    moves = [e.data for e in of(stage, "rollout.moved") if e.data["type"] == "shift"]
    assert [m["proven"] for m in moves if m["to"] == 1] == [False]
    assert "equal answers" in str(next(m["because"] for m in moves if m["to"] == 1))


def test_a_first_release_has_nobody_to_be_compared_with(stage: Stage) -> None:
    live(stage, SHADOW)
    assert stage.parts.router.mirrors == []
    assert [e.release for e in of(stage, "release.released", "shadow")] == ["shop-1"]


def kill_and_go_on(stage: Stage, sha: str, point: int) -> list[str]:
    """Deliver, killed once at the point, then let run; gives the points passed."""
    order, recorded = stage.request(sha), Recorded()
    journal, world = stage.journal(recorded, point), stage.parts.world(stage.home)
    try:
        deliver(journal, world, order)
    except Killed:
        deliver(stage.journal(recorded), world, order)
    return journal.names


FAST = {
    "shadow": SHADOW.replace("bake: 10s", "bake: 2s"),
    "canary": MIRROR_FIRST.replace("bake: 10s", "bake: 2s").replace(
        "stability: 20s", "stability: 4s"
    ),
}


def end_state(stage: Stage) -> object:
    found = {}
    for place, routing in stage.parts.router.routings.items():
        running = sorted(i.id for i in stage.parts.target.observe(*place))
        found[place] = (routing.shares, routing.mirror, running)
    beside = (dict(stage.parts.differ.orders), dict(stage.parts.player.orders))
    return (
        found,
        beside,
        stage.kinds()[-1],
        stage.events(kind="delivery.finished")[-1].data["outcome"],
    )


@pytest.mark.parametrize("stride", [71, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("strategy", ["canary", "shadow"])
def test_killed_anywhere_a_shadow_ends_the_same(
    new_stage: Callable[[], Stage], strategy: str, *, bad: bool, stride: int
) -> None:
    def prepared() -> Stage:
        stage = live(new_stage(), FAST[strategy])
        if bad:
            stage.parts.differ.differing["shop-2"] = 0.5
        return stage

    whole = prepared()
    names = kill_and_go_on(whole, "a2", -1)
    wanted = end_state(whole)
    assert len(names) >= 25
    for point in range(0, len(names), stride):
        stage = prepared()
        kill_and_go_on(stage, "a2", point)
        assert end_state(stage) == wanted, names[point]
        environment = "shadow" if strategy == "shadow" else "production"
        if bad:
            assert not any(users_shares(stage, environment)), names[point]
        routed = [(e, g) for e, g, _ in stage.parts.router.ledger]
        assert len(routed) == len(set(routed))
        seqs = [e.seq for e in stage.events()]
        assert seqs == list(range(1, len(seqs) + 1))
