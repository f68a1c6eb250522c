"""A job with `environment:` waits for the line; what only builds and tests does not."""

import threading
from pathlib import Path

import pytest
from tests.fakes.job_runner import FakeWatch, bench
from tests.flows.conftest import Stage
from tests.flows.test_pipeline_gates import TEXT, word
from tests.flows.test_pipeline_run import spec

from headway.flows import line, pipeline, pipeline_gates, pipeline_park
from headway.flows.line import Said
from headway.model.line import EVERYTHING, Scope
from headway.model.service import ApprovalPolicy
from headway.store import run_ticket
from headway.store.database import Tx, lock

WHY = "the line is stopped for everything by ana"


class Line:
    """Stopped until it is started; `asked`: for what."""

    def __init__(self) -> None:
        self.why, self.asked = WHY, set[tuple[str, str]]()

    def __call__(self, repo: str, environment: str) -> str:
        self.asked.add((repo, environment))
        return self.why


def test_a_run_of_the_server_waits_without_a_place_until_the_line_runs(tmp_path: Path) -> None:
    stopped, made = Line(), spec(TEXT, served=True)
    desk, watch = bench(tmp_path, line=stopped), FakeWatch()
    pipeline.create(desk, made)
    state = pipeline.run(desk, made.id, watch, park=True)
    assert (state.phase, list(state.ended)) == ("running", ["build"])
    assert run_ticket.waits(tmp_path, "run_1")
    assert pipeline_park.words(desk, state) == WHY
    assert not pipeline_park.stirs(desk, "run_1", 0.0)
    assert stopped.asked == {("/srv/shop.git", "Production")}
    again = pipeline.run(desk, made.id, FakeWatch(), park=True)
    assert list(again.ended) == ["build"]
    stopped.why = ""
    assert pipeline_park.stirs(desk, "run_1", 0.0)
    assert pipeline.run(desk, made.id, FakeWatch(), park=True).phase == "success"


NOTHING = TEXT.replace("Production", "{name: Production, deployment: false}")


def test_a_job_that_deploys_nothing_waits_for_its_approval_but_not_for_the_line(
    tmp_path: Path,
) -> None:
    stopped = Line()
    made = spec(NOTHING, served=True, gates={"production": ApprovalPolicy()})
    desk = bench(tmp_path, line=stopped)
    pipeline.create(desk, made)
    state = pipeline.run(desk, made.id, FakeWatch(), park=True)
    assert state.held == {"deploy": "Production"}
    pipeline_gates.decide(tmp_path, made.id, word("ben"))
    state = pipeline.run(desk, made.id, FakeWatch(), park=True)
    assert (state.phase, stopped.asked) == ("success", set())
    order = state.orders["deploy"]
    assert (order.environment, order.deploys_to) == ("Production", "")


def test_a_run_that_is_driven_goes_on_by_itself_when_the_line_runs(tmp_path: Path) -> None:
    stopped, made, seen = Line(), spec(TEXT), threading.Event()

    class Watch(FakeWatch):
        def job_waits(self, key: str, environment: str, because: str) -> None:
            assert (key, environment, because) == ("deploy", "Production", WHY)
            stopped.why = ""
            seen.set()

    desk = bench(tmp_path, line=stopped)
    pipeline.create(desk, made)
    assert pipeline.run(desk, made.id, Watch()).phase == "success"
    assert seen.is_set()


@pytest.mark.parametrize(
    ("scope", "waits"),
    [
        (EVERYTHING, {"production", "staging", "Elsewhere"}),
        (Scope("shop"), {"production", "staging", "Elsewhere"}),
        (Scope(environment="production"), {"production", "Production"}),
        (Scope(tier="production"), {"production", "Elsewhere"}),
        (Scope(tier="staging"), {"staging"}),
    ],
)
def test_which_jobs_a_stop_holds(stage: Stage, scope: Scope, waits: set[str]) -> None:
    stage.deliver("a1")
    with stage.db.begin() as connection:
        lock(connection)
        tx = Tx(connection, stage.parts.clock.at)
        assert line.of_job(connection, "/repo", "production") == ""
        line.stop(tx, stage.parts.outbox, scope, Said("ana", "the database fails"))  # type: ignore[arg-type]
        for name in ("production", "staging", "Elsewhere"):
            held = line.of_job(connection, "/repo", name)
            assert bool(held) == (name in waits), name
        assert "Production" not in waits or line.of_job(connection, "/other", "Production")
        other = line.of_job(connection, "/other", "production")
        assert bool(other) == (not scope.service and scope.tier != "staging")
