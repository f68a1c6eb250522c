"""Every list page by page on both databases: each item once, newest first, within its time, of the
services that may be seen; and keys of writes.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.unit.store.test_search import fill

from headway.model.event import Fact
from headway.store import database, idempotency
from headway.store.database import Tx
from headway.store.idempotency import Done
from headway.store.log import About as Where
from headway.store.log import append
from headway.store.views import artifacts, commits, judged, lists
from headway.store.views.judged import About
from headway.store.views.paging import Filter

COUNT = 7
Read = Callable[[sa.Connection, Filter], list[Any]]
LISTS: list[tuple[Read, Callable[[Any], str]]] = [
    (lists.list_deliveries, lambda r: r.id),
    (lists.list_releases, lambda r: r.name),
    (lists.list_rollouts, lambda r: r.id),
    (artifacts.read, lambda r: r.digest),
    (commits.read, lambda r: r.delivery),
]


@pytest.fixture(params=["sqlite", "postgres"])
def tx(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tx]:
    url = f"sqlite:///{tmp_path / 'h.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    database.prepare(url)
    engine = database.connect(url)
    with engine.connect() as connection:  # never committed
        for number in range(1, COUNT + 1):
            fill(connection, "paged" if number % 3 else "other-paged", number)
        yield Tx(connection, 1000.0)
    engine.dispose()


@pytest.mark.parametrize(("read", "key"), LISTS)
def test_a_list_page_by_page(tx: Tx, read: Read, key: Callable[[Any], str]) -> None:
    seen = frozenset({"paged", "other-paged"})
    whole = [key(r) for r in read(tx.connection, Filter(seen=seen))]
    assert len(whole) == COUNT
    found: list[str] = []
    while page := read(
        tx.connection, Filter(seen=seen, limit=2, cursor=found[-1] if found else "")
    ):
        found += [key(r) for r in page]
    assert found == whole
    assert len(read(tx.connection, Filter("paged"))) == 5
    assert {r.service for r in read(tx.connection, Filter(seen=frozenset({"other-paged"})))} == {
        "other-paged"
    }
    assert read(tx.connection, Filter(seen=frozenset())) == []
    if read is not lists.list_rollouts:  # all of them began at once
        between = read(tx.connection, Filter(seen=seen, since=2.0, until=4.0))
        assert len(between) == 2


def test_what_was_judged_page_by_page(tx: Tx) -> None:
    for number in range(5):
        data: dict[str, object] = {
            "outcome": "PASS" if number % 2 else "WAIT", "because": 'it said "outcome":"PASS"',
            "step": number, "share": 0.5, "judge": "analysis", "gates": [],
        }  # fmt: skip
        for kind in ("rollout.judged", "gates.judged"):
            append(tx, Where("del_x", "paged"), Fact(kind, "rol_x", number, data))
    asked = {"service": "paged", "rollout": "rol_x"}
    steps = [v.step for v in judged.verdicts(tx.connection, About(**asked))]
    assert steps == [4, 3, 2, 1, 0]
    first = judged.verdicts(tx.connection, About(**asked, limit=2))
    rest = judged.verdicts(tx.connection, About(**asked, before=first[-1].seq))
    assert [v.step for v in first + rest] == steps
    passed = judged.verdicts(tx.connection, About(**asked, outcome="PASS"))
    assert [v.step for v in passed] == [3, 1]
    assert len(judged.gates(tx.connection, About(service="paged"))) == 5
    assert judged.gates(tx.connection, About(services=frozenset({"nobody"}))) == []


def test_a_key_is_one_principals_and_a_days(tx: Tx) -> None:
    done = Done("print", "", 202, b"{}")
    idempotency.keep(tx, "ana", "k", done)
    assert idempotency.find(tx, "ana", "k") == done
    assert idempotency.find(tx, "ben", "k") is None
    other = Done("print", "", 201, b"[]")
    idempotency.keep(tx, "ana", "k", other)
    assert idempotency.find(tx, "ana", "k") == other
    later = Tx(tx.connection, tx.now + idempotency.KEPT_SECONDS)
    assert idempotency.find(later, "ana", "k") is None
    idempotency.keep(later, "ben", "k", done)
    assert idempotency.find(tx, "ana", "k") is None
