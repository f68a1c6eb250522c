"""A home in which the real flows delivered the shop in memory: good, good, bad, then held."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.fakes.world import Behaviour
from tests.flows.conftest import PATIENT, Stage

from headway.cli.main import main
from headway.model.commit import Commit
from headway.model.delivery import Delivery
from headway.store import database

SUBJECT = "Faster \x1b[31mcheckout\x1b[0m [bold]x[/bold] \u202e"


class Enough(Exception):
    """The delivery waits; nothing more will happen by itself."""


@dataclass(frozen=True)
class Told:
    """A home, the deliveries in it, and how to ask the command line about it."""

    home: Path
    stage: Stage
    deliveries: tuple[Delivery, ...]

    def run(self, *args: str) -> Result:
        return CliRunner().invoke(main, [*args, "--home", str(self.home)])

    def json(self, *args: str) -> Any:
        done = self.run(*args, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def sha(self, number: int) -> str:
        return f"{number:040x}"


def hostile(stage: Stage) -> None:
    """Commits whose author and subject try to escape."""
    real = stage.parts.source.commit

    def commit(repo: str, revision: str) -> Commit:
        known = real(repo, revision)
        return Commit(known.sha, repo, "main", "Eve\x1b[2J <e@x>", SUBJECT, "")

    stage.parts.source.commit = commit  # type: ignore[method-assign]


def until(stage: Stage, kind: str) -> Callable[[float], None]:
    """A clock that stops the delivery once an event of the kind is there."""
    real = stage.parts.clock.sleep

    def sleep(seconds: float) -> None:
        if stage.kinds(kind=kind):
            raise Enough
        real(seconds)

    return sleep


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """shop-1 and shop-2 delivered, shop-3 rolled back, shop-4 held for lack of users."""
    home = tmp_path_factory.mktemp("told")
    url = f"sqlite:///{home / 'headway.db'}"
    database.prepare(url)
    stage = Stage(home, database.connect(url), config=PATIENT)
    hostile(stage)
    done = [stage.deliver(f"{n:040x}") for n in (1, 2)]
    stage.parts.meter.behaviour["shop-3"] = Behaviour(errors=0.05, slow=1.5)
    done.append(stage.deliver(f"{3:040x}"))
    stage.parts.meter.rate = 0.5
    stage.parts.clock.sleep = until(stage, "rollout.held")  # type: ignore[method-assign]
    with pytest.raises(Enough):
        stage.deliver(f"{4:040x}")
    held = stage.delivery(stage.events(kind="delivery.requested")[-1].delivery)
    return Told(home, stage, (*done, held))
