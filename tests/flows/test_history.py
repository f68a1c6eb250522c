"""Past rollouts as they were recorded, and what `headway rollout suggest` makes of them."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml
from click.testing import CliRunner, Result
from tests.fakes.world import Behaviour
from tests.flows.conftest import PATIENT, Stage

from headway import settings
from headway.cli.main import main
from headway.store.views import history


def ask(stage: Stage, *args: str) -> Result:
    return CliRunner().invoke(main, ["rollout", "suggest", *args, "--home", str(stage.home)])


@pytest.mark.soak
@pytest.mark.seed("S-093")
def test_steps_are_suggested_from_the_past_and_nothing_is_changed(
    new_stage: Callable[[], Stage],
) -> None:
    stage = new_stage()
    stage.config = PATIENT
    slow = PATIENT.replace("stability: 60s}", "stability: 60s, bake: 60s}")
    for number in range(1, 4):
        assert stage.deliver(f"a{number}", slow).outcome == "delivered"
    few = ask(stage, "shop")
    assert few.exit_code == 0, few.output
    assert "not enough history: 2 of 5 rollouts" in few.stdout
    assert "environments:" not in few.stdout
    stage.parts.meter.behaviour["shop-4"] = Behaviour(errors=0.1)
    assert stage.deliver("a4", slow).outcome == "rolled_back"
    for number in range(5, 8):
        assert stage.deliver(f"a{number}", slow).outcome == "delivered"
    events = len(stage.events())

    with stage.db.connect() as connection:
        past = history.pasts(connection, "shop", "production")
    assert [p.release for p in past] == [f"shop-{n}" for n in (7, 6, 5, 4, 3, 2)]
    assert [v.share for v in past[0].visits] == [0.05, 0.25, 0.5, 0.9]
    assert all(v.proven and 0 < v.proven <= v.seconds for v in past[0].visits[:3])
    assert past[0].rate == pytest.approx(500, rel=0.1)
    bad = past[3]
    assert bad.outcome == "rolled_back"
    assert bad.visits[-1].caught is not None
    assert bad.visits[-1].proven is None

    shown = ask(stage, "shop").stdout
    assert "6 canaries of shop in production: 5 released, 1 caught by the judge" in shown
    assert "nothing was changed" in shown
    told = json.loads(ask(stage, "shop", "--env", "production", "--json").stdout)
    assert told["enough"]
    assert told["changes"]
    fragment = yaml.safe_load(told["fragment"])
    steps = fragment["environments"]["production"]["rollout"]["steps"]
    text = PATIENT.split("environments:")[0] + told["fragment"].replace(
        "  production:", "  staging:\n  production:"
    )
    read = settings.read(text, "f").environment("production").rollout
    assert len(read.steps) == len(steps)
    assert read.steps[0].bake_seconds < 60
    assert len(stage.events()) == events


def test_held_for_lack_of_data_and_pushed_on_is_remembered(stage: Stage) -> None:
    stage.config = PATIENT
    stage.deliver("a1")
    stage.parts.meter.rate = 6.0
    sleep = stage.parts.clock.sleep

    def push(seconds: float) -> None:
        sleep(seconds)
        if stage.kinds(kind="rollout.held", release="shop-2"):
            stage.parts.meter.rate = 500.0

    stage.parts.clock.sleep = push  # type: ignore[method-assign]
    stage.deliver("a2")
    with stage.db.connect() as connection:
        (past,) = history.pasts(connection, "shop", "production")
    assert past.visits[0].held
    assert [replace(v, held=False) == v for v in past.visits[1:]] == [True] * 3


def test_what_has_no_canary_is_refused(stage: Stage) -> None:
    assert "there is no service `shop`" in ask(stage, "shop").stderr
    stage.deliver("a1")
    done = ask(stage, "shop", "--env", "staging")
    assert done.exit_code == 2
    assert "staging of shop is not moved by canary" in done.stderr
    assert "environments with canary steps: production" in done.stderr
