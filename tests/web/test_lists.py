"""Lists of pages in parts: each row once, newest first, and none reads the whole history."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from headway.store.tables import deliveries, metadata, releases, rollouts
from headway.store.views import lists
from headway.store.views.paging import Filter, page

MANY = 120
READ: dict[str, tuple[Callable[..., Any], Callable[[Any], str]]] = {
    "deliveries": (lists.list_deliveries, lambda r: r.id),
    "rollouts": (lists.list_rollouts, lambda r: r.id),
    "releases": (lists.list_releases, lambda r: r.name),
}
ASKED = [
    ("deliveries", Filter()),
    ("deliveries", Filter(service="s0")),
    ("deliveries", Filter(state="waiting")),
    ("deliveries", Filter(state="rolled_back")),
    ("rollouts", Filter()),
    ("rollouts", Filter(service="s0", environment="production")),
    ("rollouts", Filter(state="running")),
    ("releases", Filter()),
    ("releases", Filter(service="s0")),
]


@pytest.fixture(scope="module")
def past() -> sa.Engine:
    """Two services with a past."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metadata.create_all(engine)
    with engine.begin() as connection:
        for n in range(MANY):
            connection.execute(deliveries.insert().values(_row(deliveries, n)))
            connection.execute(rollouts.insert().values(_row(rollouts, n)))
            connection.execute(releases.insert().values(_row(releases, n)))
    return engine


def _row(table: sa.Table, n: int) -> dict[str, Any]:
    text = {c.name: "" for c in table.c if isinstance(c.type, sa.Text)}
    # two in each second, so that a cursor that is only a time would lose one
    times = {c.name: 1000.0 + n // 2 for c in table.c if isinstance(c.type, sa.Float)}
    known = {
        "id": f"x_{n:04}",
        "name": f"s{n % 2}-{n:04}",
        "service": f"s{n % 2}",
        "number": n,
        "environment": "production" if n % 3 else "staging",
        "state": "waiting" if n % 7 == 0 else "done",
        "outcome": "" if n % 7 == 0 else ("rolled_back", "released")[n % 2],
    }
    return text | times | {k: v for k, v in known.items() if k in table.c}


@pytest.mark.parametrize(("noun", "asked"), ASKED)
def test_parts_give_each_row_once_newest_first(past: sa.Engine, noun: str, asked: Filter) -> None:
    read, key = READ[noun]
    with past.connect() as connection:
        whole = [key(r) for r in read(connection, replace(asked, limit=10_000))]
        seen: list[str] = []
        cursor, parts = "", 0
        while parts == 0 or cursor:
            part = page(read, connection, replace(asked, limit=7, cursor=cursor), key)
            assert 0 < len(part.items) <= 7
            seen += [key(r) for r in part.items]
            cursor, parts = part.next, parts + 1
    assert seen == whole
    assert len(seen) > 7
    assert [s[-4:] for s in seen] == sorted((s[-4:] for s in seen), reverse=True)


@pytest.mark.parametrize(("noun", "asked"), ASKED)
def test_a_part_is_found_by_an_index_without_sorting(
    past: sa.Engine, noun: str, asked: Filter
) -> None:
    read, _ = READ[noun]
    plans: list[str] = []
    for cursor in ("", "x_0050" if noun != "releases" else "s0-0050"):
        plans += _plans(past, read, replace(asked, cursor=cursor))
    assert plans
    bad = [p for p in plans if "TEMP B-TREE" in p or ("SCAN" in p and "INDEX" not in p)]
    assert bad == []


def _plans(engine: sa.Engine, read: Callable[..., Any], asked: Filter) -> list[str]:
    """What SQLite would do for each statement on the tables of the past."""
    asked_for: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "headway_place" not in statement:
            asked_for.append((statement, parameters))

    with engine.connect() as connection:
        sa.event.listen(engine, "before_cursor_execute", note)
        read(connection, asked)
        sa.event.remove(engine, "before_cursor_execute", note)
        return [
            str(row.detail)
            for statement, parameters in asked_for
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


def test_what_may_not_be_seen_is_in_no_part(past: sa.Engine) -> None:
    for noun, (read, _) in READ.items():
        with past.connect() as connection:
            rows = read(connection, Filter(seen=frozenset({"s1"}), limit=500))
            assert {r.service for r in rows} == {"s1"}, noun
            assert read(connection, Filter(seen=frozenset())) == []
