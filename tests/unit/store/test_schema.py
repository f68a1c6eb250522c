"""What an older Headway left is widened, what a newer one left is refused."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.support.postgres import databases

from headway.model.errors import Refused
from headway.store import database, schema
from headway.store.tables import alerts, metadata, readings


def run(url: str, *statements: str) -> None:
    engine = database.connect(url)
    with engine.begin() as connection:
        for one in statements:
            connection.exec_driver_sql(one)
    engine.dispose()


def columns(url: str, table: str) -> dict[str, bool]:
    engine = database.connect(url)
    found = {c["name"]: c["nullable"] for c in sa.inspect(engine).get_columns(table)}
    engine.dispose()
    return found


def indexes(url: str, table: str) -> set[str]:
    engine = database.connect(url)
    found = {str(i["name"]) for i in sa.inspect(engine).get_indexes(table)}
    engine.dispose()
    return found


def test_an_older_database_is_widened_in_place(tmp_path: Path) -> None:
    with databases(tmp_path) as urls:
        for url in urls.values():
            run(
                url,
                "INSERT INTO headway_reading (rollout, readings, unheard) VALUES ('r', 'x', 'y')",
                "ALTER TABLE headway_reading DROP COLUMN unheard",
                "DROP TABLE headway_cursor",
                "DROP INDEX ix_headway_run_state",
                "ALTER TABLE headway_run DROP COLUMN state",
                "DROP TABLE headway_installation",
            )
            database.prepare(url)
            assert columns(url, "headway_reading") == {
                "rollout": False,
                "readings": False,
                "unheard": False,
            }
            assert "seq" in columns(url, "headway_cursor")
            assert "ix_headway_run_state" in indexes(url, "headway_run")
            engine = database.connect(url)
            with engine.begin() as connection:
                kept = connection.execute(sa.select(readings)).one()
                assert tuple(kept) == ("r", "x", "")
                assert schema.is_current(connection, metadata)
                assert schema.migrate(connection, metadata) == []
            engine.dispose()


def test_an_index_that_came_later_is_made(tmp_path: Path) -> None:
    with databases(tmp_path) as urls:
        for url in urls.values():
            run(url, "DROP INDEX headway_event_by_kind", "DROP INDEX headway_event_by_delivery")
            engine = database.connect(url)
            with engine.begin() as connection:
                assert not schema.is_current(connection, metadata)
                added = schema.migrate(connection, metadata)
                assert sorted(added) == ["headway_event_by_delivery", "headway_event_by_kind"]
                assert schema.is_current(connection, metadata)
            engine.dispose()
            assert {"headway_event_by_delivery", "headway_event_by_kind"} <= indexes(
                url, "headway_event"
            )


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ("kind = 'a' AND seq < 9", "headway_event_by_kind"),
        ("delivery = 'a' AND kind = 'b'", "headway_event_by_delivery"),
        ("delivery = 'a'", "headway_event_by_delivery"),
        ("subject = 'a' AND kind = 'b'", "headway_event_by_subject"),
    ],
)
def test_a_read_of_the_log_takes_the_index_that_was_made_for_it(
    tmp_path: Path, where: str, index: str
) -> None:
    url = f"sqlite:///{tmp_path / 'headway.db'}"
    database.prepare(url)
    engine = database.connect(url)
    asked = f"EXPLAIN QUERY PLAN SELECT * FROM headway_event WHERE {where} ORDER BY seq DESC"
    with engine.connect() as connection:
        plan = " ".join(str(r[3]) for r in connection.exec_driver_sql(asked))
    engine.dispose()
    assert index in plan


def test_a_unique_column_is_unique_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'headway.db'}"
    run(url, f"CREATE TABLE {alerts.name} (id TEXT PRIMARY KEY)")
    database.prepare(url)
    values = "'open', '', '', '', '', '', '', 0, 0, ''"
    names = (
        "open_key, state, severity, rule, service, environment, release, began, next_at, trouble"
    )
    run(url, f"INSERT INTO headway_alert (id, {names}) VALUES ('a', {values})")
    with pytest.raises(sa.exc.IntegrityError):
        run(url, f"INSERT INTO headway_alert (id, {names}) VALUES ('b', {values})")


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with databases(tmp_path) as urls:
        for url in urls.values():
            run(url, "ALTER TABLE headway_run ADD COLUMN colour TEXT NOT NULL DEFAULT ''")
            with pytest.raises(Refused) as told:
                database.prepare(url)
            assert told.value.code == "newer-schema"
            assert "headway_run.colour" in told.value.why
            run(url, "ALTER TABLE headway_run DROP COLUMN colour")
            database.prepare(url)
            run(url, "UPDATE headway_installation SET value = '99' WHERE name = 'schema'")
            with pytest.raises(Refused, match="newer Headway"):
                database.prepare(url)
            assert "state" in columns(url, "headway_run")


def test_a_lost_key_is_no_older_schema(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'headway.db'}"
    run(url, "CREATE TABLE headway_worker (beat_at FLOAT)")
    with pytest.raises(Refused, match="no column executor"):
        database.prepare(url)


def test_every_table_is_known() -> None:
    """A table that `prepare` does not know would be taken for a newer Headway's."""
    store = Path(schema.__file__).parent
    named = {f.stem for f in store.glob("*_tables.py")}
    assert named == {name for name in named if hasattr(schema, name)}
