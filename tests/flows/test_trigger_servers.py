"""Two servers with disks of their own on one Postgres: each event is worked on by one that can."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.postgres import postgres
from tests.support.triggering import Bureau, Repository

from headway.flows import trigger_where
from headway.model.connection import Connection
from headway.pipeline.trigger import TriggerEvent
from headway.pipeline.trigger.moved import pushed
from headway.store import tables

MAIN = "refs/heads/main"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgres() as made:
        yield made


@dataclass
class Two:
    """The servers, and a repository that only the first one's machine has. They lie in one test's
    folders: that the second machine lacks the first one's is said by `away`.
    """

    first: Bureau
    second: Bureau
    repo: Repository

    def later(self, seconds: float) -> None:
        for one in (self.first, self.second):
            one.parts.clock.at += seconds

    def states(self) -> list[tuple[str, str]]:
        return [(seen.state, seen.because) for seen in self.first.seen()]


@pytest.fixture
def two(url: str, tmp_path: Path) -> Iterator[Two]:
    made = [Bureau(tmp_path / name, url) for name in ("first", "second")]
    made[1].parts.clock.at = made[0].parts.clock.at
    with made[0].db.begin() as connection:
        for table in (tables.triggers, tables.trigger_runs):
            connection.execute(table.delete())
    repo = Repository(tmp_path / "away" / "shop")
    yield Two(*made, repo)
    for one in made:
        one.db.dispose()


class Away:
    """While this lasts the repository's disk is not there, as on the other machine."""

    def __init__(self, repo: Repository) -> None:
        self._here = repo.folder.parent
        self._away = self._here.with_name("elsewhere")

    def __enter__(self) -> None:
        self._here.rename(self._away)

    def __exit__(self, *_: object) -> None:
        self._away.rename(self._here)


def push(two: Two, sha: str) -> TriggerEvent:
    return pushed("hosted", str(two.repo.folder), MAIN, "", sha)


def test_an_event_stays_for_the_server_that_has_its_repository(two: Two) -> None:
    sha = two.repo.workflow("  push:")
    two.second.tell(push(two, sha))
    for _ in range(3):
        with Away(two.repo):
            two.second.work()
    assert two.second.started == []
    assert two.states() == [("waiting", "")]
    two.first.work()
    assert two.states()[0][0] == "started"
    assert two.first.runs() == [("ci.yml", "push", MAIN)]


def test_a_repository_at_the_same_place_without_the_commit_is_another_one(
    two: Two, tmp_path: Path
) -> None:
    sha = two.repo.workflow("  push:")
    two.second.tell(push(two, sha))
    with Away(two.repo):
        other = Repository(two.repo.folder)
        other.workflow("  push:", message="of another company")
        two.second.work()
        other.folder.parent.rename(tmp_path / "kept")
    assert two.states() == [("waiting", "")]
    two.first.work()
    assert two.first.runs() == [("ci.yml", "push", MAIN)]


def test_what_nobody_takes_says_so_and_is_given_up_after_a_week(two: Two) -> None:
    two.first.tell(push(two, two.repo.workflow("  push:")))
    note = f"waits for a server that has the repository {two.repo.folder}"
    with Away(two.repo):
        two.later(trigger_where.NOTED_SECONDS + 1)
        two.second.work()
        assert two.states() == [("waiting", note)]
        two.later(trigger_where.KEPT_SECONDS - 120)
        two.second.work()
        assert two.states() == [("waiting", note)]
        two.later(120)
        two.second.work()
    assert two.states() == [("failed", f"given up after a week: it {note}")]


def test_one_that_comes_back_within_the_week_loses_nothing(two: Two) -> None:
    two.first.tell(push(two, two.repo.workflow("  push:")))
    with Away(two.repo):
        two.later(86400.0 * 5)
        two.second.work()
    two.first.work()
    assert two.first.runs() == [("ci.yml", "push", MAIN)]


def test_many_events_of_another_server_keep_none_of_ones_own_waiting(
    two: Two, tmp_path: Path
) -> None:
    sha = two.repo.workflow("  push:")
    for number in range(trigger_where.PAGE + 5):
        two.first.tell(push(two, sha), f"d{number}")
    near = Repository(tmp_path / "near")
    mine = near.workflow("  push:")
    two.later(1)
    two.second.tell(pushed("hosted", str(near.folder), MAIN, "", mine), "own")
    with Away(two.repo):
        two.second.work()
    assert two.second.runs() == [("ci.yml", "push", MAIN)]


def test_an_event_of_a_connection_is_that_homes_who_knows_it(two: Two) -> None:
    two.first.known["forge"] = Connection("forge", "github", "https://forge.example", {})
    two.second.tell(push(two, two.repo.workflow("  push:")), hook="forge")
    two.later(trigger_where.NOTED_SECONDS + 1)
    two.second.work()
    assert two.states() == [("waiting", "waits for a server that has the connection forge")]
    two.first.work()
    assert two.first.runs() == [("ci.yml", "push", MAIN)]
