"""The promises of ports/source_trees, kept by Git."""

import subprocess
from pathlib import Path

import pytest

from headway.adapters.git.source_trees import GitTrees
from headway.model.errors import Invalid


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    for path in ("a/x.py", "a/deep/y.py", "b/x.py", "b/z.txt", "odd [1] ü/f"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (folder / ".gitignore").write_text("out/\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


PATHS = ("", "a", "a/", "a/**", "b/z.txt", "gone", "*/x.py", "**/y.py", "b/*.txt", "**")


def trees(repo: Path, *paths: str, folder: bool = False) -> dict[str, str]:
    sha = git(repo, "rev-parse", "HEAD")
    return GitTrees().trees(str(repo), sha, str(repo) if folder else "", paths or PATHS)


def test_ids_of_a_commit(repo: Path) -> None:
    found = trees(repo)
    assert found[""] == found["**"] == git(repo, "rev-parse", "HEAD^{tree}")
    assert found["a"] == found["a/"] == found["a/**"] == git(repo, "rev-parse", "HEAD:a")
    assert found["gone"] == ""
    assert all(found[path] for path in PATHS if path != "gone")


def test_a_clean_folder_is_its_commit(repo: Path) -> None:
    assert trees(repo, folder=True) == trees(repo)


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("a/x.py", {"", "a", "a/", "a/**", "*/x.py", "**"}),
        ("a/deep/y.py", {"", "a", "a/", "a/**", "**/y.py", "**"}),
        ("b/z.txt", {"", "b/z.txt", "b/*.txt", "**"}),
        ("new", {"", "**"}),
        ("out/new", set()),
    ],
)
def test_what_a_change_of_the_folder_changes(repo: Path, path: str, changed: set[str]) -> None:
    before = trees(repo, folder=True)
    objects = sorted(str(p) for p in (repo / ".git").rglob("*"))
    (repo / path).parent.mkdir(exist_ok=True)
    (repo / path).write_text("changed")
    after = trees(repo, folder=True)
    assert {p for p in PATHS if before[p] != after[p]} == changed
    assert sorted(str(p) for p in (repo / ".git").rglob("*")) == objects
    assert trees(repo) == before


def test_a_mode_is_a_change(repo: Path) -> None:
    before = trees(repo, "a", "*/x.py", folder=True)
    (repo / "a/x.py").chmod(0o755)
    after = trees(repo, "a", "*/x.py", folder=True)
    assert all(before[path] != after[path] for path in before)


def test_a_linked_worktree(repo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(repo, "worktree", "add", "-q", "-b", "side", str(other))
    assert trees(other, "a", "", folder=True) == trees(repo, "a", "")


def test_names_with_odd_letters(repo: Path) -> None:
    assert trees(repo, "odd [1] ü/f")["odd [1] ü/f"]


@pytest.mark.parametrize("path", ["../x", "a/../b", "a//b", "./a", "a\nb", "a\0b"])
def test_paths_that_are_none(repo: Path, path: str) -> None:
    with pytest.raises(Invalid) as caught:
        trees(repo, path)
    assert caught.value.code == "bad-path"


def test_no_repository_and_no_commit(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        GitTrees().trees(str(tmp_path), "f" * 40, "", [""])
    with pytest.raises(Invalid):
        GitTrees().trees(str(repo), "main", "", [""])
    with pytest.raises(Invalid) as caught:
        GitTrees().trees(str(repo), "f" * 40, "", [""])
    assert caught.value.code == "unknown-revision"
