"""Reads commits, files and trees from Git repositories on this machine. Serves ports/source_host.

A revision, a path, an author and a subject are hostile text: they reach git only as one argument
behind `--end-of-options`, and come back split at NUL.
"""

import errno
import re
from datetime import datetime, timedelta, timezone
from itertools import dropwhile, takewhile
from pathlib import Path

from headway.adapters.git.command import expect, git, git_folder
from headway.adapters.git.objects import Object, entries, shared
from headway.adapters.git.tree import write_tree
from headway.model.commit import Commit
from headway.model.errors import Failed, Invalid
from headway.ports.source_host import SourceHost

MAX_FILE_BYTES = 16 * 1024**2
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FORMAT = "%an <%ae>%x00%s%x00%cI"
# no pseudo-ref (HEAD, FETCH_HEAD), no object name, nothing that is more than a name
_PLAIN = re.compile(r"(?![0-9a-f]+$)(?!.*\.\.)[a-z][A-Za-z0-9_/.-]*[A-Za-z0-9_-]")
MAX_COMMIT_BYTES = 4 * 1024**2
_AUTHOR = re.compile(rb"^author ([^<>\n]*[^<>\s]) <([^<>\n]*)> \d{1,10} [+-]\d{4}$", re.MULTILINE)
_COMMITTER = re.compile(rb"^committer [^<>\n]* <[^<>\n]*> (\d{1,10}) ([+-]\d{4})$", re.MULTILINE)
_MAX_REVISION = 512


class GitSourceHost(SourceHost):
    """Bare and non-bare repositories, named by their folder."""

    def __init__(self) -> None:
        self._objects = shared()

    def commit(self, repo: str, revision: str) -> Commit:
        """Resolve a branch, tag, `HEAD` or object name. `ref` is the short branch name, or empty.

        Raises Invalid (`unknown-revision`, `unknown-repository`).
        """
        folder = git_folder(repo)
        _check_revision(revision, repo)
        found = self._objects.get(folder, f"{revision}^{{commit}}", MAX_COMMIT_BYTES)
        if found is None or found.kind != "commit":
            raise _unknown(revision, repo)
        author, subject, committed_at = read_commit(found.content) or _shown(folder, found.sha)
        branch = self._branch(folder, revision, found.sha)
        return Commit(found.sha, repo, branch, author, subject, committed_at)

    def _branch(self, folder: Path, revision: str, sha: str) -> str:
        """The short name, if the revision is a branch. Git itself is asked only if the name could
        mean something else as well (gitrevisions(7) has the order).
        """
        if revision == sha:
            return ""
        name = revision.removeprefix("refs/heads/")
        others = () if name != revision else (f"refs/{name}", f"refs/tags/{name}")
        plain = _PLAIN.fullmatch(name) and not any(self._is(folder, ref) for ref in others)
        return (
            name if plain and self._is(folder, f"refs/heads/{name}") else _branch(folder, revision)
        )

    def _is(self, folder: Path, ref: str) -> bool:
        return self._objects.get(folder, ref, MAX_COMMIT_BYTES) is not None

    def read(self, repo: str, sha: str, path: str) -> bytes:
        """One regular file, at most MAX_FILE_BYTES. Raises Invalid (`missing-file`)."""
        folder = git_folder(repo)
        _check_sha(sha, repo)
        found = self._file(folder, sha, path)
        if found is None or found.size > MAX_FILE_BYTES:
            raise Invalid(
                f"{path!r} is not in commit {sha[:12]}"
                if found is None
                else f"{path!r} in commit {sha[:12]} is larger than {MAX_FILE_BYTES >> 20} MiB",
                next=f"git add {path} && git commit",
                code="missing-file",
            )
        return found.content

    def _file(self, folder: Path, sha: str, path: str) -> Object | None:
        """The regular file at `path`; None for a folder, a link, a submodule or nothing."""
        if not path.isprintable() or any(p in {"", ".", ".."} for p in path.split("/")):
            return None
        above, _, name = path.rpartition("/")
        tree = self._objects.get(folder, f"{sha}:{above}", MAX_FILE_BYTES)
        if tree is None or tree.kind != "tree":
            return None
        wanted = name.encode("utf-8", "surrogateescape")
        entry = next((e for e in entries(tree) if e.name == wanted), None)
        if entry is None or not entry.mode.startswith("100"):
            return None
        return self._objects.get(folder, entry.sha, MAX_FILE_BYTES)

    def contains(self, repo: str, branch: str, sha: str) -> bool:
        """See SourceHost. The branch is a full name, so that no name of it means anything else."""
        folder = git_folder(repo)
        _check_sha(sha, repo)
        if not branch or len(branch) > _MAX_REVISION or not branch.isprintable():
            return False
        named = git(folder, "show-ref", "--verify", "--hash", "--", f"refs/heads/{branch}")
        tip = named.stdout.decode("ascii", "replace").strip()
        if named.returncode or not _SHA.fullmatch(tip):
            return False
        asked = git(folder, "merge-base", "--is-ancestor", "--end-of-options", sha, tip)
        if asked.returncode > 1 and self._objects.get(folder, sha, MAX_COMMIT_BYTES) is not None:
            expect(asked, f"whether {branch} has commit {sha[:12]} cannot be told")
        return asked.returncode == 0

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


def read_commit(content: bytes) -> tuple[str, str, str] | None:
    """Author, subject and time of the committer (ISO 8601), as `git show` prints them; None for a
    commit that is not written as git itself writes it.
    """
    head, _, message = content.partition(b"\n\n")
    author, committer = _AUTHOR.search(head), _COMMITTER.search(head)
    if author is None or committer is None or b"\nencoding " in head:
        return None
    seconds, zone = int(committer[1]), committer[2].decode("ascii")
    minutes = int(zone[1:3]) * 60 + int(zone[3:])
    offset = timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes))
    lines = [line.rstrip() for line in message.lstrip(b"\n").split(b"\n")]
    subject = b" ".join(takewhile(bool, dropwhile(lambda line: not line, lines)))
    words = (b"%s <%s>" % (author[1], author[2]), subject)
    said, told = (word.decode("utf-8", "replace") for word in words)
    return said, told, datetime.fromtimestamp(seconds, offset).isoformat()


def _shown(folder: Path, sha: str) -> tuple[str, str, str]:
    shown = git(folder, "show", "-s", f"--format={_FORMAT}", "--end-of-options", sha)
    fields = expect(shown, f"commit {sha} cannot be read").decode("utf-8", "replace")
    author, subject, committed_at = fields.rstrip("\n").split("\0")
    return author, subject, committed_at


def _check_revision(revision: str, repo: str) -> None:
    if not revision or len(revision) > _MAX_REVISION or not revision.isprintable():
        raise _unknown(revision, repo)


def _resolve(folder: Path, revision: str, repo: str) -> str:
    _check_revision(revision, repo)
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


def _check_sha(sha: str, repo: str) -> None:
    if not _SHA.fullmatch(sha):
        raise _unknown(sha, repo)


def _unknown(revision: str, repo: str) -> Invalid:
    return Invalid(
        f"there is no commit {revision[:80]!r} in {repo}",
        next="git log --oneline --all",
        code="unknown-revision",
    )
