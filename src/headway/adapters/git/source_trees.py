"""What Git calls the files that a job depends on. Serves ports/source_trees; used by flows.

A commit's objects are looked up, all in one conversation. A working copy is first written as a
tree: into an index and a folder of objects of its own, gone afterwards, so that the repository is
only read. Ignored files are no part of it.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from headway.adapters.git.command import (
    READ_SECONDS,
    closed_environment,
    conversation,
    expect,
    git_folder,
)
from headway.adapters.git.objects import Object, entries, shared
from headway.model.errors import Failed, Invalid, Unreachable
from headway.ports.source_trees import SourceTrees

MOST_TREE_BYTES = 16 * 1024**2
_SUBMODULE = "160000"
_GLOB = re.compile(r"[*?]")
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class GitTrees(SourceTrees):
    """Repositories on this machine, by folder."""

    def trees(self, repo: str, sha: str, folder: str, paths: Sequence[str]) -> dict[str, str]:
        """See SourceTrees."""
        cleaned = {path: _clean(path) for path in paths}
        if folder:
            with _working_tree(folder) as at:
                return _ids(at, cleaned)
        if not _SHA.fullmatch(sha):
            raise Invalid(f"{sha!r} is not a commit's full name", code="unknown-revision")
        at = _At(git_folder(repo), f"{sha}^{{tree}}")
        return _read(at, sha, cleaned) or _ids(at, cleaned)


@dataclass(frozen=True, slots=True)
class _At:
    """A tree in a repository; `extra`: where objects are that the repository has not."""

    repo: Path
    tree: str
    extra: dict[str, str] = field(default_factory=dict)


def _clean(path: str) -> str:
    """The path without what changes nothing at its end. Raises Invalid (`bad-path`)."""
    parts = path.strip("/").removesuffix("/**").split("/") if path else []
    if any(part in {".", "..", ""} or "\0" in part or "\n" in part for part in parts):
        raise Invalid(f"{path!r} is no path inside a repository", code="bad-path")
    return "" if parts == ["**"] else "/".join(parts)


def _read(at: _At, sha: str, cleaned: dict[str, str]) -> dict[str, str] | None:
    """Plain paths of a commit, by the git that is there already; None where that is not enough."""
    if any(_GLOB.search(path) for path in cleaned.values()):
        return None
    found = {}
    for asked, path in cleaned.items():
        above, _, name = path.rpartition("/")
        tree = shared().get(at.repo, f"{sha}:{above}" if path else at.tree, MOST_TREE_BYTES)
        if tree is not None and (tree.kind != "tree" or tree.size > MOST_TREE_BYTES):
            return None
        if tree is None and not path:
            raise Invalid(f"there is no commit {at.tree}", code="unknown-revision")
        found[asked] = tree.sha if tree and not path else _entry(tree, os.fsencode(name))
    return found


def _entry(tree: Object | None, name: bytes) -> str:
    """The id of that entry, "" if there is none; a submodule's objects are not here."""
    known = entries(tree) if tree else []
    return next((e.sha for e in known if e.name == name and e.mode != _SUBMODULE), "")


def _ids(at: _At, cleaned: dict[str, str]) -> dict[str, str]:
    plain = sorted({path for path in cleaned.values() if not _GLOB.search(path)})
    found = dict(_looked_up(at, plain))
    globs = sorted({path for path in cleaned.values() if _GLOB.search(path)})
    if globs:
        listed = list(_listed(at))
        found |= {glob: _matched(glob, listed) for glob in globs}
    return {path: found[clean] for path, clean in cleaned.items()}


def _looked_up(at: _At, paths: list[str]) -> Iterator[tuple[str, str]]:
    """Format: git-cat-file(1), `--batch-check`: `<id> <kind> <size>` or `<name> missing`."""
    with _batch(at) as batch:
        assert batch.stdin is not None
        assert batch.stdout is not None
        for path in paths:
            name = f"{at.tree.removesuffix('^{tree}')}:{path}" if path else at.tree
            batch.stdin.write(f"{name}\n".encode("utf-8", "surrogateescape"))
            batch.stdin.flush()
            answer = batch.stdout.readline()
            if not answer:
                raise Failed("git cannot read the files of the commit", code="git-failed")
            words = answer.split()
            missing = len(words) != 3 or words[1] == b"missing"
            if missing and not path:
                raise Invalid(f"there is no commit {at.tree}", code="unknown-revision")
            yield path, "" if missing else words[0].decode("ascii")


@contextmanager
def _batch(at: _At) -> "Iterator[subprocess.Popen[bytes]]":
    if not at.extra:
        with conversation(at.repo, "cat-file", "--batch-check") as batch:
            yield batch
        return
    command = ["git", f"--git-dir={at.repo}", "cat-file", "--batch-check"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=_environment(at)
    ) as batch:
        try:
            yield batch
        finally:
            batch.kill()


def _listed(at: _At) -> Iterator[tuple[str, str]]:
    """(path, mode and id) of every file of the tree."""
    said = _run(at, "ls-tree", "-r", "-z", "--full-tree", at.tree)
    for line in expect(said, "the files of the commit cannot be listed").split(b"\0")[:-1]:
        head, _, path = line.partition(b"\t")
        mode, _, id = head.decode("ascii").split()
        yield os.fsdecode(path), f"{mode} {id}"


def _matched(glob: str, listed: list[tuple[str, str]]) -> str:
    """One id for all files that the pattern, or a folder that it matches, holds; "" for none."""
    wanted = re.compile(_pattern(glob))
    digest = sha256()
    count = 0
    for path, id in listed:
        if wanted.match(path):
            digest.update(f"{path}\0{id}\0".encode("utf-8", "surrogateescape"))
            count += 1
    return digest.hexdigest() if count else ""


def _pattern(glob: str) -> str:
    """`**/` any folders or none, `**` anything, `*` and `?` inside a name."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    return "".join(words.get(part, re.escape(part)) for part in parts) + r"(?:/.*)?\Z"


@contextmanager
def _working_tree(folder: str) -> Iterator[_At]:
    """The folder as it is, as a tree. Format of the two variables: git(1), "Environment"."""
    repo = git_folder(folder)
    with tempfile.TemporaryDirectory(prefix="headway-tree-") as place:
        index = Path(place) / "index"
        if (repo / "index").is_file():
            shutil.copyfile(repo / "index", index)
        objects = Path(place) / "objects"
        objects.mkdir()
        extra = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(_common(repo) / "objects"),
        }
        at = _At(repo, "", extra)
        expect(
            _run(at, f"--work-tree={folder}", "add", "--all", "--", ":/"),
            f"the files in {folder} cannot be read",
        )
        tree = expect(_run(at, "write-tree"), f"the files in {folder} cannot be read")
        yield _At(repo, tree.decode("ascii").strip(), extra)


def _common(repo: Path) -> Path:
    """Where the objects of a linked worktree are (gitrepository-layout(5), `commondir`)."""
    said = repo / "commondir"
    return (repo / said.read_text("utf-8").strip()).resolve() if said.is_file() else repo


def _environment(at: _At) -> dict[str, str]:
    closed = closed_environment(at.repo)
    closed.pop("GIT_LITERAL_PATHSPECS", None)
    return {**closed, **at.extra}


def _run(at: _At, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["git", f"--git-dir={at.repo}", *arguments],
            env=_environment(at),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=READ_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise Unreachable("git is not installed here", code="git-missing") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable("git gave no answer in time", code="git-timeout") from error
