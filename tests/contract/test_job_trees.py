"""Folders that steps fill to harm whoever looks through them or removes them."""

import os
from pathlib import Path

from tests.contract.job_runs import Seen, order, runner_in, short_home

from headway.adapters.linux.trees import remove, walk
from headway.model.job import StepSpec

DEEP = (
    'python3 -c \'import os\nfor n in range(1050): os.mkdir("d"); os.chdir("d")\n'
    'open("x", "w"); os.symlink("/etc", "up")\''
)


def test_a_tree_that_is_deeper_than_recursion_goes() -> None:
    """Through whole jobs: looked through, kept, removed for a new attempt and after a green one."""
    look = "test -n \"${{ hashFiles('**/x') }}\""
    keep = (
        StepSpec("up", uses="actions/upload-artifact@v4", inputs={"path": "**/x"}),
        StepSpec("c", uses="actions/cache/save@v4", inputs={"key": "k", "path": "d"}),
    )
    with short_home() as home:
        made = runner_in(home)
        report = made.run(order("deep", DEEP, look, *keep, "false"), {}, Seen())
        assert [s.outcome for s in report.steps[:4]] == ["success"] * 4, report.steps
        again = made.run(order("deep", f"test ! -e d; {DEEP}", attempt=2), {}, Seen())
        assert again.outcome == "success"
        made.close()
        assert list((home / "runs/.trash").iterdir()) == []
        remove(home)  # the upload is as deep, and no test's folder would go by itself
        home.mkdir()


def test_paths_that_no_call_takes_are_one_error_and_go_too(tmp_path: Path) -> None:
    top, here = tmp_path / "top", os.open(".", os.O_RDONLY)
    top.mkdir()
    os.chdir(top)
    try:
        for _ in range(30):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
    finally:
        os.fchdir(here)
        os.close(here)
    try:
        list(walk(str(top)))
    except OSError as error:
        assert error.strerror == "File name too long"  # noqa: PT017 - both ways are right
    remove(top)
    assert not top.exists()


def test_only_the_tree_goes(tmp_path: Path) -> None:
    top, kept = tmp_path / "top", tmp_path / "kept"
    (top / "a/b").mkdir(parents=True)
    kept.mkdir()
    (kept / "file").write_text("x")
    (top / "a/link").symlink_to(kept)
    (top / "a/b/file").write_text("x")
    os.mkfifo(top / "a/pipe")
    (top / "a/b").chmod(0)
    assert sorted(e.name for _, entries in walk(str(top)) for e in entries if e.name != "file") == [
        "link",
        "pipe",
    ]
    remove(top)
    remove(top)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    (tmp_path / "link").symlink_to(kept)
    remove(tmp_path / "link")
    assert (kept / "file").exists()
