"""Killed at every point of the journal, a delivery ends in the same state, and no generation of a
change takes hold twice. The same sweep with real processes and SIGKILL is test_kill_sweep.py.
"""

from collections.abc import Callable

import pytest
from tests.fakes.memory_journal import Killed, Recorded
from tests.fakes.world import Behaviour
from tests.flows.conftest import Stage

from headway.flows.deliver import deliver

FAST = """\
service: shop
run: ./shop
health: /health
analysis: {pace: quick}
environments:
  staging:
  production: {rollout: {strategy: canary, steps: [50%, 100%], stability: 4s}}
"""


def prepared(new_stage: Callable[[], Stage], *, bad: bool) -> Stage:
    stage = new_stage()
    stage.config = FAST
    assert stage.deliver("a1").outcome == "delivered"
    if bad:
        stage.parts.meter.behaviour["shop-2"] = Behaviour()
        stage.parts.router.refuse.clear()
    return stage


def end_state(stage: Stage) -> object:
    routing = stage.parts.router.routings["shop", "production"]
    running = sorted(i.id for i in stage.parts.target.observe("shop", "production"))
    return dict(routing.shares), running, stage.kinds()[-1]


def deliver_with_kill(stage: Stage, kill_at: int) -> tuple[list[str], bool]:
    """Deliver a2, killed once at the point; gives the points' names and whether it was killed."""
    order, recorded = stage.request("a2"), Recorded()
    journal = stage.journal(recorded, kill_at)
    world = stage.parts.world(stage.home)
    try:
        deliver(journal, world, order)
    except Killed:
        deliver(stage.journal(recorded), world, order)
        return journal.names, True
    return journal.names, False


def took_hold_once(stage: Stage) -> None:
    routed = [(environment, g) for environment, g, _ in stage.parts.router.ledger]
    assert len(routed) == len(set(routed))
    started = [(e, i) for e, _, what, i in stage.parts.target.ledger if what == "start"]
    assert len(started) == len(set(started))
    seqs = [e.seq for e in stage.events()]
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.parametrize("stride", [37, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("bad", [False, True])
def test_killed_anywhere_the_delivery_ends_the_same(
    new_stage: Callable[[], Stage], *, bad: bool, stride: int
) -> None:
    def broken(stage: Stage) -> Stage:
        if bad:
            stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.3)
            stage.parts.probe.red.clear()
        return stage

    whole = broken(prepared(new_stage, bad=bad))
    names, _ = deliver_with_kill(whole, -1)
    wanted = end_state(whole)
    assert len(names) >= 25
    for point in range(0, len(names), stride):
        stage = broken(prepared(new_stage, bad=bad))
        _, killed = deliver_with_kill(stage, point)
        assert killed or bad
        shares, running, last = end_state(stage)  # type: ignore[misc]
        assert (shares, running, last) == wanted, names[point]
        took_hold_once(stage)
