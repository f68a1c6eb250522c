"""What pages read of a long past: as many questions as of a short one, answered by indexes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.unit.store.test_search import fill

from headway.model.service import Environment, Run, Service
from headway.store import log
from headway.store.database import Tx
from headway.store.records import dumps
from headway.store.tables import deliveries, metadata, places, quarantines, releases, rollouts
from headway.store.views import approvals, artifacts, board, commits, gate_times, ids, lists, search
from headway.store.views.paging import Filter

SHORT, LONG = 20, 200
SERVICES = 10
Read = Callable[[sa.Connection], Any]
READS: dict[str, Read] = {
    "board": lambda c: board.read(c, None),
    "deliveries": lambda c: lists.list_deliveries(c, Filter(limit=LONG)),
    "releases": lambda c: lists.list_releases(c, Filter(limit=LONG)),
    "rollouts": lambda c: lists.list_rollouts(c, Filter(limit=LONG)),
    "artifacts": lambda c: artifacts.read(c, Filter(limit=LONG)),
    "commits": lambda c: commits.read(c, Filter(limit=LONG)),
    "environments": lambda c: lists.list_environments(c, Filter()),
    "gates": lambda c: gate_times.read(c, newest=LONG),
    "approvals": lambda c: approvals.read(c, 1000.0),
    "delivery": lambda c: ids.delivery_id(c, f"del_{1:026d}"),
    "rollout": lambda c: ids.rollout_id(c, f"rol_{1:026d}"),
    "place": lambda c: ids.rollout_id(c, "svc1/production"),
    "part of a digest": lambda c: ids.digest(c, "sha256:0001cd34"),
    "search": lambda c: search.read(c, "svc1"),
}


def past(count: int) -> sa.Engine:
    """A database with so many deliveries of some services."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metadata.create_all(engine)
    path = tuple(Environment(n, "production", Run("./run")) for n in ("staging", "production"))
    with engine.begin() as connection:
        for number in range(1, count + 1):
            service = f"svc{number % SERVICES}"
            fill(connection, service, number)
            about = log.About(f"del_{number:026d}", service, "production", f"{service}-{number}")
            for n, outcome in enumerate(("WAIT", "PASS")):
                gates = [{"judge": "approval", "outcome": outcome, "because": "x"}]
                fact = log.Fact("gates.judged", about.delivery, n, {"gates": gates})
                log.append(Tx(connection, 1000.0 + 10 * n), about, fact)
        over = {"state": "done", "outcome": "delivered"}
        connection.execute(deliveries.update().values(**over))
        connection.execute(rollouts.update().values(outcome="rolled_back"))
        for number in range(SERVICES):
            service = f"svc{number}"
            config = dumps(Service(service, path))
            connection.execute(
                releases.update().where(releases.c.service == service).values(config=config)
            )
            for place in path:
                connection.execute(places.insert().values(_place(service, place.name, count)))
    return engine


def _place(service: str, environment: str, count: int) -> dict[str, Any]:
    number = next(n for n in range(count, 0, -1) if service == f"svc{n % SERVICES}")
    texts = dict.fromkeys(("candidate", "rollout", "holder", "address"), "")
    return texts | {"service": service, "environment": environment, "generation": 1,
                    "stable": f"{service}-{number}", "since": 1.0}  # fmt: skip


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[sa.Engine, sa.Engine]]:
    engines = past(SHORT), past(LONG)
    yield engines
    for engine in engines:
        engine.dispose()


def asked(engine: sa.Engine, read: Read) -> list[tuple[str, Any]]:
    """The statements, with what was given to them."""
    found: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        found.append((statement, given))

    with engine.connect() as connection:
        sa.event.listen(engine, "before_cursor_execute", note)
        try:
            read(connection)
        finally:
            sa.event.remove(engine, "before_cursor_execute", note)
    return found


@pytest.mark.parametrize("name", READS)
def test_a_long_past_takes_no_more_questions(both: tuple[sa.Engine, sa.Engine], name: str) -> None:
    short, long = (asked(engine, READS[name]) for engine in both)
    assert 0 < len(long) == len(short)


@pytest.mark.parametrize("name", READS)
def test_no_question_goes_through_a_table_that_grows(
    both: tuple[sa.Engine, sa.Engine], name: str
) -> None:
    bad = []
    with both[1].connect() as connection:
        for statement, given in asked(both[1], READS[name]):
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
            bad += [
                row.detail
                for row in plan
                if row.detail.startswith("SCAN headway_")
                and " USING " not in row.detail
                and not row.detail.startswith(("SCAN headway_place", "SCAN headway_line_stop"))
            ]
    assert bad == []


def test_the_board_tells_what_is_there_and_how_the_last_one_ended(
    both: tuple[sa.Engine, sa.Engine],
) -> None:
    with both[0].connect() as connection:
        found = board.read(connection, None)
        of_one = board.read(connection, None, "svc3")
    assert found.environments == ("staging", "production")
    assert [r.service for r in found.rows] == [f"svc{n}" for n in range(SERVICES)]
    spot = found.rows[3].spots["production"]
    assert (spot.here.release, spot.here.digest[:11]) == ("svc3-13", "sha256:000d")
    assert (spot.subject, spot.here.by) == ("Say 13", "x")
    assert spot.ended is not None
    assert (spot.ended.release, spot.ended.outcome) == ("svc3-13", "rolled_back")
    assert found.rows[3].spots["staging"].ended is None
    assert of_one.rows == (found.rows[3],)


def test_an_artifact_is_told_with_its_releases_and_where_it_is_refused(
    both: tuple[sa.Engine, sa.Engine],
) -> None:
    with both[0].connect() as connection:
        transaction = connection.begin()
        first = connection.execute(
            sa.select(releases.c.digest).where(releases.c.name == "svc1-1")
        ).scalar_one()
        again = releases.update().where(releases.c.name == "svc1-11").values(digest=first)
        connection.execute(again)
        refused = {"digest": first, "service": "svc1", "environment": "production"}
        refused |= dict.fromkeys(("because", "cleared_by", "cleared_reason"), "x")
        connection.execute(quarantines.insert().values(**refused, at=1.0, cleared_at=0.0))
        listed = [a for a in artifacts.read(connection, Filter(limit=LONG)) if a.digest == first]
        one = artifacts.one(connection, first)
        transaction.rollback()
    assert listed == [one]
    assert one.releases == ("svc1-1", "svc1-11")
    assert [q.environment for q in one.quarantines] == ["production"]


def test_gates_are_told_by_how_long_they_let_wait(both: tuple[sa.Engine, sa.Engine]) -> None:
    with both[0].connect() as connection:
        found = gate_times.read(connection, newest=LONG)
    assert [(g.service, g.gate) for g in found] == [(f"svc{n}", "approval") for n in range(10)]
    assert {(g.waits, g.median_seconds, g.open) for g in found} == {(2, 10.0, 0)}
