"""What SourcePacks promises, with real git: a commit arrives elsewhere as it was."""

import io
import subprocess
from pathlib import Path

import pytest
from tests.contract.job_runs import repository

from headway.adapters.git.packs import GitPacks
from headway.adapters.git.source_host import GitSourceHost
from headway.model.errors import Failed, Invalid

WHO = ("-c", "user.name=t", "-c", "user.email=t@example.org")


def git(folder: Path, *words: str) -> str:
    told = subprocess.run(["git", *WHO, *words], cwd=folder, check=True, capture_output=True)
    return told.stdout.decode().strip()


def commit(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", name)
    return git(folder, "rev-parse", "HEAD")


def test_a_commit_arrives_with_its_history_and_names(tmp_path: Path) -> None:
    first = repository(tmp_path / "repo", {"a": "1\n"})
    git(tmp_path / "repo", "tag", "-a", "v1", "-m", "one")
    second = commit(tmp_path / "repo", "b", "2\n")
    git(tmp_path / "repo", "checkout", "-q", "-b", "other")
    commit(tmp_path / "repo", "secret", "not in this history\n")
    packs, store = GitPacks(), str(tmp_path / "far/store.git")
    assert not packs.has(store, second)
    file, notes = packs.pack(str(tmp_path / "repo"), second, "")
    with file:
        packs.take(store, second, file)
    assert packs.has(store, second)
    view = packs.show(store, second, notes)
    assert packs.show(store, second, notes) == view
    into = tmp_path / "tree"
    into.mkdir()
    GitSourceHost().checkout(view, second, str(into))
    assert sorted(p.name for p in into.iterdir()) == ["a", "b"]
    assert GitSourceHost().commit(view, "v1").sha == first
    assert set(notes.refs) >= {"refs/tags/v1"}
    assert "refs/heads/other" not in notes.refs
    assert git(Path(view), "describe", second).startswith("v1-1-g")
    git(Path(view), "fsck", "--strict")


def test_only_what_is_new_travels(tmp_path: Path) -> None:
    first = repository(tmp_path / "repo", {"big": "".join(f"{n * n}\n" for n in range(40_000))})
    packs, store = GitPacks(), str(tmp_path / "store.git")
    file, _ = packs.pack(str(tmp_path / "repo"), first, "")
    with file:
        whole = len(file.read())
        file.seek(0)
        packs.take(store, first, file)
    second = commit(tmp_path / "repo", "small", "x\n")
    file, notes = packs.pack(str(tmp_path / "repo"), second, first)
    with file:
        assert len(file.read()) < whole / 50
        file.seek(0)
        packs.take(store, second, file)
    git(Path(packs.show(store, second, notes)), "fsck", "--strict")


def test_half_a_pack_is_not_taken(tmp_path: Path) -> None:
    sha = repository(tmp_path / "repo", {"a": "1\n"})
    packs, store = GitPacks(), str(tmp_path / "store.git")
    file, _ = packs.pack(str(tmp_path / "repo"), sha, "")
    with file:
        half = io.BytesIO(file.read()[:-30])
    with pytest.raises(Failed):
        packs.take(store, sha, half)
    assert not packs.has(store, sha)


def test_a_shallow_repository_stays_shallow(tmp_path: Path) -> None:
    repository(tmp_path / "repo", {"a": "1\n"})
    sha = commit(tmp_path / "repo", "b", "2\n")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{tmp_path}/repo", "cut")
    packs, store = GitPacks(), str(tmp_path / "store.git")
    file, notes = packs.pack(str(tmp_path / "cut"), sha, "")
    with file:
        packs.take(store, sha, file)
    assert notes.shallow == (sha,)
    assert git(Path(packs.show(store, sha, notes)), "rev-list", "--count", sha) == "1"


def test_what_is_not_there_is_invalid(tmp_path: Path) -> None:
    repository(tmp_path / "repo", {"a": "1\n"})
    for repo, code in ((tmp_path / "repo", "unknown-revision"), (tmp_path, "unknown-repository")):
        with pytest.raises(Invalid) as refused:
            GitPacks().pack(str(repo), "1" * 40, "")
        assert refused.value.code == code
