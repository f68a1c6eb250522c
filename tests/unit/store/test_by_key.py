"""Rows written by their key."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from headway.store import by_key, database
from headway.store.tables import cursors, sli_readings


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    url = f"sqlite:///{tmp_path / 'h.db'}"
    database.prepare(url)
    engine = database.connect(url)
    with engine.begin() as opened:
        yield opened
    engine.dispose()


def every(connection: sa.Connection) -> list[tuple[object, ...]]:
    return [tuple(r) for r in connection.execute(sa.select(sli_readings).order_by("slo"))]


def test_only_the_row_with_the_whole_key_is_changed(connection: sa.Connection) -> None:
    key = {"service": "shop", "environment": "production", "slo": "errors"}
    by_key.put(connection, sli_readings, key, {"reading": "1"})
    by_key.put(connection, sli_readings, key | {"slo": "latency"}, {"reading": "2"})
    by_key.put(connection, sli_readings, key, {"reading": "3"})
    rows = [("shop", "production", "errors", "3"), ("shop", "production", "latency", "2")]
    assert every(connection) == rows
    assert by_key.update(connection, sli_readings, key | {"slo": "x"}, {"reading": "4"}) == 0
    assert by_key.update(connection, sli_readings, {"service": "shop"}, {"reading": "5"}) == 2
    assert [row[3] for row in every(connection)] == ["5", "5"]


def test_a_part_of_the_key_may_change(connection: sa.Connection) -> None:
    by_key.insert(connection, cursors, {"name": "a", "seq": 1})
    assert by_key.update(connection, cursors, {"name": "a"}, {"name": "b", "seq": 2}) == 1
    assert [tuple(r) for r in connection.execute(sa.select(cursors))] == [("b", 2)]


def test_an_unknown_column_is_an_error(connection: sa.Connection) -> None:
    for write in (
        lambda: by_key.insert(connection, cursors, {"name": "a", "seq": 1, "colour": "red"}),
        lambda: by_key.update(connection, cursors, {"name": "a"}, {"colour": "red"}),
    ):
        with pytest.raises(ValueError, match=r"headway_cursor has no columns \['colour'\]"):
            write()
    assert not connection.execute(sa.select(cursors)).all()
