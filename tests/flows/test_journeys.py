"""Journeys: a test after each deploy, and a signal while a canary runs."""

import pytest
from tests.flows.conftest import Stage
from tests.flows.test_shadow import bounded

JOURNEYS = """\
service: shop
run: ./shop
health: /health
analysis: {pace: quick}
tests:
  - http: /health
  - journey: tests/basket.sh
environments:
  staging:
  production: {rollout: {strategy: canary, steps: [30%, 100%], stability: 20s}}
"""


@pytest.fixture
def live(stage: Stage) -> Stage:
    bounded(stage).config = JOURNEYS
    assert stage.deliver("a1").outcome == "delivered"
    return stage


@pytest.mark.seed("S-030")
def test_a_journey_is_walked_after_each_deploy(live: Stage) -> None:
    assert [j for _, j in live.parts.runner.ledger if j.startswith("journey")] == ["journey-0"] * 2
    tested = [e.data for e in live.events(kind="tests.finished") if "workflow" in e.data]
    assert [(t["workflow"], t["outcome"]) for t in tested] == [("tests/basket.sh", "PASS")] * 2


@pytest.mark.seed("S-030")
def test_a_red_journey_after_a_deploy_stops_the_release_before_users(live: Stage) -> None:
    live.parts.runner.red.add("journey-0")
    done = live.deliver("a2")
    assert done.outcome == "failed"
    assert "journey `tests/basket.sh` failed against staging" in done.because


def test_a_canary_whose_journeys_pass_is_released_and_they_end(live: Stage) -> None:
    assert live.deliver("a2").outcome == "delivered"
    assert live.parts.player.orders == {}
    assert live.parts.player.generations


@pytest.mark.seed("S-030", "S-280")
def test_a_canary_whose_journeys_fail_goes_back_though_users_metrics_are_well(live: Stage) -> None:
    live.parts.player.red.add("shop-2")
    done = live.deliver("a2")
    assert done.outcome == "rolled_back"
    assert "journey tests/basket.sh" in done.because
    assert live.parts.player.orders == {}


@pytest.mark.seed("S-280")
def test_journeys_find_a_fault_where_there_are_no_metrics(live: Stage) -> None:
    """No user asks anything: the synthetic alone sees that the candidate is broken."""
    live.parts.meter.rate = 0.0
    live.parts.player.red.add("shop-2")
    done = live.deliver("a2")
    assert done.outcome == "rolled_back"
    assert "journey tests/basket.sh" in done.because


def test_journeys_that_fail_on_both_versions_blame_nobody(live: Stage) -> None:
    live.parts.player.red |= {"shop-1", "shop-2"}
    live.config = JOURNEYS.replace(
        "pace: quick", "pace: quick, insufficient_data: promote_unproven"
    )
    assert live.deliver("a2").outcome == "delivered"


def test_a_player_that_is_gone_is_no_data_and_never_a_pass(live: Stage) -> None:
    live.parts.player.broken = True
    live.config = JOURNEYS.replace(
        "pace: quick", "pace: quick, insufficient_data: promote_unproven"
    )
    assert live.deliver("a2").outcome == "delivered"
    moves = [e.data for e in live.events(kind="rollout.moved") if e.data["type"] == "shift"]
    unproven = [str(m["because"]) for m in moves if m["to"] == 1 and not m["proven"]]
    assert unproven
    assert "journey tests/basket.sh" in unproven[0]
