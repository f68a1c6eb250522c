"""What was counted is added up, on SQLite and on Postgres, and forgotten in time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from headway.slo.tally import Bucket, Tally, within
from headway.store import database, slis
from headway.store.database import Tx
from headway.store.slis import Goal

NOW = 1_750_000_260.0
DAY = 86400.0


@pytest.fixture(params=["sqlite", "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    file = f"sqlite:///{tmp_path / 'headway.db'}"
    url = file if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database.prepare(url)
    engine = database.connect(url)
    yield engine
    engine.dispose()


def minutes(begin: float, count: int, bad: float = 1.0) -> list[Bucket]:
    return [Bucket(begin + 60 * i, Tally(10 - bad, 10)) for i in range(count)]


def test_rows_are_added_up_by_minute_quarter_and_release(db: sa.Engine) -> None:
    goal, other = Goal("added", "live", "a"), Goal("added", "live", "b")
    begin = NOW - 3600 - NOW % 900
    for release in ("v1", "v2", "v1"):
        with db.begin() as connection:
            slis.add(Tx(connection, NOW), goal, release, minutes(begin, 60))
    with db.begin() as connection:
        slis.add(Tx(connection, NOW), other, "v1", minutes(begin, 60, bad=10))
        whole = slis.tallied(connection, goal, begin, NOW)
        assert (whole.good, whole.total) == (1620.0, 1800.0)
        assert slis.tallied(connection, goal, begin, NOW, "v2").total == 600.0
        assert slis.tallied(connection, goal, begin - 10 * DAY, NOW) == whole, "by the quarter"
        part = slis.tallied(connection, goal, begin + 90, begin + 300, "v2")
        assert part == within(minutes(begin, 60), begin + 90, begin + 300)
        found = slis.releases(connection, goal, begin - 10 * DAY, NOW)
        assert {r: t.total for r, t in found.items()} == {"v1": 1200.0, "v2": 600.0}
        assert slis.time_met(connection, goal, 0.9, begin, NOW) == (4, 4)
        assert slis.time_met(connection, goal, 0.91, begin, NOW) == (0, 4)


def test_old_minutes_go_and_their_quarters_stay(db: sa.Engine) -> None:
    goal = Goal("pruned", "live", "a")
    with db.begin() as connection:
        tx = Tx(connection, NOW)
        old = NOW - 9 * DAY - NOW % 900
        slis.add(tx, goal, "v1", minutes(old, 15))
        slis.add(tx, goal, "v1", minutes(old - 400 * DAY, 15))
        assert slis.prune(tx) == 31
        assert slis.tallied(connection, goal, NOW - 30 * DAY, NOW).total == 150.0
        assert slis.tallied(connection, goal, old - 500 * DAY, NOW).total == 150.0
