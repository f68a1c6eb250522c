"""upload-artifact and download-artifact as their documentation has them, on a real store."""

import io
import os
import shutil
from pathlib import Path

import pytest
from tests.support.actions_bench import ActionsBench

from headway.model.errors import Failed, Refused

UP, DOWN = "actions/upload-artifact@v4", "actions/download-artifact@v4"


@pytest.fixture
def bench(tmp_path: Path) -> ActionsBench:
    made = ActionsBench(tmp_path)
    work = made.work()
    for name in ("dist/a.whl", "dist/sub/b.whl", "dist/.env", "docs/x.md", "top.txt"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    (work / "dist/run.sh").write_text("#!/bin/sh\n")
    (work / "dist/run.sh").chmod(0o755)
    return made


def shape(folder: str | Path) -> list[str]:
    top = Path(folder)
    return sorted(str(p.relative_to(top)) for p in top.rglob("*") if not p.is_dir())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("dist", ["a.whl", "run.sh", "sub/b.whl"]),
        ("dist/", ["a.whl", "run.sh", "sub/b.whl"]),
        ("./dist/*.whl", ["a.whl"]),
        ("dist/**/*.whl", ["a.whl", "sub/b.whl"]),
        ("dist/**", ["a.whl", "run.sh", "sub/b.whl"]),
        ("**/*.md", ["docs/x.md"]),
        ("dist\n!dist/sub", ["a.whl", "run.sh"]),
        ("dist\n!dist/**/*.whl", ["run.sh"]),
        ("dist\n!**/*.whl\ndist/a.whl", ["a.whl", "run.sh"]),
        ("dist\ndocs", ["dist/a.whl", "dist/run.sh", "dist/sub/b.whl", "docs/x.md"]),
        ("top.txt", ["top.txt"]),
        ("dist/a.whl", ["a.whl"]),
        ("# all\ndist/?.whl\n\n", ["a.whl"]),
        ("dist/[ab].whl", ["a.whl"]),
    ],
)
def test_paths_and_roots(bench: ActionsBench, path: str, expected: list[str]) -> None:
    (upload,) = bench.use(UP, name="app", path=path).uploads
    assert shape(upload.path) == expected


def test_hidden_files_stay_behind_unless_asked_for(bench: ActionsBench) -> None:
    left = bench.use(UP, name="a", path="dist")
    assert ".env" not in shape(left.uploads[0].path)
    assert any("1 hidden files left out" in line for line in bench.hands.lines)
    took = bench.use(UP, name="c", path="dist", include_hidden_files="true")
    assert ".env" in shape(took.uploads[0].path)


def test_outputs_and_digest_are_of_the_content(bench: ActionsBench) -> None:
    one = bench.use(UP, name="one", path="dist")
    two = bench.use(UP, name="two", path="dist")
    assert one.uploads[0].digest == two.uploads[0].digest
    assert one.outputs["artifact-digest"] == one.uploads[0].digest.removeprefix("sha256:")
    assert one.outputs["artifact-id"].isdigit()
    (bench.work() / "dist/a.whl").write_text("other")
    assert bench.use(UP, name="three", path="dist").uploads[0].digest != one.uploads[0].digest


def test_plain_files_are_shared_with_the_store_not_copied(bench: ActionsBench) -> None:
    folder = Path(bench.use(UP, name="app", path="dist").uploads[0].path)
    assert (folder / "a.whl").stat().st_nlink == 2
    assert (folder / "a.whl").stat().st_mode & 0o777 == 0o644
    assert (folder / "run.sh").stat().st_mode & 0o777 == 0o755
    again = Path(bench.use(UP, name="again", path="dist").uploads[0].path)
    assert (folder / "a.whl").samefile(again / "a.whl")


def test_a_downloaded_file_can_be_changed_without_harm(bench: ActionsBench) -> None:
    upload = bench.use(UP, name="app", path="dist").uploads[0]
    other = bench.order(key="test")
    bench.use(DOWN, other, name="app", path="got")
    got = bench.work("test") / "got"
    assert shape(got) == ["a.whl", "run.sh", "sub/b.whl"]
    assert os.access(got / "run.sh", os.X_OK)
    (got / "a.whl").write_text("changed in place")
    assert (Path(upload.path) / "a.whl").read_text() == "dist/a.whl"


def test_download_of_all_by_pattern_and_merged(bench: ActionsBench) -> None:
    bench.use(UP, name="dist-linux", path="dist/a.whl")
    bench.use(UP, name="dist-mac", path="docs/x.md")
    bench.use(UP, name="logs", path="top.txt")
    order = bench.order(key="test")
    work = bench.work("test")
    everything = bench.use(DOWN, order, path="all")
    assert shape(work / "all") == ["dist-linux/a.whl", "dist-mac/x.md", "logs/top.txt"]
    assert everything.outputs["download-path"] == str(work / "all")
    bench.use(DOWN, order, path="p", pattern="dist-*", merge_multiple="true")
    assert shape(work / "p") == ["a.whl", "x.md"]
    bench.use(DOWN, order, path="n", pattern="!dist-*")
    assert shape(work / "n") == ["logs/top.txt"]
    bench.use(DOWN, order, path="b", pattern="dist-{mac,none}")
    assert shape(work / "b") == ["dist-mac/x.md"]
    bench.use(DOWN, order, path="none", pattern="zzz")
    assert shape(work / "none") == []


def test_by_id(bench: ActionsBench) -> None:
    number = bench.use(UP, name="app", path="top.txt").outputs["artifact-id"]
    bench.use(DOWN, bench.order(key="t"), path="x", artifact_ids=number)
    assert shape(bench.work("t") / "x") == ["top.txt"]
    with pytest.raises(Failed):
        bench.use(DOWN, bench.order(key="t"), artifact_ids="12")


def test_a_name_belongs_to_one_step_of_a_run(bench: ActionsBench) -> None:
    bench.use(UP, name="app", path="top.txt")
    other = bench.order(key="other")
    (bench.work("other")).mkdir(parents=True)
    (bench.work("other") / "o.txt").write_text("o")
    with pytest.raises(Failed, match="'build' has uploaded 'app' already"):
        bench.use(UP, other, name="app", path="o.txt")
    replaced = bench.use(UP, other, name="app", path="o.txt", overwrite="true").uploads[0]
    assert shape(replaced.path) == ["o.txt"]
    bench.use(DOWN, bench.order(key="t"), name="app", path="x")
    assert shape(bench.work("t") / "x") == ["o.txt"]


def test_a_repeated_job_replaces_its_own_and_a_crashed_step_does_it_again(
    bench: ActionsBench,
) -> None:
    first = bench.use(UP, name="app", path="top.txt").uploads[0]
    assert bench.use(UP, name="app", path="top.txt").uploads == [first]
    (bench.work() / "top.txt").write_text("second")
    second = bench.use(UP, bench.order(attempt=2), name="app", path="top.txt").uploads[0]
    assert second.digest != first.digest
    assert (Path(second.path) / "top.txt").read_text() == "second"
    bench.use(DOWN, bench.order(key="t"), name="app")
    assert (bench.work("t") / "top.txt").read_text() == "second"
    (bench.work() / "top.txt").write_text("top.txt")
    third = bench.use(UP, bench.order(attempt=3), name="app", path="top.txt").uploads[0]
    bench.use(DOWN, bench.order(key="u"), name="app")
    assert third.digest == first.digest
    assert (bench.work("u") / "top.txt").read_text() == "top.txt"


def test_runs_do_not_see_each_other(bench: ActionsBench) -> None:
    bench.use(UP, name="app", path="top.txt")
    with pytest.raises(Failed, match="no job of this run has uploaded 'app'"):
        bench.use(DOWN, bench.order(run="run2"), name="app")


def test_an_upload_is_kept_by_digest_not_by_its_folder(bench: ActionsBench) -> None:
    upload = bench.use(UP, name="app", path="dist").uploads[0]
    shutil.rmtree(bench.home / "runs/run1/uploads")
    assert bench.blobs.point("uploads/run2", "app", upload.digest)
    bench.use(DOWN, bench.order(run="run2"), name="app")
    assert shape(bench.work(run="run2")) == ["a.whl", "run.sh", "sub/b.whl"]


def test_nothing_found(bench: ActionsBench) -> None:
    assert bench.use(UP, path="none").uploads == []
    assert any(line.startswith("::warning::No files were found") for line in bench.hands.lines)
    bench.hands.lines.clear()
    assert bench.use(UP, path="none", if_no_files_found="ignore").uploads == []
    assert bench.hands.lines == []
    with pytest.raises(Failed, match="nothing was found"):
        bench.use(UP, path="none", if_no_files_found="error")
    with pytest.raises(Failed, match="none of warn, error, ignore"):
        bench.use(UP, path="none", if_no_files_found="explode")


@pytest.mark.parametrize(
    "path", ["/etc", "../..", "out", "out/passwd", "~/../..", "dist/../../x", "a\0b"]
)
def test_only_the_workspace_is_uploaded(bench: ActionsBench, path: str) -> None:
    (bench.work() / "out").symlink_to("/etc")
    with pytest.raises(Failed) as refused:
        bench.use(UP, path=path, if_no_files_found="error")
    assert refused.value.code in {"outside", "bad-path"}
    assert not (bench.home / "runs/run1/uploads").exists()


@pytest.mark.parametrize("kind", ["absolute", "relative", "loop", "fifo"])
def test_hostile_files_are_refused_and_leave_nothing(bench: ActionsBench, kind: str) -> None:
    evil = bench.work() / "dist/zz"
    if kind == "fifo":
        os.mkfifo(evil)
    else:
        evil.symlink_to({"absolute": "/etc/passwd", "relative": "../../../x", "loop": "zz"}[kind])
    with pytest.raises(Failed) as refused:
        bench.use(UP, name="app", path="dist")
    assert refused.value.code == "hostile-upload"
    assert not (bench.home / "runs/run1/uploads").exists()
    with pytest.raises(Failed):
        bench.use(DOWN, bench.order(key="t"), name="app")


def test_inner_links_stay_links(bench: ActionsBench) -> None:
    (bench.work() / "dist/link").symlink_to("sub/b.whl")
    bench.use(UP, name="app", path="dist")
    bench.use(DOWN, bench.order(key="t"), name="app")
    assert (bench.work("t") / "link").readlink() == Path("sub/b.whl")


@pytest.mark.parametrize("link", ["folder", "file"])
def test_a_download_never_writes_through_a_link(
    bench: ActionsBench, tmp_path: Path, link: str
) -> None:
    bench.use(UP, name="app", path="dist")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.whl").write_text("mine")
    work = bench.work("t")
    work.mkdir(parents=True)
    if link == "folder":
        (work / "sub").symlink_to(outside)
        with pytest.raises(Failed):
            bench.use(DOWN, bench.order(key="t"), name="app")
    else:
        (work / "a.whl").symlink_to(outside / "a.whl")
        bench.use(DOWN, bench.order(key="t"), name="app")
        assert (work / "a.whl").read_text() == "dist/a.whl"
    assert sorted(p.name for p in outside.iterdir()) == ["a.whl"]
    assert (outside / "a.whl").read_text() == "mine"


@pytest.mark.parametrize("path", ["..", "/tmp", "out/x"])
def test_a_download_stays_in_the_workspace(bench: ActionsBench, path: str) -> None:
    bench.use(UP, name="app", path="dist")
    work = bench.work("t")
    work.mkdir(parents=True)
    (work / "out").symlink_to("/tmp")
    with pytest.raises(Failed) as refused:
        bench.use(DOWN, bench.order(key="t"), name="app", path=path)
    assert refused.value.code == "outside"


@pytest.mark.parametrize(
    "name", ["../x", "a/b", ".hidden", "a\nb", "x" * 300, "a:b", "a*", "a\0b", "..", 'a"b']
)
def test_names_are_plain(bench: ActionsBench, name: str) -> None:
    with pytest.raises(Failed) as refused:
        bench.use(UP, name=name, path="dist")
    assert refused.value.code == "bad-name"


def test_unknown_inputs_are_refused_before_the_job(bench: ActionsBench) -> None:
    with pytest.raises(Refused, match="no input `files`"):
        bench.use(UP, files="dist")
    with pytest.raises(Refused, match="`repository: a/b`"):
        bench.use(DOWN, repository="a/b")


def test_a_damaged_blob_is_never_passed_on(bench: ActionsBench) -> None:
    folder = Path(bench.use(UP, name="app", path="dist").uploads[0].path)
    (folder / "a.whl").write_text("tampered with")  # the same file as the blob
    with pytest.raises(Failed) as found:
        bench.use(DOWN, bench.order(key="t"), name="app")
    assert found.value.code == "damaged"


@pytest.mark.parametrize(
    "rows",
    [
        '[{"path":"../x","link":"a"}]',
        '[{"path":"/x","link":"a"}]',
        '[{"link":"/etc/passwd","path":"x"}]',
        '[{"link":"..","path":"x"}]',
        '[{"path":"x"}]',
        "{}",
        "nonsense",
        '[ {"link":"a","path":"x"} ]',
    ],
)
def test_a_hostile_list_is_refused(bench: ActionsBench, rows: str) -> None:
    digest = bench.blobs.put(io.BytesIO(rows.encode()))
    assert bench.blobs.point("uploads/run1", "app", digest)
    with pytest.raises(Failed) as refused:
        bench.use(DOWN, name="app", path="new")
    assert refused.value.code == "hostile-upload"
    assert shape(bench.work() / "new") == []
