"""Reads commits, files and trees from Git repositories on this machine. Serves ports/source_host.

A revision, a path, an author and a subject are hostile text: they reach git only as one argument
behind `--end-of-options`, and come back split at NUL.
"""

import errno
import re
from pathlib import Path

from headway.adapters.git.command import expect, git, git_folder
from headway.adapters.git.tree import write_tree
from headway.model.commit import Commit
from headway.model.errors import Failed, Invalid
from headway.ports.source_host import SourceHost

MAX_FILE_BYTES = 16 * 1024**2
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FORMAT = "%H%x00%an <%ae>%x00%s%x00%cI"
_MAX_REVISION = 512


class GitSourceHost(SourceHost):
    """Bare and non-bare repositories, named by their folder."""

    def commit(self, repo: str, revision: str) -> Commit:
        """Resolve a branch, tag, `HEAD` or object name. `ref` is the short branch name, or empty.

        Raises Invalid (`unknown-revision`, `unknown-repository`).
        """
        folder = git_folder(repo)
        sha = _resolve(folder, revision, repo)
        shown = git(folder, "show", "-s", f"--format={_FORMAT}", "--end-of-options", sha)
        fields = expect(shown, f"commit {sha} cannot be read").decode("utf-8", "replace")
        sha, author, subject, committed_at = fields.rstrip("\n").split("\0")
        return Commit(sha, repo, _branch(folder, revision), author, subject, committed_at)

    def read(self, repo: str, sha: str, path: str) -> bytes:
        """One regular file, at most MAX_FILE_BYTES. Raises Invalid (`missing-file`)."""
        folder = git_folder(repo)
        _check_sha(sha, repo)
        size = _size(folder, sha, path)
        if size is None or size > MAX_FILE_BYTES:
            raise Invalid(
                f"{path!r} is not in commit {sha[:12]}"
                if size is None
                else f"{path!r} in commit {sha[:12]} is larger than {MAX_FILE_BYTES >> 20} MiB",
                next=f"git add {path} && git commit",
                code="missing-file",
            )
        return expect(git(folder, "cat-file", "blob", f"{sha}:{path}"), f"{path!r} cannot be read")

    def checkout(self, repo: str, sha: str, into: str) -> None:
        """Write the commit's tree into the empty folder `into`: no .git, no filters, no hooks.

        Raises Invalid (`unknown-revision`, `not-empty`), Refused (`hostile-tree`), Failed
        (`storage-full`, `checkout-failed`).
        """
        folder = git_folder(repo)
        _check_sha(sha, repo)
        _resolve(folder, sha, repo)
        target = Path(into)
        if not target.is_dir() or any(target.iterdir()):
            raise Invalid(f"{into} is not an empty folder", code="not-empty")
        try:
            write_tree(folder, sha, target)
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            code = "storage-full" if full else "checkout-failed"
            raise Failed(
                f"commit {sha[:12]} cannot be written to {into}", why=str(error), code=code
            ) from error


def _resolve(folder: Path, revision: str, repo: str) -> str:
    if not revision or len(revision) > _MAX_REVISION or not revision.isprintable():
        raise _unknown(revision, repo)
    asked = f"{revision}^{{commit}}"
    found = git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", asked)
    sha = found.stdout.decode("ascii", "replace").strip()
    if found.returncode or not _SHA.fullmatch(sha):
        raise _unknown(revision, repo)
    return sha


def _branch(folder: Path, revision: str) -> str:
    named = git(
        folder, "rev-parse", "--verify", "-q", "--symbolic-full-name", "--end-of-options", revision
    )
    ref = named.stdout.decode("utf-8", "replace").strip()
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ""


def _size(folder: Path, sha: str, path: str) -> int | None:
    """Bytes of the regular file at `path`; None for a folder, a link, a submodule or nothing."""
    if not path.isprintable() or any(p in {"", ".", ".."} for p in path.split("/")):
        return None
    listed = git(folder, "ls-tree", "-z", "-l", "--full-tree", "--end-of-options", sha, path)
    lines = listed.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]
    if listed.returncode or len(lines) != 1 or not lines[0].endswith(f"\t{path}"):
        return None
    mode, kind, _blob, size = lines[0].partition("\t")[0].split()
    return int(size) if kind == "blob" and mode.startswith("100") else None


def _check_sha(sha: str, repo: str) -> None:
    if not _SHA.fullmatch(sha):
        raise _unknown(sha, repo)


def _unknown(revision: str, repo: str) -> Invalid:
    return Invalid(
        f"there is no commit {revision[:80]!r} in {repo}",
        next="git log --oneline --all",
        code="unknown-revision",
    )
