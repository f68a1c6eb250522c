"""What a commit wrote is there only with its checkpoint: a savepoint commits nothing by itself."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from headway.store import database, workers
from headway.store.database import Tx, lock


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
