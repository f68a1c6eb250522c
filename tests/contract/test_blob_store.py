"""What every BlobStore promises, against the real disk."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from headway.adapters.disk import files
from headway.adapters.disk.blob_store import DiskBlobs
from headway.model.errors import Failed, Invalid


@pytest.fixture(params=["unnamed", "hidden"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With unnamed files, and as on a file system that has none."""
    if request.param == "hidden":
        real = os.open

        def without(path, flags, *rest, **more):
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(95, "not supported")
            return real(path, flags, *rest, **more)

        monkeypatch.setattr(files.os, "open", without)
    return DiskBlobs(tmp_path)


def put(store: DiskBlobs, text: str) -> str:
    return store.put(io.BytesIO(text.encode()))


def everything(home: Path) -> list[str]:
    return sorted(str(p.relative_to(home)) for p in home.rglob("*") if p.is_file())


def test_what_is_put_is_what_is_opened(store: DiskBlobs) -> None:
    digest = put(store, "hello")
    assert digest == "sha256:" + hashlib.sha256(b"hello").hexdigest()
    with store.open(digest) as file:
        assert file.read() == b"hello"


def test_the_same_bytes_are_kept_once(store: DiskBlobs, tmp_path: Path) -> None:
    first = put(store, "hello")
    before = {p: p.stat().st_ino for p in (tmp_path / "cas").rglob("*") if p.is_file()}
    assert put(store, "hello") == first
    assert {p: p.stat().st_ino for p in (tmp_path / "cas").rglob("*") if p.is_file()} == before


def test_a_name_means_something_once(store: DiskBlobs) -> None:
    one, two = put(store, "1"), put(store, "2")
    assert store.point("s", "n", one)
    assert not store.point("s", "n", two)
    assert [(n, d) for n, d, _ in store.pointed("s", "")] == [("n", one)]
    assert list(store.pointed("other", "")) == []


def test_names_are_found_by_prefix_newest_first(store: DiskBlobs, tmp_path: Path) -> None:
    digest = put(store, "1")
    for name in ("npm-a", "npm-b", "pip-a", "npm-c"):
        assert store.point("s", name, digest)
        for path in (tmp_path / "cas/names/s").iterdir():
            os.utime(path, (time.time(), path.stat().st_mtime - 10))
    assert [n for n, _, _ in store.pointed("s", "npm-")] == ["npm-c", "npm-b", "npm-a"]
    assert [n for n, _, _ in store.pointed("s", "np%")] == []


@pytest.mark.parametrize(
    "name",
    [".", "..", "a/../../b", "~", "ü" * 300, "x" * 2000, "a\nb", "%2E", "a%", "\udcff", "-rf", "*"],
)
def test_any_name_is_kept_as_it_is(store: DiskBlobs, tmp_path: Path, name: str) -> None:
    digest = put(store, "1")
    assert store.point("s", name, digest)
    assert not store.point("s", name, digest)
    for prefix in ("", name, name[:1], name[:200]):
        assert [(n, d) for n, d, _ in store.pointed("s", prefix)] == [(name, digest)]
    assert list(store.pointed("s", name + "x")) == []
    assert {p.parts[0] for p in (tmp_path).rglob("*") for p in [p.relative_to(tmp_path)]} == {"cas"}


def test_two_long_names_that_begin_alike_are_two(store: DiskBlobs) -> None:
    one, two = put(store, "1"), put(store, "2")
    assert store.point("s", "x" * 400 + "1", one)
    assert store.point("s", "x" * 400 + "2", two)
    assert {n[-1]: d for n, d, _ in store.pointed("s", "x" * 399)} == {"1": one, "2": two}
    assert [d for _, d, _ in store.pointed("s", "x" * 400 + "2")] == [two]


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 3000])
def test_what_cannot_be_a_name(store: DiskBlobs, name: str) -> None:
    digest = put(store, "1")
    for scope, what in ((name, "n"), ("s", name)):
        with pytest.raises(Invalid) as refused:
            store.point(scope, what, digest)
        assert refused.value.code == "bad-name"


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "", "../../etc/passwd", "sha256:xyz"])
def test_no_blob_is_invalid(store: DiskBlobs, digest: str) -> None:
    for ask in (lambda: store.open(digest), lambda: store.point("s", "n", digest)):
        with pytest.raises(Invalid) as refused:
            ask()
        assert refused.value.code == "no-blob"
    assert list(store.pointed("s", "")) == []


@pytest.mark.parametrize("damage", ["change", "cut", "longer"])
def test_a_damaged_blob_is_found_and_can_be_put_again(
    store: DiskBlobs, tmp_path: Path, damage: str
) -> None:
    digest = put(store, "hello")
    path = tmp_path / "cas/sha256" / digest[7:9] / digest[9:]
    path.write_bytes({"change": b"hellO", "cut": b"hel", "longer": b"hello!"}[damage])
    with pytest.raises(Failed) as found:
        store.open(digest)
    assert found.value.code == "damaged"
    assert put(store, "hello") == digest
    with store.open(digest) as file:
        assert file.read() == b"hello"


def test_a_name_whose_blob_is_gone_is_free_again(store: DiskBlobs, tmp_path: Path) -> None:
    one, two = put(store, "1"), put(store, "2")
    assert store.point("s", "n", one)
    (tmp_path / "cas/sha256" / one[7:9] / one[9:]).unlink()
    assert store.point("s", "n", two)
    assert [d for _, d, _ in store.pointed("s", "")] == [two]


def test_a_source_that_fails_leaves_nothing(store: DiskBlobs, tmp_path: Path) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("the pipe broke")

    with pytest.raises(OSError, match="the pipe broke"):
        store.put(Broken())  # type: ignore[arg-type]
    assert everything(tmp_path) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import io, resource, signal, sys; from pathlib import Path\n"
        "from headway.adapters.disk.blob_store import DiskBlobs\n"
        "from headway.model.errors import Failed\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "try: DiskBlobs(Path(sys.argv[1])).put(io.BytesIO(bytes(3 << 20)))\n"
        "except Failed as error: print(error.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "storage-full\n", done.stderr
    assert everything(tmp_path) == []


def test_many_writers_of_the_same_and_of_different_bytes(store: DiskBlobs, tmp_path: Path) -> None:
    wins: list[str] = []
    faults: list[BaseException] = []

    def work(mine: int) -> None:
        try:
            for n in range(10):
                digest = put(store, f"shared {n}" * 1000)
                put(store, f"{mine} {n}")
                if store.point("s", f"name {n}", digest):
                    wins.append(f"name {n}")
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(wins) == [f"name {n}" for n in range(10)]
    blobs = [p for p in (tmp_path / "cas/sha256").rglob("*") if p.is_file()]
    assert len(blobs) == 10 + 60
    assert all(hashlib.sha256(p.read_bytes()).hexdigest() == p.parent.name + p.name for p in blobs)


def test_killed_in_the_middle_of_a_put_nothing_half_is_there(
    store: DiskBlobs, tmp_path: Path
) -> None:
    script = (
        "import sys, os; from pathlib import Path\n"
        "from headway.adapters.disk import files\n"
        "from headway.adapters.disk.blob_store import DiskBlobs\n"
        "real = os.open\n"
        "def without(path, flags, *rest, **more):\n"
        "    if flags & os.O_TMPFILE == os.O_TMPFILE: raise OSError(95, 'not supported')\n"
        "    return real(path, flags, *rest, **more)\n"
        "if sys.argv[2] == 'hidden': os.open = without\n"
        "class Slow:\n"
        "    def read(self, size):\n"
        "        print('reading', flush=True)\n"
        "        sys.stdin.readline()\n"
        "        return b'x' * size\n"
        "DiskBlobs(Path(sys.argv[1])).put(Slow())\n"
    )
    for kind in ("unnamed", "hidden"):
        argv = [sys.executable, "-c", script, str(tmp_path), kind]
        with subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for _ in range(3):
                assert process.stdout.readline() == "reading\n"
                process.stdin.write("\n")
                process.stdin.flush()
            DiskBlobs(tmp_path)  # another start does not disturb a living writer
            assert len(everything(tmp_path)) == (kind == "hidden")
            process.send_signal(signal.SIGKILL)
            process.wait()
    DiskBlobs(tmp_path)
    assert everything(tmp_path) == []


def test_caches_are_bounded_and_the_least_recently_used_go(tmp_path: Path) -> None:
    store = DiskBlobs(tmp_path, cache_bytes=350_000)
    digests = {}
    for n, name in enumerate(("a", "b", "c")):
        digests[name] = store.put(io.BytesIO(bytes([n]) * 100_000))
        assert store.point("cache/main", name, digests[name])
        for path in (tmp_path / "cas").rglob("*"):
            if path.is_file():
                found = path.stat()
                os.utime(path, (found.st_atime - 100, found.st_mtime - 100))
    store.open(digests["a"]).close()
    digests["d"] = store.put(io.BytesIO(b"d" * 100_000))
    assert store.point("cache/other", "d", digests["d"])
    assert sorted(n for n, _, _ in store.pointed("cache/main", "")) == ["a", "c"]
    with pytest.raises(Invalid):
        store.open(digests["b"])
    store.open(digests["c"]).close()


def test_eviction_spares_what_is_named_elsewhere(tmp_path: Path) -> None:
    store = DiskBlobs(tmp_path, cache_bytes=100)
    shared = store.put(io.BytesIO(b"s" * 90))
    assert store.point("uploads/r", "n", shared)
    assert store.point("cache/main", "old", shared)
    for path in (tmp_path / "cas").rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
    assert store.point("cache/main", "new", store.put(io.BytesIO(b"n" * 90)))
    assert [n for n, _, _ in store.pointed("cache/main", "")] == ["new"]
    store.open(shared).close()
