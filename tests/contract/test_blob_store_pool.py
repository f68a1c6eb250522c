"""What every BlobStore promises, kept by the one in the database: SQLite and a real Postgres."""

import hashlib
import io
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from tests.contract.test_blob_store import (  # the shared promises, run here with this store
    test_a_name_means_something_once,
    test_no_blob_is_invalid,
    test_two_long_names_that_begin_alike_are_two,
    test_what_cannot_be_a_name,
    test_what_is_put_is_what_is_opened,
)
from tests.support.postgres import databases

from headway.model.errors import Failed, Invalid
from headway.store import database
from headway.store.pool_blobs import CHUNK_BYTES, GRACE_SECONDS, PoolBlobs
from headway.store.pool_tables import blobs, chunks, names

__all__ = [
    "test_a_name_means_something_once",
    "test_no_blob_is_invalid",
    "test_two_long_names_that_begin_alike_are_two",
    "test_what_cannot_be_a_name",
    "test_what_is_put_is_what_is_opened",
]


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with databases(tmp_path_factory.mktemp("db")) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, urls: dict[str, str]) -> Iterator[sa.Engine]:
    made = database.connect(urls[request.param])
    with made.begin() as connection:
        for table in (names, blobs, chunks):
            connection.execute(table.delete())
    yield made
    made.dispose()


@pytest.fixture
def store(engine: sa.Engine) -> PoolBlobs:
    return PoolBlobs(engine)


def put(store: PoolBlobs, text: str) -> str:
    return store.put(io.BytesIO(text.encode()))


def rows(engine: sa.Engine, table: sa.Table) -> int:
    with engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def age(engine: sa.Engine, seconds: float) -> None:
    with engine.begin() as connection:
        connection.execute(blobs.update().values(used_at=blobs.c.used_at - seconds))
        connection.execute(names.update().values(at=names.c.at - seconds))


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_any_size_in_chunks(store: PoolBlobs, engine: sa.Engine, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    digest = store.put(io.BytesIO(data))
    with store.open(digest) as file:
        assert file.read() == data
    with engine.connect() as connection:
        lengths = connection.execute(sa.select(sa.func.length(chunks.c.data))).scalars().all()
    assert all(length <= CHUNK_BYTES for length in lengths)
    assert sum(lengths) == size


def test_small_reads_of_a_pipe_become_whole_chunks(store: PoolBlobs, engine: sa.Engine) -> None:
    class Dripping(io.RawIOBase):
        left = 3000

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return b"x" * 1000 if self.left >= 0 else b""

    digest = store.put(Dripping())  # type: ignore[arg-type]
    assert digest == "sha256:" + hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert rows(engine, chunks) == 3


def test_the_same_bytes_are_kept_once(store: PoolBlobs, engine: sa.Engine) -> None:
    assert put(store, "hello") == put(store, "hello")
    assert (rows(engine, blobs), rows(engine, chunks)) == (1, 1)


def test_names_are_found_by_prefix_newest_first(store: PoolBlobs, engine: sa.Engine) -> None:
    digest = put(store, "1")
    for name in ("npm-a", "npm-b", "pip-a", "npm-c"):
        assert store.point("s", name, digest)
        age(engine, 10)
    assert [n for n, _, _ in store.pointed("s", "npm-")] == ["npm-c", "npm-b", "npm-a"]
    assert [n for n, _, _ in store.pointed("s", "np%")] == []


@pytest.mark.parametrize(
    "name",
    [".", "a/../../b", "~", "ü" * 300, "x" * 2000, "a\nb", "%2E", "a%", "\udcff", "-rf", "*"],
)
def test_any_name_is_kept_as_it_is(store: PoolBlobs, name: str) -> None:
    digest = put(store, "1")
    assert store.point("s", name, digest)
    assert not store.point("s", name, digest)
    for prefix in ("", name, name[:1], name[:200]):
        assert [(n, d) for n, d, _ in store.pointed("s", prefix)] == [(name, digest)]
    assert list(store.pointed("s", name + "x")) == []


@pytest.mark.parametrize("damage", [b"hellO", b"hel", b"hello!"])
def test_a_damaged_blob_is_found_and_can_be_put_again(
    store: PoolBlobs, engine: sa.Engine, damage: bytes
) -> None:
    digest = put(store, "hello")
    with engine.begin() as connection:
        connection.execute(chunks.update().values(data=damage))
    with pytest.raises(Failed) as found:
        store.open(digest)
    assert found.value.code == "damaged"
    assert put(store, "hello") == digest
    with store.open(digest) as file:
        assert file.read() == b"hello"


def test_a_name_whose_blob_is_gone_is_free_again(store: PoolBlobs, engine: sa.Engine) -> None:
    one, two = put(store, "1"), put(store, "2")
    assert store.point("s", "n", one)
    with engine.begin() as connection:
        connection.execute(blobs.delete().where(blobs.c.digest == one))
    assert list(store.pointed("s", "")) == []
    assert store.point("s", "n", two)
    assert [d for _, d, _ in store.pointed("s", "")] == [two]


def test_a_source_that_fails_leaves_nothing(store: PoolBlobs, engine: sa.Engine) -> None:
    class Broken(io.RawIOBase):
        left = 2 * CHUNK_BYTES

        def read(self, size: int = -1) -> bytes:
            if self.left <= 0:
                raise OSError("the pipe broke")
            self.left -= size
            return b"x" * size

    with pytest.raises(OSError, match="the pipe broke"):
        store.put(Broken())  # type: ignore[arg-type]
    assert (rows(engine, blobs), rows(engine, chunks)) == (0, 0)


def test_many_writers_of_the_same_and_of_different_bytes(
    store: PoolBlobs, engine: sa.Engine
) -> None:
    wins: list[str] = []
    faults: list[BaseException] = []

    def work(mine: int) -> None:
        try:
            for n in range(5):
                digest = put(store, f"shared {n}" * 1000)
                put(store, f"{mine} {n}")
                if store.point("s", f"name {n}", digest):
                    wins.append(f"name {n}")
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(wins) == [f"name {n}" for n in range(5)]
    assert rows(engine, blobs) == rows(engine, chunks) == 5 + 20


def test_caches_are_bounded_and_the_least_recently_used_go(engine: sa.Engine) -> None:
    store = PoolBlobs(engine, cache_bytes=350_000)
    digests = {}
    for n, name in enumerate(("a", "b", "c")):
        digests[name] = store.put(io.BytesIO(bytes([n]) * 100_000))
        assert store.point("cache/main", name, digests[name])
        age(engine, 100)
    store.open(digests["a"]).close()
    digests["d"] = store.put(io.BytesIO(b"d" * 100_000))
    assert store.point("cache/other", "d", digests["d"])
    assert sorted(n for n, _, _ in store.pointed("cache/main", "")) == ["a", "c"]
    with pytest.raises(Invalid):
        store.open(digests["b"])
    assert rows(engine, chunks) == 3


def test_eviction_spares_what_is_named_elsewhere(engine: sa.Engine) -> None:
    store = PoolBlobs(engine, cache_bytes=100)
    shared = store.put(io.BytesIO(b"s" * 90))
    assert store.point("uploads/r", "n", shared)
    assert store.point("cache/main", "old", shared)
    age(engine, 1000)
    assert store.point("cache/main", "new", store.put(io.BytesIO(b"n" * 90)))
    assert [n for n, _, _ in store.pointed("cache/main", "")] == ["new"]
    store.open(shared).close()


def test_what_nothing_means_is_collected_after_a_while(store: PoolBlobs, engine: sa.Engine) -> None:
    named, kept, lost = put(store, "named"), put(store, "kept"), put(store, "lost")
    assert store.point("uploads/r", "n", named)
    assert store.collect({kept}) == 0
    age(engine, GRACE_SECONDS + 1)
    assert store.collect({kept}) == 1
    store.open(named).close()
    store.open(kept).close()
    with pytest.raises(Invalid):
        store.open(lost)
    assert rows(engine, chunks) == 2
    store.forget_scope("uploads/r")
    age(engine, GRACE_SECONDS + 1)
    assert store.collect(()) == 2
    assert rows(engine, chunks) == 0
