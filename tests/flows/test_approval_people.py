"""Whose word counts at the approval gate: by name, by team, and never the author's own, by whatever
name they log in.
"""

import pytest
import sqlalchemy as sa
from tests.flows.conftest import Stage
from tests.flows.test_pending import ASKS, inbox, say, waits

from headway.flows import accounts
from headway.flows.commands import Word
from headway.gate import approval
from headway.model.errors import Refused
from headway.model.verdict import Outcome
from headway.store import decisions, records
from headway.store.access import Account
from headway.store.database import Tx
from headway.store.tables import releases


def person(stage: Stage, name: str, email: str = "", team: str = "") -> None:
    with stage.db.begin() as connection:
        tx = Tx(connection, stage.parts.clock.now())
        accounts.add(tx, "test", Account(name, "user", email))
        if team:
            accounts.add_team(tx, "test", team)
            accounts.join(tx, "test", team, name)


def written_by(stage: Stage, release: str, author: str) -> None:
    with stage.db.begin() as connection:
        mine = releases.c.name == release
        connection.execute(sa.update(releases).where(mine).values(author=author))


def approve(stage: Stage, release: str, name: str) -> None:
    say(stage, release, Word("approve", name, "looked", "production"))


def test_a_member_of_a_named_team_counts_and_nobody_else(stage: Stage) -> None:
    release = waits(stage, "a" * 40, ASKS)
    person(stage, "carl", team="team-shop")
    person(stage, "dora", team="team-other")
    approve(stage, release, "carl")
    with pytest.raises(Refused, match="dora is not one of"):
        approve(stage, release, "dora")
    (waiting,) = inbox(stage)
    assert [g.by for g in waiting.given] == ["carl"]
    approve(stage, release, "ben")
    with stage.db.connect() as connection:
        known = records.release(connection, release)
        given = decisions.approvals(connection, known.digest, "production")
    policy = {e.name: e.approval for e in known.config.environments}["production"]
    said = approval.judge(policy, given, known.author, stage.parts.clock.now())
    assert (said.outcome, said.because) == (Outcome.PASS, "approved by ben, carl")


def test_the_author_is_known_by_name_and_by_address(stage: Stage) -> None:
    release = waits(stage, "b" * 40, ASKS)
    written_by(stage, release, "Ana Bell <ana.bell@example.org>")
    person(stage, "carl", "Ana.Bell@example.org", "team-shop")
    person(stage, "ana.bell", "", "team-shop")
    for name in ("carl", "ana.bell"):
        with pytest.raises(Refused, match="is the author"):
            approve(stage, release, name)
    assert inbox(stage)[0].given == ()


def test_one_word_more_than_is_needed_is_refused_and_says_how_it_was_decided(stage: Stage) -> None:
    release = waits(stage, "c" * 40, ASKS)
    person(stage, "carl", team="team-shop")
    person(stage, "emil")
    approve(stage, release, "carl")
    approve(stage, release, "ben")
    with stage.db.begin() as connection:
        accounts.join(Tx(connection, stage.parts.clock.now()), "test", "team-shop", "emil")
    with pytest.raises(Refused, match="decided already for production") as late:
        approve(stage, release, "emil")
    assert (late.value.code, late.value.why) == (
        "decided",
        "approved by ben, carl. Nothing more is recorded",
    )
    approve(stage, release, "ben")
    say(stage, release, Word("reject", "emil", "no", "production"))
    with pytest.raises(Refused, match="decided already") as over:
        say(stage, release, Word("approve", "carl", "yes", "production"))
    assert over.value.why == "rejected by emil: no. Nothing more is recorded"
    say(stage, release, Word("approve", "emil", "on second thoughts", "production"))
