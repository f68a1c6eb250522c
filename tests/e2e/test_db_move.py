"""A home moves to Postgres and back, killed on the way, and delivers there."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.support.postgres import postgres
from tests.support.stage import Stage, eventually

from headway.flows import commands
from headway.flows.journal import prepare
from headway.model.delivery import Delivery
from headway.model.errors import Refused
from headway.store import database, installation, log, records, rows
from headway.store.moving import Side, move
from headway.store.place import Place
from headway.wiring import Headway

# a process that sends itself SIGKILL at its nth commit: before it, or after it
CHILD = """\
import os, signal, sys
import sqlalchemy as sa
from headway.flows.journal import prepare
from headway.store.moving import move
from headway.store.place import Place
from pathlib import Path

home, source, target, at, when, mine = sys.argv[1:]
left = int(at)
made = sa.engine.default.DefaultDialect.do_commit


def do_commit(self, connection):
    global left
    left -= 1
    if left == 0 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    made(self, connection)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


prepare(source); prepare(target)
sa.engine.default.DefaultDialect.do_commit = do_commit
done = move(Place(Path(home), source), Place(Path(home), target), prepare, mine)
print(done.resumed)
"""


def deliver(stage: Stage, place: Place) -> Delivery:
    headway = Headway(place)
    try:
        sha = stage.commit()
        commit = headway.world.source.commit(str(stage.repo), sha)
        with headway.engine():
            with headway.tx() as tx:
                asked = commands.Request("shop", commit, "ana")
                id = commands.request(tx, headway.outbox, asked)
            eventually(lambda: seen(headway, id).state == "done", lambda: id, 90)
        return seen(headway, id)
    finally:
        headway.outbox.close()
        headway.db.dispose()


def seen(headway: Headway, id: str) -> Delivery:
    with headway.reading() as connection:
        return records.delivery(connection, id)


def counted(place: Place) -> dict[str, rows.Counted]:
    """Every table of Headway's own."""
    side, held = Side(place), {}
    for name, table in side.tables.items():
        if not name.startswith(rows.ENGINE) and name != "headway_installation":
            with side.engine(name).connect() as connection:
                held[name] = rows.count(connection, table)
    side.close()
    return held


def killed(place: Place, target: Place, at: int, when: str) -> "subprocess.CompletedProcess[str]":
    words = [
        str(place.home),
        place.database,
        target.database,
        str(at),
        when,
        Headway(place).executor,
    ]
    return subprocess.run(
        [sys.executable, "-c", CHILD, *words], capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip


@pytest.mark.soak
def test_a_home_moves_to_postgres_and_back(tmp_path: Path) -> None:
    with Stage() as stage, postgres() as url:
        here = Place(stage.home, f"sqlite:///{stage.home / 'headway.db'}")
        there = Place(stage.home, url)
        assert deliver(stage, here).release == "shop-1"
        held = counted(here)
        for at, when in ((20, "before"), (90, "after")):
            done = killed(here, there, at, when)
            assert done.returncode == -signal.SIGKILL, done.stderr
            headway = Headway(there)
            with pytest.raises(Refused, match="half moved"), headway.engine():
                pass
            headway.db.dispose()
        done = stage.cli("db", "move", "--to", url.replace("+psycopg", ""))
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"export HEADWAY_DATABASE={url}"
        assert counted(here) == held
        assert_same(held, counted(there))
        twice = stage.cli("db", "move", "--to", url)
        assert twice.returncode == 3
        assert "not empty" in twice.stderr

        assert deliver(stage, there).release == "shop-2"
        for file in stage.home.glob("*.db*"):
            file.rename(tmp_path / file.name)
        held = counted(there)
        prepare(here.database)
        assert move(there, here, prepare, Headway(there).executor).resumed == 0
        assert_same(held, counted(here))


def assert_same(before: dict[str, rows.Counted], after: dict[str, rows.Counted]) -> None:
    """But for the one event that says so."""
    first, last = dict(before), dict(after)
    assert first.pop("headway_event").rows + 1 == last.pop("headway_event").rows
    assert first == last


def test_a_database_in_use_does_not_move(tmp_path: Path) -> None:
    with Stage() as stage, postgres() as url:
        place = Place(stage.home, f"sqlite:///{stage.home / 'headway.db'}")
        with stage.headway.alone():
            done = stage.cli("db", "move", "--to", url)
            assert done.returncode == 7
        prepare(place.database)
        stage.request(stage.commit())
        done = stage.cli("db", "move", "--to", url)
        assert done.returncode == 3
        assert "under way" in done.stderr
        with stage.headway.tx() as tx:
            tx.connection.execute(
                sa.text("INSERT INTO headway_worker (executor, beat_at) VALUES ('other', :now)"),
                {"now": tx.now},
            )
        with pytest.raises(Refused, match="another process"):
            move(place, Place(stage.home, url), prepare, "me")
        engine = database.connect(url)
        with engine.connect() as connection:
            assert log.last_seq(connection) == 0
            assert installation.get(connection, "moving") is None
        engine.dispose()
    assert os.environ.get("HEADWAY_DATABASE") is None
