"""The `.git` that checkout leaves in a workspace: real, shallow, and without copying an object.

Objects are borrowed from the repository the commit came from (`objects/info/alternates`), so that
it costs the same for any size of history; what steps commit goes into the workspace's own `.git`.
It is made in a private folder and moved into place whole: git never runs here, outside the sandbox,
with a configuration that a step could have written. Called by checkout.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from headway.model.errors import Failed, Unreachable

_SECONDS = 300.0
_ENVIRONMENT = {
    "PATH": os.environ.get("PATH") or os.defpath,
    "LANG": "C.UTF-8",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_CONFIG_COUNT": "3",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_CONFIG_KEY_1": "core.fsmonitor",
    "GIT_CONFIG_VALUE_1": "false",
    "GIT_CONFIG_KEY_2": "core.hooksPath",
    "GIT_CONFIG_VALUE_2": "/dev/null",
}
_CONFIG = """\
[core]
\trepositoryformatversion = {version}
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
[remote "origin"]
\turl = {url}
\tfetch = +refs/heads/*:refs/remotes/origin/*
[gc]
\tauto = 0
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the `.git` shall show. `ref`: `refs/heads/main`, `refs/tags/v1`, or empty (detached).

    `depth` 0 means the whole history with every branch and tag; `tags`: every tag.
    """

    sha: str
    ref: str
    depth: int = 1
    tags: bool = False


def git_folder(repo: str) -> Path | None:
    """The folder with the objects of a repository on this machine; None if it is not one."""
    for plain in (Path(repo), Path(repo, ".git")):
        is_whole = (plain / "objects").is_dir() and not (plain / "commondir").exists()
        if is_whole and (plain / "HEAD").is_file():
            return plain.resolve()
    if not Path(repo).is_dir():
        return None
    asked = ("rev-parse", "--path-format=absolute", "--git-common-dir")
    told = _git({}, "-C", repo, *asked)
    return Path(os.fsdecode(told.stdout.rstrip(b"\n"))) if told.returncode == 0 else None


def add(work: Path, source: Path, wanted: Wanted, scratch: Path) -> None:
    """Give the work tree `work`, which holds the commit's files, a `.git`.

    `scratch` is a private folder of the same file system. Raises Failed (`git-failed`).
    """
    private = scratch / "git"
    _lay_out(private, source, wanted)
    where = {"GIT_DIR": str(private), "GIT_WORK_TREE": str(work)}
    # It also notes the files' times: a plain `git diff-index` looks at nothing else.
    _expect(_git(where, "reset", "--mixed"), "the index cannot be made")
    (private / "ORIG_HEAD").unlink(missing_ok=True)
    private.rename(work / ".git")


def _lay_out(private: Path, source: Path, wanted: Wanted) -> None:
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        (private / folder).mkdir(parents=True)
    version = 1 if len(wanted.sha) == 64 else 0
    config = _CONFIG.format(version=version, url=_quoted(str(source)))
    if version:
        config += "[extensions]\n\tobjectformat = sha256\n"
    if wanted.ref.startswith("refs/heads/"):
        branch = _quoted(wanted.ref.removeprefix("refs/heads/"))
        config += f"[branch {branch}]\n\tremote = origin\n\tmerge = {_quoted(wanted.ref)}\n"
    (private / "config").write_text(config, "utf-8")
    (private / "objects/info/alternates").write_bytes(os.fsencode(source / "objects") + b"\n")
    on_branch = wanted.ref.startswith("refs/heads/")
    (private / "HEAD").write_text(f"ref: {wanted.ref}\n" if on_branch else f"{wanted.sha}\n")
    (private / "packed-refs").write_bytes(_refs(source, wanted))
    if shallow := _shallow(source, wanted):
        (private / "shallow").write_text("".join(f"{sha}\n" for sha in sorted(shallow)))


def _refs(source: Path, wanted: Wanted) -> bytes:
    """The refs as a packed-refs file (gitrepository-layout), sorted by name."""
    refs: dict[bytes, bytes] = {}
    if not wanted.depth or wanted.tags:
        patterns = ("refs/heads", "refs/tags") if not wanted.depth else ("refs/tags",)
        form = "--format=%(objectname) %(refname)"
        told = _expect(_git({"GIT_DIR": str(source)}, "for-each-ref", form, *patterns), "no refs")
        for line in told.splitlines():
            sha, _, name = line.partition(b" ")
            refs[name.replace(b"refs/heads/", b"refs/remotes/origin/", 1)] = sha
    if wanted.ref:
        name = os.fsencode(wanted.ref)
        refs[name] = wanted.sha.encode("ascii")
        if name.startswith(b"refs/heads/"):
            remote = b"refs/remotes/origin/" + name.removeprefix(b"refs/heads/")
            refs[remote] = wanted.sha.encode("ascii")
    lines = [b"%s %s\n" % (sha, name) for name, sha in sorted(refs.items())]
    return b"# pack-refs with: sorted \n" + b"".join(lines)


def _shallow(source: Path, wanted: Wanted) -> set[str]:
    """The commits whose parents are left out."""
    known = source / "shallow"
    cut = set(known.read_text("ascii").split()) if known.is_file() else set()
    if wanted.depth == 1:
        return {wanted.sha}
    if not wanted.depth:
        return cut
    told = _git({"GIT_DIR": str(source)}, "rev-list", "--parents", wanted.sha)
    rows = [line.split() for line in _expect(told, "no history").decode("ascii").splitlines()]
    parents = {row[0]: row[1:] for row in rows}
    level = {wanted.sha}
    for _ in range(wanted.depth - 1):
        level = {parent for sha in level for parent in parents[sha]}
    return cut | level


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _git(where: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["git", *arguments],
            env={**_ENVIRONMENT, **where},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise Unreachable("git is not installed here", code="git-missing") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable("git gave no answer", code="git-timeout") from error


def _expect(told: "subprocess.CompletedProcess[bytes]", what: str) -> bytes:
    if told.returncode:
        why = told.stderr.decode("utf-8", "replace").strip()[-300:]
        raise Failed(what, why=why, code="git-failed")
    return told.stdout


def listed(folder: Path) -> list[str] | None:
    """The files of a working tree that are tracked, or new and not ignored; None: no repository."""
    if git_folder(str(folder)) is None:
        return None
    asked = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    told = _expect(_git({}, "-C", str(folder), *asked), f"{folder} cannot be listed")
    return [os.fsdecode(name) for name in told.split(b"\0")[:-1]]


def head(folder: Path) -> str:
    """The commit a working tree is at; empty if it has none."""
    told = _git({}, "-C", str(folder), "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return told.stdout.decode("ascii").strip() if told.returncode == 0 else ""
