"""The inbox: what waits for a person, for whom, since when, and what speaks for it."""

import time
from dataclasses import replace

import pytest
from tests.fakes.memory_journal import MemoryJournal
from tests.flows.conftest import CONFIG, Stage

from headway.flows import commands
from headway.flows.commands import Word
from headway.flows.deliver import deliver
from headway.model.errors import Invalid
from headway.store.database import Tx
from headway.store.views import approvals
from headway.store.views.approvals import Pending, concerns

ASKS = CONFIG.replace(
    "production: {", "production: {gates: {approval: {count: 2, by: [ben, team-shop, ana]}}, "
)
CLICK = CONFIG.replace("production: {", "production: {auto: false, ")


class _Enough(Exception):
    """The delivery waits; nobody is there to wake it."""


class _Waits(MemoryJournal):
    def wait(self, seconds: float) -> None:
        if seconds >= 60:
            raise _Enough
        super().wait(seconds)


def waits(stage: Stage, sha: str, config: str) -> str:
    """Deliver it until it waits for somebody; gives its release."""
    order = stage.request(sha, config)
    known = stage.journal()
    journal = _Waits(stage.db, known.recorded, stage.parts.clock, -1)
    with pytest.raises(_Enough):
        deliver(journal, stage.parts.world(stage.home), order)
    return stage.delivery(order.delivery).release


def inbox(stage: Stage, services: frozenset[str] | None = None) -> list[Pending]:
    with stage.db.connect() as connection:
        return approvals.read(connection, stage.parts.clock.now(), services)


def say(stage: Stage, release: str, word: Word) -> None:
    with stage.db.begin() as connection:
        tx = Tx(connection, stage.parts.clock.now())
        commands.decide_approval(tx, stage.parts.outbox, release, word)  # type: ignore[arg-type]


def test_an_approval_waits_with_its_evidence_until_it_is_given(stage: Stage) -> None:
    before = time.time()
    release = waits(stage, "a" * 40, ASKS)
    (one,) = inbox(stage)
    assert (one.id, one.kind, one.needed) == (f"{release}/production", "approval", 2)
    assert one.by == ("ben", "team-shop", "ana")
    assert one.since.timestamp() >= before - 1
    assert one.digest.startswith("sha256:")
    facts = {(e.kind, e.environment, e.outcome) for e in one.evidence}
    assert {("job", "", "success"), ("test", "staging", "PASS")} <= facts
    assert ("gate", "production", "WAIT") in facts
    assert inbox(stage, frozenset({"other"})) == []
    assert inbox(stage, frozenset({"shop"})) == [one]
    with stage.db.connect() as connection:
        assert approvals.one(connection, one.id, stage.parts.clock.now()) == one
        with pytest.raises(Invalid, match="nothing waits"):
            approvals.one(connection, "shop-99/production", 0.0)

    say(stage, release, Word("approve", "ben", "looked", "production"))
    (one,) = inbox(stage)
    assert [(g.by, g.approved, g.reason) for g in one.given] == [("ben", True, "looked")]
    assert not concerns(one, "ben")
    stage.parts.clock.at += 90_000
    assert inbox(stage)[0].given == ()


def test_whom_it_waits_for(stage: Stage) -> None:
    waits(stage, "b" * 40, ASKS)
    known = replace(inbox(stage)[0], author="Ana Bell <ana@example.org>")
    assert concerns(known, "ben")
    assert concerns(known, "carl", ("team-shop",))
    assert not concerns(known, "carl", ("team-other",))
    assert not concerns(known, "ana")
    assert concerns(replace(known, not_author=False), "ana")
    assert concerns(replace(known, by=()), "carl")


def test_a_release_that_waits_to_be_started(stage: Stage) -> None:
    release = waits(stage, "c" * 40, CLICK)
    (one,) = inbox(stage)
    assert (one.id, one.kind) == (f"{release}/production", "start")
    assert "headway release start" in one.because
    assert concerns(one, "anybody")
