"""What every SourceHost promises, against real git on real repositories."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from headway.adapters.git.source_host import GitSourceHost
from headway.model.errors import HeadwayError, Invalid, Refused

Git = Callable[..., str]


@pytest.fixture
def host() -> GitSourceHost:
    return GitSourceHost()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "bin").mkdir()
    (folder / "bin" / "run").write_text("#!/bin/sh\n")
    (folder / "bin" / "run").chmod(0o755)
    (folder / "headway.yaml").write_text("service: shop\n")
    (folder / "link").symlink_to("bin/run")
    commit(folder, "first: a `$(touch x)` subject")
    return folder


def git(folder: Path, *arguments: str, data: bytes | None = None) -> str:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ana <b> $(id)",
        "GIT_AUTHOR_EMAIL": "ana@example.com",
        "GIT_AUTHOR_DATE": "2026-01-02T03:04:05+02:00",
        "GIT_COMMITTER_NAME": "c",
        "GIT_COMMITTER_EMAIL": "c@example.com",
        "GIT_COMMITTER_DATE": "2026-01-02T03:04:05+02:00",
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env=env,
        input=data,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def commit(folder: Path, subject: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", subject)
    return git(folder, "rev-parse", "HEAD")


def forged(folder: Path, *entries: tuple[str, str, bytes]) -> str:
    """A commit whose tree has these (mode, name, content) entries, whatever git thinks of them."""
    tree = b""
    for mode, name, content in entries:
        sha = git(folder, "hash-object", "-w", "--stdin", data=content)
        tree += f"{mode} {name}\0".encode() + bytes.fromhex(sha)
    sha = git(folder, "hash-object", "-t", "tree", "-w", "--stdin", "--literally", data=tree)
    return git(folder, "commit-tree", sha, "-m", "forged")


def shape(folder: Path) -> dict[str, tuple[str, str]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_file():
            found[name] = (oct(path.stat().st_mode & 0o777), path.read_text())
    return found


@pytest.mark.parametrize("bare", [False, True])
def test_a_commit_is_resolved_with_its_words(
    host: GitSourceHost, repo: Path, tmp_path: Path, bare: bool
) -> None:
    sha = git(repo, "rev-parse", "HEAD")
    where = repo
    if bare:
        where = tmp_path / "bare.git"
        git(repo, "clone", "-q", "--bare", str(repo), str(where))
    for revision in ("main", "HEAD", sha, sha[:10], "refs/heads/main"):
        found = host.commit(str(where), revision)
        assert found.sha == sha
        assert found.repo == str(where)
        assert found.subject == "first: a `$(touch x)` subject"
        assert found.author == "Ana b $(id) <ana@example.com>"
        assert found.committed_at == "2026-01-02T03:04:05+02:00"
        assert found.ref == ("" if revision.startswith(sha[:10]) else "main")


def test_a_tag_is_resolved_to_its_commit(host: GitSourceHost, repo: Path) -> None:
    git(repo, "tag", "-a", "v1", "-m", "one")
    assert host.commit(str(repo), "v1").sha == git(repo, "rev-parse", "HEAD")
    assert host.commit(str(repo), "v1").ref == ""


def test_a_linked_worktree_is_a_repository(host: GitSourceHost, repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    assert host.commit(str(tmp_path / "side"), "HEAD").ref == "side"


@pytest.mark.parametrize(
    "revision",
    [
        "nope",
        "",
        "-x",
        "--all",
        "--upload-pack=touch x",
        "--exec=x",
        "main\n",
        "main\0",
        "$(touch x)",
        "`touch x`",
        "main:headway.yaml",
        "main..main",
        "^main",
        "@{-1}",
        "ext::sh -c touch% x",
        "0" * 40,
        "a" * 5000,
    ],
)
def test_hostile_revisions_are_unknown(host: GitSourceHost, repo: Path, revision: str) -> None:
    before = sorted(p.name for p in repo.iterdir())
    with pytest.raises(Invalid) as error:
        host.commit(str(repo), revision)
    assert error.value.code == "unknown-revision"
    for call in (
        lambda: host.read(str(repo), revision, "headway.yaml"),
        lambda: host.checkout(str(repo), revision, str(repo / "bin")),
    ):
        with pytest.raises(HeadwayError):
            call()
    assert sorted(p.name for p in repo.iterdir()) == before


@pytest.mark.parametrize(
    "address",
    ["", "https://example.com/x.git", "ext::sh -c id", "-x", "ssh://-oProxyCommand=id/x", "\0"],
)
def test_only_folders_are_repositories(host: GitSourceHost, address: str, tmp_path: Path) -> None:
    for repo in (address, str(tmp_path), str(tmp_path / "missing")):
        with pytest.raises(Invalid) as error:
            host.commit(repo, "main")
        assert error.value.code == "unknown-repository"


def test_a_file_is_read_at_its_commit(host: GitSourceHost, repo: Path) -> None:
    old = git(repo, "rev-parse", "HEAD")
    (repo / "headway.yaml").write_bytes(b"service: new\r\n\xff")
    new = commit(repo, "second")
    assert host.read(str(repo), old, "headway.yaml") == b"service: shop\n"
    assert host.read(str(repo), new, "headway.yaml") == b"service: new\r\n\xff"
    assert host.read(str(repo), new, "bin/run") == b"#!/bin/sh\n"


@pytest.mark.parametrize(
    "path", ["missing", "bin", "link", "../repo/headway.yaml", "/etc/passwd", "", "bin/", "*", "-x"]
)
def test_what_is_no_file_is_missing(host: GitSourceHost, repo: Path, path: str) -> None:
    with pytest.raises(Invalid) as error:
        host.read(str(repo), git(repo, "rev-parse", "HEAD"), path)
    assert error.value.code == "missing-file"


def test_checkout_is_exactly_the_tree(host: GitSourceHost, repo: Path, tmp_path: Path) -> None:
    (repo / ".gitattributes").write_text("* text eol=crlf\n*.md export-ignore\nv export-subst\n")
    (repo / "notes.md").write_text("kept\n")
    (repo / "v").write_text("$Format:%H$\n")
    sha = commit(repo, "attributes")
    (repo / "untracked").write_text("no")
    (repo / "headway.yaml").write_text("dirty")
    into = tmp_path / "out"
    into.mkdir()
    host.checkout(str(repo), sha, str(into))
    assert shape(into) == {
        ".gitattributes": ("0o644", "* text eol=crlf\n*.md export-ignore\nv export-subst\n"),
        "bin/run": ("0o755", "#!/bin/sh\n"),
        "headway.yaml": ("0o644", "service: shop\n"),
        "link": ("link", "bin/run"),
        "notes.md": ("0o644", "kept\n"),
        "v": ("0o644", "$Format:%H$\n"),
    }


def test_hooks_filters_and_the_index_have_no_say(
    host: GitSourceHost, repo: Path, tmp_path: Path
) -> None:
    (repo / ".gitattributes").write_text("* filter=evil\n")
    sha = commit(repo, "filtered")
    marker = tmp_path / "ran"
    script = f"#!/bin/sh\ntouch {marker}\n"
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        (repo / ".git" / "hooks").mkdir(exist_ok=True)
        (repo / ".git" / "hooks" / hook).write_text(script)
        (repo / ".git" / "hooks" / hook).chmod(0o755)
    for name, value in (
        ("filter.evil.smudge", f"touch {marker}"),
        ("core.fsmonitor", f"touch {marker}"),
        ("core.sshCommand", f"touch {marker}"),
        ("log.showSignature", "true"),
        ("gpg.program", f"touch {marker}"),
    ):
        git(repo, "config", name, value)
    into = tmp_path / "out"
    into.mkdir()
    host.commit(str(repo), "main")
    host.checkout(str(repo), sha, str(into))
    assert not marker.exists()
    assert git(repo, "-c", "core.fsmonitor=false", "status", "--porcelain") == ""


def test_a_submodule_is_an_empty_folder(host: GitSourceHost, repo: Path, tmp_path: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    (repo / ".gitmodules").write_text('[submodule "s"]\npath = s\nurl = file:///etc\n')
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{head},s")
    git(repo, "add", ".gitmodules")
    git(repo, "commit", "-q", "-m", "submodule")
    into = tmp_path / "out"
    into.mkdir()
    host.checkout(str(repo), git(repo, "rev-parse", "HEAD"), str(into))
    assert list((into / "s").iterdir()) == []


@pytest.mark.parametrize(
    "entries",
    [
        [("120000", "out", b"/etc/passwd")],
        [("120000", "out", b"../../x")],
        [("120000", "a", b"b"), ("120000", "b", b"a/..")],
        [("120000", "a", b"a")],
        [("100644", "..", b"x")],
        [("100644", ".git", b"x")],
        [("100644", ".GIT", b"x")],
        [("120000", "a", b".."), ("100644", "b", b"x")],
    ],
)
def test_a_hostile_tree_is_refused(
    host: GitSourceHost, repo: Path, tmp_path: Path, entries: list[tuple[str, str, bytes]]
) -> None:
    sha = forged(repo, *entries)
    into = tmp_path / "deep" / "out"
    into.mkdir(parents=True)
    with pytest.raises(Refused) as error:
        host.checkout(str(repo), sha, str(into))
    assert error.value.code == "hostile-tree"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "repo"]


def test_nothing_is_written_through_a_link(host: GitSourceHost, repo: Path, tmp_path: Path) -> None:
    """A tree that has `a` as a link and as a folder: git's index refuses it, an object need not."""
    victim = tmp_path / "victim"
    victim.mkdir()
    blob = git(repo, "hash-object", "-w", "--stdin", data=b"owned")
    inner = git(repo, "mktree", data=f"100644 blob {blob}\tf\n".encode())
    link = git(repo, "hash-object", "-w", "--stdin", data=str(victim).encode())
    raw = b"120000 a\0" + bytes.fromhex(link) + b"40000 a\0" + bytes.fromhex(inner)
    tree = git(repo, "hash-object", "-t", "tree", "-w", "--stdin", "--literally", data=raw)
    sha = git(repo, "commit-tree", tree, "-m", "both")
    into = tmp_path / "out"
    into.mkdir()
    with pytest.raises(Refused):
        host.checkout(str(repo), sha, str(into))
    assert list(victim.iterdir()) == []


def test_checkout_wants_an_empty_folder(host: GitSourceHost, repo: Path, tmp_path: Path) -> None:
    sha = git(repo, "rev-parse", "HEAD")
    for into in (repo, tmp_path / "missing"):
        with pytest.raises(Invalid) as error:
            host.checkout(str(repo), sha, str(into))
        assert error.value.code == "not-empty"


def test_two_checkouts_of_a_large_tree_are_equal(
    host: GitSourceHost, repo: Path, tmp_path: Path
) -> None:
    for n in range(300):
        folder = repo / f"d{n % 7}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{n}").write_text(f"{n}\n" * n)
    sha = commit(repo, "many")
    shapes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        host.checkout(str(repo), sha, str(tmp_path / name))
        shapes.append(shape(tmp_path / name))
    assert shapes[0] == shapes[1]
    shutil.rmtree(repo / ".git")
    assert shapes[0] == shape(repo)


def test_a_branch_has_its_history_and_nothing_else(host: GitSourceHost, repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "checkout", "-q", "-b", "release/1")
    other = commit(repo, "only here")
    git(repo, "tag", "v1")
    git(repo, "checkout", "-q", "main")
    second = commit(repo, "second")
    asked = {"main": (first, second), "release/1": (first, other)}
    for branch, having in asked.items():
        for sha in (first, second, other):
            assert host.contains(str(repo), branch, sha) is (sha in having), (branch, sha)
    git(repo, "reset", "-q", "--hard", first)
    assert not host.contains(str(repo), "main", second)


@pytest.mark.parametrize(
    "branch",
    ["", "nowhere", "HEAD", "v1", "main~0", "main^0", "main@{0}", "../heads/main", "-main", "a\nb"],
)
def test_what_is_no_branch_has_nothing(host: GitSourceHost, repo: Path, branch: str) -> None:
    git(repo, "tag", "v1")
    assert not host.contains(str(repo), branch, git(repo, "rev-parse", "HEAD"))


def test_a_commit_that_is_not_there_is_on_no_branch(host: GitSourceHost, repo: Path) -> None:
    assert not host.contains(str(repo), "main", "0" * 39 + "1")
    with pytest.raises(Invalid):
        host.contains(str(repo), "main", "--all")
