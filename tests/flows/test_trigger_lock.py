"""Runs that a push or a pull request starts take their actions from headway.lock."""

from pathlib import Path

import pytest
from tests.support.triggering import Bureau, Repository

from headway.flows.trigger import matching
from headway.pipeline import lock
from headway.pipeline.trigger import TriggerEvent
from headway.pipeline.trigger.moved import pushed

OURS, THEIRS = {"a/b@v1": "1" * 40}, {"a/b@v1": "2" * 40}


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    return Bureau(tmp_path / "home")


def write(repo: Repository, text: str) -> str:
    (repo.folder / lock.FILE).write_text(text)
    return repo.commit()


def test_the_lock_of_the_commit_counts(repo: Repository, bureau: Bureau) -> None:
    without = repo.workflow("  push:")
    locked = write(repo, lock.write(OURS))
    for sha, actions in ((without, {}), (locked, OURS)):
        event = pushed("hosted", str(repo.folder), "refs/heads/main", "", sha)
        (run,) = matching(bureau.world, event)
        assert run.actions == actions


def test_a_fork_cannot_bring_its_own_lock(repo: Repository, bureau: Bureau) -> None:
    repo.workflow("  pull_request:")
    write(repo, lock.write(OURS))
    repo.git("checkout", "-q", "-b", "topic")
    head = write(repo, lock.write(THEIRS))
    for fork, actions in ((True, OURS), (False, THEIRS)):
        event = TriggerEvent(
            "pull_request", "team/shop", "refs/pull/7/merge", head, "github", type="opened",
            address=str(repo.folder), base="main", head="topic", head_sha=head, number=7,
            default_branch="main", fork=fork, trusted=not fork, actor="eve",
            payload={"number": 7},
        )  # fmt: skip
        (run,) = matching(bureau.world, event)
        assert run.actions == actions


def test_a_lock_with_faults_starts_nothing_and_says_where(repo: Repository, bureau: Bureau) -> None:
    repo.workflow("  push:")
    sha = write(repo, "version: 1\nactions: {x: y}\n")
    event = pushed("hosted", str(repo.folder), "refs/heads/main", "", sha)
    assert matching(bureau.world, event) == []
    bureau.tell(event)
    bureau.work()
    assert any("headway.lock:2:" in seen.because for seen in bureau.seen())
    assert bureau.started == []
