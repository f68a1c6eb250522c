"""Several writers, sudden death and a full disk: the store is whole afterwards."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
from tests.contract.oci_layouts import (
    STATEMENT,
    blob,
    child,
    ends,
    error,
    files_of,
    go,
    layout_of,
    statement,
    write_app,
)

from headway.adapters.oci import unpacking
from headway.adapters.oci.artifact_store import OciLayout
from headway.artifact import manifest
from headway.artifact.manifest import Descriptor
from headway.artifact.members import Limits
from headway.model.errors import Failed, Refused

Result = TypeVar("Result")


@pytest.fixture
def store(tmp_path: Path) -> OciLayout:
    return OciLayout(tmp_path / "store")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return write_app(tmp_path / "app")


def test_several_processes_pack_and_attach_at_once_and_nothing_is_lost(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    code = """for i in range(6):
        digest = store.pack(sys.argv[2], {"n": str(i % 3)}).digest
        store.attach(digest, Envelope("t", f"{i} {sys.argv[3]}".encode(), ()))"""
    assert ends([child(code, tmp_path / "store", app, n) for n in range(4)]) == [0] * 4
    digests = [stored.artifact.digest for stored in store.list()]
    assert len(digests) == 3
    for digest in digests:
        store.verify(digest)
    assert not list((tmp_path / "store" / ".incoming").iterdir())
    index = json.loads((tmp_path / "store" / "index.json").read_bytes())
    assert len(index["manifests"]) == 3 + 24 + 3  # artifacts, statements, referrers tags


def test_killed_while_packing_leaves_the_layout_whole_and_the_next_call_cleans_up(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    packed = store.pack(str(app), {})
    root = tmp_path / "store"
    before = layout_of(root)
    big = tmp_path / "big"
    big.mkdir()
    with (big / "data").open("wb") as data:
        data.truncate(2 << 30)
    process = child("store.pack(sys.argv[2], {})", root, big)
    try:
        go([process])
        while not any(p.stat().st_size > 1 << 20 for p in _sizes(root / ".incoming")):
            assert process.poll() is None, "it ended before it could be killed"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert list((root / ".incoming").iterdir())
    assert store.verify(packed.digest) == packed
    assert store.pack(str(app), {}) == packed
    assert layout_of(root) == before


def _sizes(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return [path for path in folder.iterdir() if path.exists()]
    return []


_TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink"}


def _killed_at(point: int, call: Callable[[], object]) -> bool:
    """Do it in a process that is killed right before it touches the disk for the nth time.

    False: it was finished before that.
    """
    process = os.fork()
    if process == 0:
        left = point

        def count(event: str, _: object) -> None:
            nonlocal left
            if event in _TOUCHES:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        status = 1
        try:
            sys.addaudithook(count)
            call()
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert status in {0, -signal.SIGKILL}
    return status != 0


def _kill_sweep(call: Callable[[], object], check: Callable[[], object]) -> int:
    """Kill `call` at every point, `check` after each; the number of points."""
    point = 0
    while _killed_at(point, call):
        check()
        point += 1
    check()
    return point


def test_killed_at_every_touch_of_the_disk_the_store_stays_whole(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    """Killed again and again, each time one touch later, on what the last attempt left behind."""
    first = store.pack(str(app), {})
    store.attach(first.digest, statement(1))
    root = tmp_path / "store"

    def whole() -> None:
        assert store.verify(first.digest) == first
        assert statement(1) in store.attached(first.digest)
        for stored in store.list():
            assert store.verify(stored.artifact.digest) == stored.artifact
            assert all(store.resolve(tag) == stored.artifact.digest for tag in stored.tags)

    (app / "run").write_text("next")
    points = _kill_sweep(lambda: store.pack(str(app), {}), whole)
    points += _kill_sweep(lambda: store.attach(first.digest, statement(2)), whole)
    points += _kill_sweep(lambda: store.tag("shop-1", first.digest), whole)
    assert points >= 40
    assert store.attached(first.digest) == (statement(1), statement(2))
    assert store.resolve("shop-1") == first.digest
    assert len(store.list()) == 2
    assert not list((root / ".incoming").iterdir())


def test_killed_at_every_touch_of_the_disk_a_tree_is_whole_or_absent(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    """First into nothing, then in the place of another artifact's tree."""
    tree = tmp_path / "out" / "tree"
    old = files_of(app)
    first = store.pack(str(app), {}).digest
    (app / "run").write_text("next")
    (app / "none").unlink()
    new = files_of(app)
    second = store.pack(str(app), {}).digest

    def whole() -> None:
        assert not tree.exists() or files_of(tree) in (old, new)

    points = _kill_sweep(lambda: store.unpack(first, str(tree)), whole)
    assert files_of(tree) == old
    points += _kill_sweep(lambda: store.unpack(second, str(tree)), whole)
    assert files_of(tree) == new
    assert points >= 40
    assert len(list(tree.parent.iterdir())) == 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 512 KiB; only root may make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here: not root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def _fill(disk: Path, left: int) -> None:
    """Leave `left` bytes free on the disk."""
    free = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - left)))


def _unless_full(call: Callable[[], Result]) -> Result | None:
    """What the call gives, or None if the disk was full."""
    try:
        return call()
    except Failed as full:
        if full.code != "storage-full":
            raise
        return None


def test_wherever_the_disk_is_full_nothing_is_half_stored(
    small_disk: Path, app: Path, tmp_path: Path
) -> None:
    """A true ENOSPC at each page of what is written: layer, config, manifest, index."""
    store = OciLayout(small_disk / "store")
    first = store.pack(str(app), {})
    store.attach(first.digest, STATEMENT)
    (app / "more").write_bytes(os.urandom(20_000))
    before = layout_of(small_disk / "store")
    failed = 0
    for pages in range(40):
        _fill(small_disk, pages * 4096)
        if (stored := _unless_full(lambda: store.pack(str(app), {}))) is not None:
            break
        failed += 1
        assert layout_of(small_disk / "store") == before
        (small_disk / "filler").unlink()
    assert failed >= 7
    assert stored
    assert store.verify(stored.digest) == stored
    assert store.verify(first.digest) == first


def test_wherever_the_disk_is_full_no_statement_is_half_attached(
    small_disk: Path, app: Path
) -> None:
    store = OciLayout(small_disk / "store")
    digest = store.pack(str(app), {}).digest
    store.attach(digest, statement(1))
    before = layout_of(small_disk / "store")
    failed = 0
    for pages in range(20):
        _fill(small_disk, pages * 4096)
        if _unless_full(lambda: store.attach(digest, statement(2))) is not None:
            break
        failed += 1
        assert layout_of(small_disk / "store") == before
        (small_disk / "filler").unlink()
    assert failed >= 3
    assert store.attached(digest) == (statement(1), statement(2))


def test_unpacking_to_a_full_disk_leaves_nothing(
    small_disk: Path, app: Path, tmp_path: Path
) -> None:
    store = OciLayout(tmp_path / "store")
    (app / "large").write_bytes(bytes(600_000))
    digest = store.pack(str(app), {}).digest
    error(Failed, "storage-full", lambda: store.unpack(digest, str(small_disk / "tree")))
    assert [path.name for path in small_disk.iterdir()] == ["tree.lock"]
    (app / "large").unlink()
    digest = store.pack(str(app), {}).digest
    store.unpack(digest, str(small_disk / "tree"))
    assert files_of(small_disk / "tree") == files_of(app)


def test_a_file_size_limit_is_a_full_disk_too(store: OciLayout, app: Path, tmp_path: Path) -> None:
    """For those who are not root: the kernel's own EFBIG while the layer is written."""
    packed = store.pack(str(app), {})
    (app / "large").write_bytes(bytes(300_000))
    before = layout_of(tmp_path / "store")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from headway.adapters.oci.artifact_store import OciLayout\n"
        "from headway.model.errors import Failed\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n    OciLayout(Path(sys.argv[1])).pack(sys.argv[2], {})\n"
        "except Failed as full:\n    print(full.code)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "store"), str(app)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "storage-full\n"
    assert layout_of(tmp_path / "store") == before
    assert store.verify(packed.digest) == packed


def test_a_store_that_cannot_be_made_is_one_clear_error(app: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    error(Failed, "storage", lambda: OciLayout(tmp_path / "store").pack(str(app), {}))


def test_a_failure_between_two_blobs_takes_the_first_one_back(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    packed = OciLayout(tmp_path / "other").pack(str(app), {})
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / "file").write_text("known")
    store.pack(str(tmp_path / "known"), {})
    blob(tmp_path / "store", packed.digest).mkdir()  # its manifest cannot be put in its place
    before = layout_of(tmp_path / "store")
    error(Failed, "storage", lambda: store.pack(str(app), {}))
    assert layout_of(tmp_path / "store") == before


def test_an_archive_that_changes_between_check_and_unpacking_is_refused(
    store: OciLayout, app: Path, tmp_path: Path
) -> None:
    """Verified first, hashed again while it is unpacked: what was checked is what is written."""
    packed = store.pack(str(app), {})
    layers = {p.stat().st_size: p for p in (tmp_path / "store" / "blobs" / "sha256").iterdir()}
    layer = layers[max(layers)]
    changed = tmp_path / "changed"
    changed.write_bytes(layer.read_bytes().replace(b"#!/bin/sh", b"#!/bin/zh"))
    named = Descriptor(manifest.TAR, f"sha256:{layer.name}", layer.stat().st_size)
    archive = unpacking.Archive(
        packed.digest, named, packed.size_bytes, Limits(), lambda: changed.open("rb")
    )
    error(Refused, "tampered", lambda: unpacking.ensure(archive, tmp_path / "out" / "tree"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tree.lock"]


def test_bytes_read_are_bounded_by_what_the_manifest_says(tmp_path: Path) -> None:
    """A manifest longer than any real one is not taken into memory whole, and is refused."""
    root = tmp_path / "store" / "blobs" / "sha256"
    root.mkdir(parents=True)
    huge = b" " * (2 << 20)
    (root / hashlib.sha256(huge).hexdigest()).write_bytes(huge)
    error(
        Refused,
        "tampered",
        lambda: OciLayout(tmp_path / "store").verify(manifest.digest_of(huge)),
    )
