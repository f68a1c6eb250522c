"""What the beginning of a name, commit, digest or id finds, for whom, and by which index."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from headway.store import database
from headway.store.tables import deliveries, places, releases, rollouts, runs
from headway.store.views import search
from headway.store.views.search import Hit

SHA, DIGEST = "ab12" + "0" * 36, "sha256:cd34" + "0" * 60


def fill(connection: sa.Connection, service: str, number: int) -> None:
    id = f"{number:026d}"
    sha, digest = f"{number:04x}{SHA}"[:40], f"sha256:{number:04x}{DIGEST[7:]}"[:71]
    name = f"{service}-{number}"
    texts = dict.fromkeys(("ref", "repo", "author", "by", "state", "outcome", "because"), "x")
    connection.execute(
        deliveries.insert().values(
            id=f"del_{id}", service=service, sha=sha, subject=f"Say {number}", release=name,
            digest=digest, environment="", requested_at=float(number), finished_at=0.0, **texts,
        )
    )  # fmt: skip
    connection.execute(
        releases.insert().values(
            name=name, service=service, number=number, digest=digest, sha=sha, author="x",
            delivery=f"del_{id}", config="", config_digest="", created_at=float(number),
        )
    )  # fmt: skip
    connection.execute(
        rollouts.insert().values(
            id=f"rol_{id}", delivery=f"del_{id}", service=service, environment="production",
            release=name, digest=digest, stable="", state="", judge="", snapshot="", verdict="",
            outcome="", because="", started_at=1.0, finished_at=0.0,
        )
    )  # fmt: skip
    connection.execute(
        runs.insert().values(
            id=f"run_{id}", repo=f"/h/git/{service}.git", workflow="ci.yml", number=number,
            state="started", made_at=2.0,
        )
    )  # fmt: skip


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    url = f"sqlite:///{tmp_path / 'h.db'}"
    database.prepare(url)
    engine = database.connect(url)
    with engine.begin() as open_connection:
        for number, service in enumerate(["shop", "shop", "shoes", "_%"], start=1):
            fill(open_connection, service, number)
        open_connection.execute(
            places.insert().values(
                service="shelf", environment="staging", generation=0, stable="", candidate="",
                rollout="", holder="", address="", since=0.0,
            )
        )  # fmt: skip
        yield open_connection
    engine.dispose()


def found(connection: sa.Connection, text: str, *services: str) -> list[tuple[str, str]]:
    hits = search.read(connection, text, frozenset(services) if services else None)
    return [(h.kind, h.id) for h in hits]


def test_each_kind_by_its_beginning(connection: sa.Connection) -> None:
    names = [("service", n) for n in ("shelf", "shoes", "shop")]
    assert found(connection, " sh ") == [
        *names, ("release", "shoes-3"), ("release", "shop-1"), ("release", "shop-2"),
    ]  # fmt: skip
    assert found(connection, "shop-2") == [("release", "shop-2")]
    assert found(connection, "0002AB") == [("commit", f"0002{SHA}"[:40])]
    assert found(connection, "sha256:0003cd") == [("artifact", f"sha256:0003{DIGEST[7:]}"[:71])]
    id = f"{1:026d}"
    assert found(connection, f"del_{id}") == [("delivery", f"del_{id}")]
    assert found(connection, f"ROL_{id}") == [("rollout", f"rol_{id}")]
    assert found(connection, "run_") == [("run", f"run_{n:026d}") for n in (4, 3, 2, 1)]
    assert found(connection, id) == [(k, f"{k[:3]}_{id}") for k in ("delivery", "rollout", "run")]
    hit = search.read(connection, f"run_{id}")[0]
    assert (hit.title, hit.service) == ("ci.yml #1", "shop")


def test_only_what_may_be_seen(connection: sa.Connection) -> None:
    assert found(connection, "sh", "shoes") == [("service", "shoes"), ("release", "shoes-3")]
    assert found(connection, "run_", "shoes") == [("run", f"run_{3:026d}")]
    assert found(connection, "0002ab", "shoes") == []


@pytest.mark.parametrize("text", ["", " ", "\0", "x" * 201, "%", "zz", "sha256:", "del_é", "🙂"])
def test_what_finds_nothing(connection: sa.Connection, text: str) -> None:
    assert found(connection, text) == []


def test_wildcards_are_letters(connection: sa.Connection) -> None:
    assert found(connection, "_") == [("service", "_%"), ("release", "_%-4")]


def test_of_many_the_newest_and_never_more_than_a_few(connection: sa.Connection) -> None:
    for number in range(5, 30):
        fill(connection, "shop", number)
    assert found(connection, "del_") == [("delivery", f"del_{n:026d}") for n in range(29, 24, -1)]
    assert len(found(connection, "shop")) == 1 + search.EACH


def test_a_prefix_is_looked_up_in_an_index(connection: sa.Connection) -> None:
    asked: list[tuple[str, Any]] = []

    @sa.event.listens_for(connection, "before_cursor_execute")
    def _keep(_c: object, _cursor: object, sql: str, parameters: Any, *_: object) -> None:
        asked.append((sql, parameters))

    search.read(connection, "0002ab")
    search.read(connection, "run_0")
    search.read(connection, "shop")
    for sql, parameters in asked[:]:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).all()
        assert not [row for row in plan if row[3].startswith("SCAN")], (sql, plan)


def test_on_postgres_it_finds_the_same(postgres_url: str) -> None:
    database.prepare(postgres_url)
    engine = database.connect(postgres_url)
    with engine.connect() as connection:
        fill(connection, "searched_%", 987_654)
        assert search.read(connection, "searched_%") == [
            Hit("service", "searched_%", "searched_%", "searched_%", None),
            search.read(connection, "searched_%-9")[0],
        ]
        assert search.read(connection, "searchedx") == []
    engine.dispose()
