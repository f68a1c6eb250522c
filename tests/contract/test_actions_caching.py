"""actions/cache on a real store: what is found, who may write, and archives that mean harm."""

import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.actions_bench import ActionsBench

from headway.adapters.linux.actions.acting import Acting
from headway.adapters.linux.actions.archive import Packed, unpack
from headway.model.errors import Failed, Refused
from headway.model.job import JobOrder
from headway.pipeline.cache.keys import entry_name
from headway.pipeline.cache.scopes import scopes

CACHE, RESTORE, SAVE = "actions/cache@v4", "actions/cache/restore@v4", "actions/cache/save@v4"


@pytest.fixture
def bench(tmp_path: Path) -> ActionsBench:
    return ActionsBench(tmp_path)


def fill(bench: ActionsBench, key: str = "build", **files: str) -> None:
    for name, text in (files or {"x.txt": "kept"}).items():
        path = bench.work(key) / "deps" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def keep(bench: ActionsBench, key: str, order: JobOrder | None = None, **inputs: str) -> Acting:
    """A green job that fills and saves a cache."""
    acting = bench.use(CACHE, order, path="deps", key=key, **inputs)
    fill(bench, acting.order.key, **{"x.txt": f"of {key}"})
    assert bench.after(acting) == 0
    return acting


def look(bench: ActionsBench, key: str, order: JobOrder | None = None, **inputs: str) -> Acting:
    order = order or bench.order(key="later")
    return bench.use(RESTORE, order, path="deps", key=key, **inputs)


def test_a_miss_is_saved_and_found_by_the_next_run(bench: ActionsBench) -> None:
    first = keep(bench, "npm-1")
    assert first.outputs["cache-hit"] == ""
    found = look(bench, "npm-1", bench.order(run="run2"))
    assert found.outputs["cache-hit"] == "true"
    assert found.outputs["cache-primary-key"] == found.outputs["cache-matched-key"] == "npm-1"
    assert (bench.work(run="run2") / "deps/x.txt").read_text() == "of npm-1"


def test_restore_keys_find_the_newest_that_begins_so(bench: ActionsBench) -> None:
    for number, key in enumerate(("npm-a", "npm-b", "other")):
        keep(bench, key)
        for path in (bench.home / "cas/names").glob("cache*/*"):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10 * (number + 1)))
    found = look(bench, "npm-z", restore_keys="nothing-\nnpm-\n")
    assert found.outputs["cache-hit"] == "false"
    assert found.outputs["cache-matched-key"] == "npm-b"
    assert (bench.work("later") / "deps/x.txt").read_text() == "of npm-b"
    assert look(bench, "npm").outputs["cache-matched-key"] == "npm-b"
    assert look(bench, "npm-a").outputs["cache-hit"] == "true"
    assert look(bench, "zzz").outputs["cache-hit"] == ""


def test_other_paths_are_another_cache(bench: ActionsBench) -> None:
    keep(bench, "k")
    assert bench.use(RESTORE, path="deps\nmore", key="k").outputs["cache-hit"] == ""


def test_an_entry_never_changes(bench: ActionsBench) -> None:
    keep(bench, "k")
    again = bench.use(CACHE, path="deps", key="k")
    fill(bench, **{"x.txt": "changed"})
    bench.after(again)
    fill(bench, **{"x.txt": "changed"})
    bench.use(SAVE, path="deps", key="k")
    assert any("does not change" in line for line in bench.hands.lines)
    look(bench, "k")
    assert (bench.work("later") / "deps/x.txt").read_text() == "of k"


def test_a_red_job_saves_nothing(bench: ActionsBench) -> None:
    acting = bench.use(CACHE, path="deps", key="k")
    fill(bench)
    acting.green = False
    assert bench.after(acting) == 0
    assert look(bench, "k").outputs["cache-hit"] == ""


def test_save_and_restore_alone(bench: ActionsBench) -> None:
    fill(bench, a__b__c="deep", **{".hidden": "too"})
    (bench.work() / "deps/run").write_text("#!")
    (bench.work() / "deps/run").chmod(0o755)
    (bench.work() / "deps/run").touch()
    os.utime(bench.work() / "deps/run", (1000, 1234567))
    (bench.work() / "deps/link").symlink_to("a/b/c")
    (bench.work() / "deps/python").symlink_to("/usr/bin/python3")
    bench.use(SAVE, path="deps\n!deps/x*", key="k")
    bench.use(RESTORE, bench.order(key="later"), path="deps\n!deps/x*", key="k")
    deps = bench.work("later") / "deps"
    assert (deps / "a/b/c").read_text() == "deep"
    assert (deps / ".hidden").read_text() == "too"
    assert (deps / "link").readlink() == Path("a/b/c")
    assert (deps / "python").readlink() == Path("/usr/bin/python3")
    found = (deps / "run").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime) == (0o755, 1234567)


def test_the_home_and_temporary_files_can_be_cached(bench: ActionsBench) -> None:
    acting = bench.acting(SAVE, bench.order())
    home = Path(acting.env["HOME"])
    (home / ".cache/pip").mkdir(parents=True)
    (home / ".cache/pip/w").write_text("wheel")
    (acting.temp / "t").write_text("temp")
    bench.use(SAVE, path=f"~/.cache/pip\n{acting.temp}/t", key="k")
    other = bench.acting(RESTORE, bench.order(key="later"))
    bench.use(RESTORE, bench.order(key="later"), path=f"~/.cache/pip\n{acting.temp}/t", key="k")
    assert (Path(other.env["HOME"]) / ".cache/pip/w").read_text() == "wheel"
    assert (other.temp / "t").read_text() == "temp"


def test_look_only_and_must_be_there(bench: ActionsBench) -> None:
    keep(bench, "k")
    only = look(bench, "k", lookup_only="true")
    assert only.outputs["cache-hit"] == "true"
    assert not (bench.work("later") / "deps").exists()
    with pytest.raises(Failed, match="there is no cache 'gone'"):
        look(bench, "gone", fail_on_cache_miss="true")


@pytest.mark.parametrize("path", ["/etc/passwd", "~/../../..", "deps/../../..", "out/x", "/"])
def test_only_files_of_the_job_are_kept(bench: ActionsBench, path: str) -> None:
    bench.work().mkdir(parents=True)
    (bench.work() / "out").symlink_to("/etc")
    with pytest.raises(Failed) as refused:
        bench.use(SAVE, path=path, key="k")
    assert refused.value.code == "outside"


@pytest.mark.parametrize("key", ["", "a,b", "x" * 513])
def test_what_cannot_be_a_key(bench: ActionsBench, key: str) -> None:
    with pytest.raises(Failed):
        bench.use(RESTORE, path="deps", key=key)


def test_unknown_inputs_are_refused(bench: ActionsBench) -> None:
    with pytest.raises(Refused, match="no input `paths`"):
        bench.use(CACHE, paths="deps", key="k")


def test_nothing_to_keep_is_a_warning(bench: ActionsBench) -> None:
    bench.use(SAVE, path="deps", key="k")
    assert any(line.startswith("::warning::Nothing") for line in bench.hands.lines)


def test_a_damaged_entry_is_a_warning_and_a_miss(bench: ActionsBench) -> None:
    keep(bench, "k")
    for blob in (bench.home / "cas/sha256").glob("*/*"):
        blob.write_bytes(b"damaged")
    found = look(bench, "k")
    assert found.outputs["cache-hit"] == ""
    assert any(line.startswith("::warning::The cache k is not used") for line in bench.hands.lines)
    keep(bench, "k", bench.order(key="other"))
    assert look(bench, "k").outputs["cache-hit"] == "true"


def _branch(name: str) -> Callable[[ActionsBench], JobOrder]:
    return lambda bench: bench.order(ref=f"refs/heads/{name}")


def _request(number: int, **fields: Any) -> Callable[[ActionsBench], JobOrder]:
    event = {"number": number, "repository": {"default_branch": "main"}}
    github = {"event_name": "pull_request", "base_ref": "main", "event": event}
    ref = f"refs/pull/{number}/merge"
    return lambda bench: bench.order(ref=ref, contexts={"github": github}, **fields)


@pytest.mark.parametrize(
    ("writer", "reader", "found"),
    [
        (_branch("main"), _branch("main"), True),
        (_branch("main"), _branch("topic"), True),
        (_branch("main"), _request(1), True),
        (_branch("main"), _request(1, trusted=False), True),
        (_branch("topic"), _branch("topic"), True),
        (_branch("topic"), _branch("main"), False),
        (_branch("topic"), _branch("other"), False),
        (_request(1), _request(1), True),
        (_request(1), _request(2), False),
        (_request(1), _branch("main"), False),
        (_request(1, trusted=False), _branch("main"), False),
        (_request(1, trusted=False), _request(1), False),
        (_request(1, trusted=False), _request(1, trusted=False), True),
        (_request(1, trusted=False), _request(2, trusted=False), False),
    ],
)
@pytest.mark.seed("S-013")
def test_who_reads_what_whom_wrote(
    bench: ActionsBench,
    writer: Callable[[ActionsBench], JobOrder],
    reader: Callable[[ActionsBench], JobOrder],
    found: bool,
) -> None:
    keep(bench, "k", writer(bench))
    hit = look(bench, "k", replace(reader(bench), key="later")).outputs["cache-hit"]
    assert hit == ("true" if found else "")


def test_a_fork_that_calls_its_branch_main_writes_nothing_shared(bench: ActionsBench) -> None:
    keep(bench, "k", bench.order(trusted=False))
    assert look(bench, "k", bench.order(key="later")).outputs["cache-hit"] == ""
    target = {"event_name": "pull_request_target", "event": {"number": 3}}
    keep(bench, "t", bench.order(contexts={"github": target}))
    assert look(bench, "t", bench.order(key="later")).outputs["cache-hit"] == ""


def drain(packed: Packed) -> None:
    while packed.read(100_000):
        pass


def archive(*members: tuple[str, dict[str, Any], bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, fields, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content))
    out.seek(0)
    return out


HOSTILE = {
    "parent": [("0/../../evil", {}, b"x")],
    "absolute": [("/evil", {}, b"x")],
    "no number": [("evil", {}, b"x")],
    "other number": [("7/evil", {}, b"x")],
    "empty part": [("0//evil", {}, b"x")],
    "dot": [("0/.", {}, b"x")],
    "through a link": [
        ("0/out", {"type": tarfile.SYMTYPE, "linkname": ".."}, b""),
        ("0/out/evil", {}, b"x"),
    ],
    "device": [("0/evil", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, b"")],
    "fifo": [("0/evil", {"type": tarfile.FIFOTYPE}, b"")],
    "hard link": [("0/evil", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}, b"")],
    "huge header": [("0/evil", {"pax_headers": {"comment": "x" * (2 << 20)}}, b"x")],
    "a folder's place": [("0/sub", {}, b"x")],
    "block device": [("0/evil", {"type": tarfile.BLKTYPE}, b"")],
    "sparse": [("0/evil", {"type": tarfile.GNUTYPE_SPARSE}, b"")],
    "sparse by pax": [
        (
            "0/evil",
            {"pax_headers": {"GNU.sparse.map": "0,0", "GNU.sparse.size": "1" + 12 * "0"}},
            b"",
        )
    ],
    "a link through another one": [
        ("0/up", {"type": tarfile.SYMTYPE, "linkname": "../.."}, b""),
        ("0/up/evil", {"type": tarfile.SYMTYPE, "linkname": "/etc"}, b""),
    ],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_write_nothing_outside(tmp_path: Path, kind: str) -> None:
    top = tmp_path / "a/b/top"
    (top / "sub").mkdir(parents=True)
    with pytest.raises(Failed) as refused:
        unpack(archive(*HOSTILE[kind]), (top, top))
    assert refused.value.code == "hostile-archive"
    outside = [p for p in tmp_path.rglob("*") if not p.is_relative_to(top) and not p.is_dir()]
    assert outside == []


def test_a_name_twice_is_written_twice_and_never_through_a_link(tmp_path: Path) -> None:
    top, outside = tmp_path / "top", tmp_path / "outside"
    top.mkdir()
    outside.write_text("kept")
    link = ("0/a", {"type": tarfile.SYMTYPE, "linkname": "../outside"}, b"")
    unpack(archive(("0/a", {}, b"1"), link, ("0/a", {}, b"2")), (top,))
    assert (top / "a").read_bytes() == b"2"
    assert not (top / "a").is_symlink()
    assert outside.read_text() == "kept"


def test_more_members_than_a_cache_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.adapters.linux.actions.archive.MAX_FILES", 100)
    with pytest.raises(Failed, match="more files or bytes"):
        unpack(archive(*((f"0/{n}", {}, b"") for n in range(101))), (tmp_path,))


@pytest.mark.parametrize(
    "data", [b"", b"not gzip", gzip.compress(b"no tar" * 200)], ids=["empty", "plain", "no tar"]
)
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Failed):
        unpack(io.BytesIO(data), (tmp_path,))


def test_a_cut_archive_is_found(tmp_path: Path) -> None:
    whole = archive(("0/a", {}, os.urandom(100_000))).getvalue()
    with pytest.raises(Failed):
        unpack(io.BytesIO(whole[: len(whole) // 2]), (tmp_path,))


def test_special_bits_stay_behind(tmp_path: Path) -> None:
    unpack(archive(("0/a", {"mode": 0o6755}, b"x")), (tmp_path,))
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755


def test_more_than_a_cache_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.adapters.linux.actions.archive.MAX_BYTES", 1000)
    with pytest.raises(Failed, match="more files or bytes"):
        unpack(archive(("0/a", {}, b"x" * 600), ("0/b", {}, b"x" * 600)), (tmp_path,))
    (tmp_path / "big").write_bytes(bytes(2000))
    with Packed([tmp_path / "big"], (tmp_path,)) as packed, pytest.raises(Failed, match="GiB"):
        drain(packed)


def test_a_reader_that_gives_up_ends_the_maker(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(3_000_000))
    packed = Packed([tmp_path / "big"], (tmp_path,))
    assert packed.read(10)
    packed.close()
    assert not packed._maker.is_alive()


def test_what_vanishes_or_becomes_a_link_meanwhile_is_no_way_out(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (top / "link").symlink_to(tmp_path)
    files = [top / "gone", top / "link/secret"]
    with Packed(files, (top,)) as packed, pytest.raises(Failed) as refused:
        drain(packed)
    assert refused.value.code == "changed"


def test_names_differ_by_paths_and_keys(bench: ActionsBench) -> None:
    assert len({entry_name(p, k) for p in (["a"], ["a", "b"], ["b"]) for k in ("1", "2")}) == 6
    assert scopes(bench.order()).write.startswith("cache/")
