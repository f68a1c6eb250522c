"""Each look at the installation finds its trouble, and names the next command."""

import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from tests.support.serving import serving

from headway.api.app import app
from headway.model.event import Fact
from headway.store import database, installation, log, tables, workers
from headway.store.database import Tx
from headway.store.log import About
from headway.store.place import Place, locate
from headway.store.views import health
from headway.store.views.health import Look
from headway.wiring import Headway

NOW = 1_800_000_000.0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    home = tmp_path / "h"
    home.mkdir(mode=0o700)
    found = locate(str(home), {})
    database.prepare(found.database)
    return found


@pytest.fixture
def tx(place: Place) -> Iterator[Tx]:
    engine = database.connect(place.database)
    with engine.begin() as connection:
        yield Tx(connection, NOW)
    engine.dispose()


def bad(look: Look, outcome: str, word: str) -> None:
    assert look.outcome == outcome, look
    assert word in look.found
    assert look.fix


def event(tx: Tx, kind: str, at: float, delivery: str = "") -> None:
    number = log.last_seq(tx.connection)
    log.append(Tx(tx.connection, at), About(delivery), Fact(kind, "x", number, {}))


def delivery(tx: Tx, id: str, state: str) -> None:
    row: dict[str, object] = {c.name: "" for c in tables.deliveries.columns}
    row |= {"id": id, "state": state, "requested_at": NOW, "finished_at": 0.0}
    tx.connection.execute(tables.deliveries.insert().values(**row))


def test_a_fresh_home_is_well(place: Place, tx: Tx) -> None:
    looks = [look(tx.connection, NOW) for look in health.ROWS]
    looks += [health.integrity(place), health.owners_only(place.home)]
    assert [one for one in looks if one.outcome != "ok"] == []


def test_a_clock_that_went_back_is_told(tx: Tx) -> None:
    event(tx, "delivery.requested", NOW + 3600)
    bad(health.clock(tx.connection, NOW), "warning", "3600 s")


def test_a_gap_in_the_log_is_told(tx: Tx) -> None:
    for _ in range(3):
        event(tx, "a", NOW)
    assert health.log_is_whole(tx.connection).outcome == "ok"
    tx.connection.execute(sa.delete(tables.events).where(tables.events.c.seq == 2))
    bad(health.log_is_whole(tx.connection), "failed", "1 of 3")


def test_a_delivery_that_tells_nothing_is_told(tx: Tx) -> None:
    for id, state in (("del_1", "delivering"), ("del_2", "waiting"), ("del_3", "delivering")):
        delivery(tx, id, state)
        event(tx, "x", NOW - (2 * 86_400 if id != "del_3" else 60), id)
    look = health.stuck(tx.connection, NOW)
    bad(look, "warning", "1 deliveries")
    assert look.fix == "headway delivery show del_1"


def test_an_engine_without_a_beat_is_told(tx: Tx) -> None:
    bad(health.engine(tx.connection, NOW, "me"), "failed", "never")
    workers.beat(tx, "me")
    assert health.engine(tx.connection, NOW + 20, "me").outcome == "ok"
    bad(health.engine(tx.connection, NOW + 60, "me"), "failed", "60 s ago")
    assert health.engine(tx.connection, NOW, "").outcome == "ok"


def test_backups_grow_old(tx: Tx) -> None:
    assert health.backup(tx.connection, NOW).outcome == "ok"
    delivery(tx, "del_1", "done")
    bad(health.backup(tx.connection, NOW), "warning", "none was ever made")
    event(tx, "installation.copied", NOW - 8 * 86_400)
    bad(health.backup(tx.connection, NOW), "warning", "8 days")
    event(tx, "installation.copied", NOW - 86_400)
    assert health.backup(tx.connection, NOW).outcome == "ok"


def test_a_held_installation_is_told(tx: Tx) -> None:
    installation.hold(tx, {})
    bad(health.held(tx.connection), "warning", "held")
    installation.put(tx.connection, "moving", {})
    bad(health.held(tx.connection), "failed", "half moved")


def test_a_damaged_file_is_told(place: Place) -> None:
    file = place.home / "headway.db"
    with sqlite3.connect(file) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    opened.close()
    data = bytearray(file.read_bytes())
    data[4096 * 3 : 4096 * 6] = b"\xff" * (4096 * 3)
    file.write_bytes(bytes(data))
    look = health.integrity(place)
    assert (look.outcome, bool(look.fix)) == ("failed", True)


def test_keys_that_others_may_read_are_told(place: Place) -> None:
    place.home.chmod(0o755)
    (place.home / "keys").mkdir()
    key = place.home / "keys" / "signing.pem"
    key.write_text("secret")
    key.chmod(0o644)
    look = health.owners_only(place.home)
    bad(look, "failed", "keys/signing.pem")
    assert look.fix == f"chmod 700 {place.home}"


def test_a_port_that_is_taken_is_told(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        bad(health.port(place.home, number, runs=False), "warning", str(number))
        assert health.port(place.home, number, runs=True).outcome == "ok"


def test_ready_means_that_the_engine_lives(place: Place) -> None:
    headway = Headway(place)
    with serving(app(headway, "secret-token")) as address:
        asked = httpx.get(f"{address}/health/ready")
        assert asked.status_code == 503
        assert asked.json()["checks"]["engine"] == "failed"
        with headway.tx() as tx:
            workers.beat(Tx(tx.connection, time.time()), headway.executor)
        asked = httpx.get(f"{address}/health/ready")
        assert asked.status_code == 200
        told = {"database": "ok", "engine": "ok", "installation": "ok", "disk": "ok"}
        assert asked.json() == {"status": "ok", "checks": told}
        assert str(place.home) not in asked.text
    headway.db.dispose()
