"""Events of kinds that begin with a word: which they are, and by which index they are found."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from tests.support.postgres import postgres

from headway.model.event import Fact
from headway.store import database, log
from headway.store.database import Tx
from headway.store.log import About
from headway.store.tables import events
from headway.store.views import kinds
from headway.store.views.kinds import MOST

KINDS = ("line.stopped", "line.started", "linear.grown", "line", "lin", "release.made", "Line.up")
COMMON = 4000


def seqs(connection: sa.Connection, word: str, limit: int = 50) -> list[int]:
    return [r.seq for r in connection.execute(asked(connection, word, limit))]


def asked(connection: sa.Connection, word: str, limit: int = 50) -> "sa.Select[tuple[object]]":
    return kinds.newest(connection, sa.select(events), word, limit)


def fill(connection: sa.Connection) -> None:
    """A few of each kind, then a long log of what is common."""
    for number in range(2):
        for kind in KINDS:
            log.append(Tx(connection, 1.0), About(), Fact(kind, "s", number, {}))
    last = log.last_seq(connection)
    texts = dict.fromkeys(("subject", "delivery", "service", "environment", "release"), "x")
    rows = [
        {"seq": last + n, "id": f"c{n}", "version": 1, "at": 2.0, "data": "{}", **texts,
         "kind": f"rollout.{('judged', 'moved', 'shifted')[n % 3]}"}
        for n in range(1, COMMON + 1)
    ]  # fmt: skip
    connection.execute(events.insert(), rows)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def connection(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sa.Connection]:
    def made(url: str) -> Iterator[sa.Connection]:
        database.prepare(url)
        engine = database.connect(url)
        with engine.connect() as opened:
            fill(opened)
            if opened.dialect.name == "postgresql":
                opened.exec_driver_sql("ANALYZE headway_event")
            yield opened
        engine.dispose()

    if request.param == "sqlite":
        yield from made(f"sqlite:///{tmp_path_factory.mktemp('kinds') / 'h.db'}")
        return
    with postgres() as url:
        yield from made(url)


def test_whole_words_only(connection: sa.Connection) -> None:
    assert seqs(connection, "line") == [11, 9, 8, 4, 2, 1]
    assert seqs(connection, "lin") == [12, 5]
    assert seqs(connection, "l") == []
    assert seqs(connection, "%") == []


def test_the_newest_of_several_kinds_in_order(connection: sa.Connection) -> None:
    last = log.last_seq(connection)
    assert seqs(connection, "rollout", 5) == [last - n for n in range(5)]


def test_what_else_is_asked_holds_too(connection: sa.Connection) -> None:
    older = sa.select(events).where(events.c.seq < 9)
    found = connection.execute(kinds.newest(connection, older, "line", 2))
    assert [r.seq for r in found] == [8, 4]


def test_so_many_kinds_are_read_from_the_end(connection: sa.Connection) -> None:
    with connection.begin_nested() as undone:
        for number in range(MOST + 1):
            log.append(Tx(connection, 3.0), About(), Fact(f"job.finished:j{number}", "r", 0, {}))
        last = log.last_seq(connection)
        assert seqs(connection, "job", 3) == [last, last - 1, last - 2]
        assert seqs(connection, "job.finished", 3) == [last, last - 1, last - 2]
        undone.rollback()


@pytest.mark.parametrize("word", ["line", "rollout"])
def test_the_log_is_not_read_through(connection: sa.Connection, word: str) -> None:
    compiled = asked(connection, word).compile(connection, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    steps = [str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {compiled}")]
    # of what a third of the log is, Postgres looks from its end: by the numbers' own index
    mine = ["event_by_kind", *(["event_pkey"] if word == "rollout" else [])]
    assert any(f"headway_{name}" in step for step in steps for name in mine), steps
    bad = ("Seq Scan on headway_event", "SCAN headway_event", "USE TEMP B-TREE FOR ORDER BY")
    assert not [step for step in steps if step.strip(" ->").startswith(bad)], steps
