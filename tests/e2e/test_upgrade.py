"""A server is killed amid a canary; the next version widens the database and the canary goes on."""

import signal

import pytest
import sqlalchemy as sa
from tests.support.stage import CANARY, Stage, config

from headway.store import database, schema
from headway.store.tables import metadata

# what an older Headway did not have: a column of the rollout's memory, an index, whole tables
OLDER = (
    "ALTER TABLE headway_reading DROP COLUMN unheard",
    "DROP INDEX ix_headway_event_release",
    "DROP TABLE headway_installation",
    "DROP TABLE headway_passenger",
)


@pytest.mark.soak
def test_a_rollout_goes_on_under_a_newer_headway() -> None:
    with Stage() as stage:
        with stage.server() as server:
            first = stage.request(stage.commit(config(CANARY)))
            assert stage.ended(first).outcome == "delivered"
            with stage.load(80):
                second = stage.request(stage.commit(config(CANARY)))
                stage.happened("rollout.shifted", delivery=second)
                server.send_signal(signal.SIGKILL)
                server.wait(30)
                (stage.home / "server.json").unlink()
        with stage.headway.db.begin() as connection:
            for statement in OLDER:
                connection.execute(sa.text(statement))
            there = schema.shape(connection)
        assert "unheard" not in there["headway_reading"]
        with stage.load(80), stage.server():
            assert stage.ended(second).outcome == "delivered"
        assert stage.place().stable == "shop-2"
        engine = database.connect(stage.headway.url)
        with engine.connect() as connection:
            assert schema.is_current(connection, metadata)
        engine.dispose()
