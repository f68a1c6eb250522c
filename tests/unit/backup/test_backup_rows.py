"""Rows leave one database as text and come back the same in another; what a home keeps."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.support.postgres import databases

from headway.backup import files
from headway.backup.make import make
from headway.backup.restore import Wish, restore
from headway.flows.journal import prepare
from headway.model.errors import Drifted, HeadwayError, Invalid, Refused
from headway.store import database, rows, rows_fill, sample_tables
from headway.store.keeping import keeping
from headway.store.place import Place, locate
from headway.store.tables import alert_messages, metadata, slis, triggers
from headway.store.test_tables import metadata as same

ROOT = Path(__file__).parents[3]
ODD = "line\nbreak \u2028 \U0001f600 \\u0000 '"


def filled(url: str) -> sa.Engine:
    engine = database.connect(url)
    with engine.begin() as connection:
        sli = {"service": ODD, "environment": "e", "slo": "s", "resolution": 1, "at": 2**60}
        sli |= {"release": "", "good": float("inf"), "total": 0.1}
        connection.execute(slis.insert().values(**sli))
        message = dict.fromkeys((c.name for c in alert_messages.columns), 0)
        message |= {c.name: "x" for c in alert_messages.columns if isinstance(c.type, sa.Text)}
        connection.execute(alert_messages.insert().values(**(message | {"seq": 41})))
        trigger = {c.name: "" for c in triggers.columns}
        trigger |= {"event": bytes(range(256)), "received_at": 1.5, "next_at": 0, "attempts": 0}
        connection.execute(triggers.insert().values(**trigger))
    return engine


def dumped(engine: sa.Engine) -> tuple[bytes, dict[str, rows.Counted]]:
    out: list[bytes] = []
    with rows.snapshot(engine) as connection:
        held = rows.dump(connection, (metadata,), out.append)
    return b"".join(out), held


def loaded(engine: sa.Engine, text: bytes) -> None:
    seen: dict[str, rows.Counted] = {}
    with engine.begin() as connection:
        known = rows.found(connection, (metadata,))
        rows_fill.clear(connection, known)
        for told in rows_fill.read(iter(text.splitlines(keepends=True)), seen):
            rows_fill.fill(connection, known[told.name], told)


def test_rows_go_through_both_systems_unchanged(tmp_path: Path) -> None:
    assert same is metadata
    with databases(tmp_path) as urls:
        first, second = filled(urls["sqlite"]), database.connect(urls["postgres"])
        text, held = dumped(first)
        loaded(second, text)
        back, again = dumped(second)
        assert again == held
        assert sorted(back.splitlines()) == sorted(text.splitlines())
        with second.begin() as connection:
            values = {c.name: "y" for c in alert_messages.columns if isinstance(c.type, sa.Text)}
            values |= {"attempts": 0, "created_at": 0, "next_at": 0, "sent_at": 0}
            made = connection.execute(alert_messages.insert().values(**values))
            assert made.inserted_primary_key == (42,)
        first.dispose()
        second.dispose()


def test_a_snapshot_does_not_see_what_comes_later(tmp_path: Path) -> None:
    with databases(tmp_path) as urls:
        for url in urls.values():
            engine = filled(url)
            with rows.snapshot(engine) as connection:
                with engine.begin() as other:
                    other.execute(slis.delete())
                assert rows.count(connection, slis).rows == 1
            engine.dispose()


def test_a_value_that_postgres_cannot_keep_is_one_clear_error(tmp_path: Path) -> None:
    with databases(tmp_path) as urls:
        first, second = database.connect(urls["sqlite"]), database.connect(urls["postgres"])
        with first.begin() as connection:
            connection.exec_driver_sql("INSERT INTO headway_cursor VALUES ('a' || char(0), 1)")
        text, _ = dumped(first)
        with pytest.raises(Refused) as refused:
            loaded(second, text)
        assert refused.value.code == "cannot-keep"
        first.dispose()
        second.dispose()


def bad_rows() -> Iterator[bytes]:
    head = b'{"table":"headway_cursor","columns":["name","seq"]}\n'
    end = b'{"end":"headway_cursor","rows":0,"sum":"' + b"0" * 64 + b'"}\n'
    yield b"[1]\n"
    yield b"{\n"
    yield b"[" * 100_000 + b"\n"
    yield head
    yield head + b'["a"]\n' + end
    yield head + b'["a",1]\n' + end
    yield head + end.replace(b"cursor", b"place")
    yield head + end + head + end
    yield head.replace(b'["name","seq"]', b"[]") + end
    yield head.replace(b'"seq"', b"7") + end


@pytest.mark.parametrize("text", list(bad_rows()), ids=range(10))
def test_rows_that_nobody_wrote_are_refused(text: bytes) -> None:
    seen: dict[str, rows.Counted] = {}
    told = rows_fill.read(iter(text.splitlines(keepends=True)), seen)
    with pytest.raises(Invalid) as refused:
        list(map(list, (one.rows for one in told)))
    assert refused.value.code == "bad-dump"


def test_every_entry_of_a_home_is_kept_or_left_on_purpose() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text().split("## Where things live")[1]
    named = set(re.findall(r"HOME/([a-z.-]+)", text))
    kept = {"pushes", "artifacts", "keys", "connections", "runs", "cas", "token"}
    kept |= {"results.key", "name", "retention.yaml", "cursor.key", "webhooks"}
    assert {n for n in named if n not in files.LEFT} <= kept
    assert not kept & files.LEFT


@pytest.fixture
def place(tmp_path: Path) -> Place:
    home = tmp_path / "h"
    home.mkdir(mode=0o700)
    found = locate(str(home), {})
    database.prepare(found.database)
    (home / "token").write_text("secret")
    (home / "new-thing").mkdir()
    (home / "new-thing" / "deep").write_text("kept, too")
    (home / "link").symlink_to("/etc/passwd")
    for name, text in {"log.jsonl": "{}", "job/logs/1": "said", "job/work/big": "no"}.items():
        file = home / "runs" / "r 1" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return found


def wish(file: Path, home: Path) -> Wish:
    return Wish(file, locate(str(home), {}), None, prepare, "ana")


def test_a_home_comes_back(place: Place, tmp_path: Path) -> None:
    made = make(place, tmp_path, None)
    back = restore(wish(made.file, tmp_path / "b")).home
    found = {str(f.relative_to(back)) for f in back.rglob("*") if f.is_file()}
    files_there = {f for f in found if ".db" not in f}
    assert files_there == {"token", "new-thing/deep", "runs/r 1/log.jsonl", "runs/r 1/job/logs/1"}
    assert (back / "token").read_text() == "secret"
    assert back.stat().st_mode & 0o777 == 0o700
    assert (back / "headway.db").stat().st_mode & 0o777 == 0o600
    again = make(locate(str(back), {}), tmp_path / "again.backup", None)
    assert made.manifest.tables.keys() <= again.manifest.tables.keys()
    assert again.manifest.log.seq == made.manifest.log.seq + 1


def test_nothing_is_ever_replaced(place: Place, tmp_path: Path) -> None:
    made = make(place, tmp_path, None)
    for asked in (
        lambda: make(place, made.file, None),
        lambda: restore(wish(made.file, place.home)),
    ):
        with pytest.raises(HeadwayError) as refused:
            asked()
        assert refused.value.code in {"exists", "not-empty"}


def test_no_backup_while_things_are_pruned(place: Place, tmp_path: Path) -> None:
    with keeping(place.home, alone=True), pytest.raises(Drifted):
        make(place, tmp_path, None)
    with (
        keeping(place.home, alone=False),
        keeping(place.home, alone=False),
        pytest.raises(Drifted),
        keeping(place.home, alone=True),
    ):
        pass
    assert sample_tables.metadata is not metadata


def test_a_failed_backup_leaves_no_file(place: Place, tmp_path: Path) -> None:
    (place.home / "git" / "shop.git").mkdir(parents=True)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(HeadwayError):
        make(place, out, None)
    assert list(out.iterdir()) == []
    assert not list(place.home.glob(".backup-*"))
