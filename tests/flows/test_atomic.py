"""What a commit wrote is there only with its checkpoint: a savepoint commits nothing by itself."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from headway.store import database, workers
from headway.store.database import Tx, lock
from headway.store.tables import installation


class Gone(Exception):
    """The process ends between the work and its checkpoint."""


def write_and_die(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        lock(connection)
        with connection.begin_nested():
            workers.beat(Tx(connection, 1.0), "worker-1")
        raise Gone


def test_a_released_savepoint_is_undone_with_its_transaction(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'headway.db'}"
    database.prepare(url)
    engine = database.connect(url)
    with pytest.raises(Gone):
        write_and_die(engine)
    with engine.connect() as connection:
        assert workers.bury(Tx(connection, 1e9), 0.0) == []


def test_who_was_frozen_in_a_transaction_holds_nobody_up_for_long(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "IDLE_SECONDS", 1)
    database.prepare(postgres_url)
    frozen, other = database.connect(postgres_url), database.connect(postgres_url)
    held = frozen.connect()
    database.lock(held)
    with other.begin() as connection:
        connection.execute(sa.text("SET LOCAL lock_timeout = '50s'"))
        database.lock(connection)
    with pytest.raises(sa.exc.DBAPIError, match="idle-in-transaction"):
        held.execute(sa.text("SELECT 1"))
    held.invalidate()
    for engine in (frozen, other):
        engine.dispose()


def test_many_rows_are_one_statement_so_that_nobody_is_frozen_between_them(
    postgres_url: str,
) -> None:
    database.prepare(postgres_url)
    engine = database.connect(postgres_url)
    sent: list[str] = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _sent(_link: Any, _cursor: Any, text: str, *_more: Any) -> None:
        sent.append(text)

    rows = [{"name": f"row{n}", "value": str(n)} for n in range(3)]
    with engine.connect() as connection:
        connection.execute(installation.insert(), rows)
        kept = sa.select(installation.c.name).where(installation.c.name.like("row_"))
        assert set(connection.execute(kept).scalars()) == {"row0", "row1", "row2"}
    engine.dispose()
    assert [text.count("%(name__") for text in sent if text.startswith("INSERT")] == [3]
