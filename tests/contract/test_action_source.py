"""What every ActionSource promises: real git, a folder of mirrors and an address."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.adapters.git.actions import GitActions
from headway.model.errors import HeadwayError, Invalid, Refused, Unreachable


def git(folder: Path, *arguments: str) -> str:
    named = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *named, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """tools/greet: v1 (annotated), main one further."""
    folder = tmp_path / "mirrors/tools/greet"
    (folder / "sub").mkdir(parents=True)
    (folder / "action.yml").write_text("name: greet\n")
    (folder / "sub/run.sh").write_text("#!/bin/sh\necho hello\n")
    (folder / "sub/run.sh").chmod(0o755)
    (folder / "link").symlink_to("sub/run.sh")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "tag", "-a", "v1", "-m", "first")
    (folder / "action.yml").write_text("name: greet\ndescription: two\n")
    git(folder, "commit", "-q", "-am", "two")
    git(folder, "branch", "feature/x")
    return folder


@pytest.fixture(params=["folder", "address"])
def actions(request: pytest.FixtureRequest, mirror: Path, tmp_path: Path) -> GitActions:
    base = mirror.parent.parent
    return GitActions(
        tmp_path / "home", str(base) if request.param == "folder" else f"file://{base}"
    )


@pytest.fixture(autouse=True)
def writable_afterwards(tmp_path: Path) -> Iterator[None]:
    yield
    for parent, _, _ in os.walk(tmp_path):
        Path(parent).chmod(0o755)


def test_tags_branches_and_commits_mean_a_commit(actions: GitActions, mirror: Path) -> None:
    first, second = git(mirror, "rev-parse", "v1^{commit}"), git(mirror, "rev-parse", "main")
    assert actions.resolve("tools/greet", "v1") == first
    assert actions.resolve("tools/greet", "main") == second
    assert actions.resolve("tools/greet", "feature/x") == second
    assert actions.resolve("tools/greet", "HEAD") == second
    assert actions.resolve("tools/greet", first) == first


def test_the_files_are_those_of_the_commit_and_read_only(actions: GitActions, mirror: Path) -> None:
    folder = Path(actions.fetch("tools/greet", actions.resolve("tools/greet", "v1")))
    assert (folder / "action.yml").read_text() == "name: greet\n"
    assert (folder / "link").readlink() == Path("sub/run.sh")
    assert (folder / "sub/run.sh").stat().st_mode & 0o777 == 0o555
    assert (folder / "action.yml").stat().st_mode & 0o777 == 0o444
    assert not (folder / ".git").exists()


def test_a_moved_tag_is_another_commit_and_the_old_one_is_still_there(
    actions: GitActions, mirror: Path
) -> None:
    before = actions.resolve("tools/greet", "v1")
    git(mirror, "tag", "-f", "-a", "v1", "-m", "moved", "main")
    assert actions.resolve("tools/greet", "v1") != before
    folder = Path(actions.fetch("tools/greet", before))
    assert (folder / "action.yml").read_text() == "name: greet\n"


def test_what_was_fetched_needs_no_base_again(actions: GitActions, mirror: Path) -> None:
    sha = actions.resolve("tools/greet", "v1")
    first = actions.fetch("tools/greet", sha)
    shutil.rmtree(mirror)
    assert actions.fetch("tools/greet", sha) == first


@pytest.mark.parametrize("how", ["content", "mode", "more", "link"])
def test_changed_files_are_found_and_fetched_anew(
    actions: GitActions, mirror: Path, tmp_path: Path, how: str
) -> None:
    sha = actions.resolve("tools/greet", "v1")
    folder = Path(actions.fetch("tools/greet", sha))
    folder.chmod(0o755)
    if how == "content":
        (folder / "action.yml").chmod(0o644)
        (folder / "action.yml").write_text("name: evil\n")
    elif how == "mode":
        (folder / "action.yml").chmod(0o755)
    elif how == "more":
        (folder / "index.js").write_text("evil")
    else:
        (folder / "link").unlink()
        (folder / "link").symlink_to("/etc/passwd")
    again = Path(actions.fetch("tools/greet", sha))
    assert (again / "action.yml").read_text() == "name: greet\n"
    assert sorted(p.name for p in again.iterdir()) == ["action.yml", "link", "sub"]
    assert (again / "link").readlink() == Path("sub/run.sh")
    assert len(list((tmp_path / "home/actions/damaged").iterdir())) == 1


@pytest.mark.parametrize(
    "name",
    [
        *("", "greet", "../greet", "tools/..", "tools/greet/x", "-x/y", "a b/c", "a/b;c"),
        *("tools/greet.git", "file:///etc", "a/b\n", "ü/b", "https://x/y", "a/" + "b" * 200),
    ],
)
def test_hostile_names_are_refused(actions: GitActions, name: str) -> None:
    for ask in (lambda: actions.resolve(name, "v1"), lambda: actions.fetch(name, "0" * 40)):
        with pytest.raises(Invalid) as refused:
            ask()
        assert refused.value.code == "bad-name"


@pytest.mark.parametrize(
    "ref",
    [
        *("", "--upload-pack=touch /tmp/x", "-v", "a..b", "a b", "$(id)", "*", "v1^{tree}", "v1~1"),
        *("a\0b", "x:y", "v1\n", "/x", "a//b", "x.lock", "@{-1}", "a" * 300),
    ],
)
def test_hostile_refs_are_refused(actions: GitActions, ref: str) -> None:
    with pytest.raises(Invalid) as refused:
        actions.resolve("tools/greet", ref)
    assert refused.value.code == "bad-name"


def test_what_is_not_there_is_said(actions: GitActions) -> None:
    with pytest.raises(Invalid) as missing:
        actions.resolve("tools/greet", "v9")
    assert missing.value.code == "no-action"
    with pytest.raises(Invalid) as unknown:
        actions.fetch("tools/greet", "0" * 40)
    assert unknown.value.code == "no-action"
    with pytest.raises(HeadwayError) as none:
        actions.resolve("tools/none", "v1")
    assert none.value.code in {"no-action", "no-actions"}


def test_no_answer_is_unreachable_and_says_how_to_name_a_base(tmp_path: Path) -> None:
    actions = GitActions(tmp_path / "home", "http://127.0.0.1:9")
    with pytest.raises(Unreachable) as silent:
        actions.resolve("tools/greet", "v1")
    assert silent.value.code == "no-actions"
    assert "HEADWAY_ACTIONS_BASE" in silent.value.next


def test_the_environment_names_the_base(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_ACTIONS_BASE", str(mirror.parent.parent))
    assert GitActions(tmp_path / "h").resolve("tools/greet", "main") == git(
        mirror, "rev-parse", "main"
    )


def test_a_link_that_leaves_the_tree_is_refused(actions: GitActions, mirror: Path) -> None:
    (mirror / "out").symlink_to("/etc/passwd")
    git(mirror, "add", ".")
    git(mirror, "commit", "-q", "-m", "evil")
    with pytest.raises(Refused) as refused:
        actions.fetch("tools/greet", actions.resolve("tools/greet", "main"))
    assert refused.value.code == "hostile-tree"
