"""Decisions on jobs of runs: by teams, by the author, twice, late, on record once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fakes.job_runner import FakeWatch, bench
from tests.flows.conftest import Stage
from tests.flows.test_pipeline_gates import gated, parked, word

from headway.flows import pipeline, pipeline_gates, run_inbox
from headway.gate.approval import Known
from headway.model.errors import Invalid, Refused
from headway.model.service import ApprovalPolicy
from headway.pipeline.run.state import Decided
from headway.store import log
from headway.store.database import Tx, lock

CREW = ApprovalPolicy(by=("crew", "ben"))


def test_who_is_in_a_named_team_counts_and_nobody_else(tmp_path: Path) -> None:
    parked(tmp_path, gated(CREW))
    with pytest.raises(Refused, match="cem is not one of crew, ben"):
        pipeline_gates.decide(tmp_path, "run_1", word("cem"), Known(teams=("others",)))
    pipeline_gates.decide(tmp_path, "run_1", word("cem"), Known(teams=("crew", "others")))
    state = pipeline.run(bench(tmp_path), "run_1", FakeWatch(), park=True)
    assert state.phase == "success"
    assert [(d.by, d.teams) for d in state.decided] == [("cem", ("crew",))]


def test_an_author_by_address_may_not_even_in_the_team(tmp_path: Path) -> None:
    parked(tmp_path, gated(CREW))
    with pytest.raises(Refused, match="bell is the author"):
        pipeline_gates.decide(tmp_path, "run_1", word("bell"), Known("ana@example.org", ("crew",)))


def test_one_word_more_is_refused_and_says_how_it_was_decided(tmp_path: Path) -> None:
    parked(tmp_path, gated(ApprovalPolicy(count=2)))
    for name in ("ben", "cem"):
        pipeline_gates.decide(tmp_path, "run_1", word(name))
    done = pipeline.run(bench(tmp_path), "run_1", FakeWatch(), park=True)
    assert done.phase == "success"
    with pytest.raises(Refused, match="decided already") as late:
        pipeline_gates.decide(tmp_path, "run_1", word("dora"))
    assert (late.value.code, late.value.why) == (
        "decided",
        "approved by cem: because. Nothing more is recorded",
    )
    assert [d.by for d in pipeline.show(tmp_path, "run_1").decided] == ["ben", "cem"]


def test_a_decision_is_on_record_once_however_often_it_is_made(stage: Stage) -> None:
    parked(stage.home, gated(CREW, served=True))
    said = word("cem", at=1000.5)

    def decide(asked: Decided, known: Known) -> None:
        run_inbox.told(lambda: _tx(stage), stage.home, "run_1", asked, known)

    with pytest.raises(Refused):
        decide(said, Known())
    decide(said, Known(teams=("crew",)))
    decide(said, Known(teams=("crew",)))
    with stage.db.connect() as connection:
        (event,) = log.after(connection, 0, kind="run.decided")
    assert (event.subject, event.environment) == ("run_1", "production")
    assert event.data == {"approved": True, "by": "cem", "reason": "because", "said_at": 1000.5}


def test_what_was_never_asked_is_no_decision(tmp_path: Path) -> None:
    parked(tmp_path, gated(CREW))
    with pytest.raises(Invalid, match="waits for `nowhere`"):
        pipeline_gates.decide(tmp_path, "run_1", Decided("nowhere", "ben", True, "", 0.0))


@contextmanager
def _tx(stage: Stage) -> Iterator[Tx]:
    with stage.db.begin() as connection:
        lock(connection)
        yield Tx(connection, stage.parts.clock.now())
