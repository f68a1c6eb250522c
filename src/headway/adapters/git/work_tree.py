"""What a working tree stands on: its commit, its branch, and how far the files differ from it.

Called by workbench.py for `headway run`, which runs on the files as they are.
"""

from pathlib import Path

from headway.adapters.git.command import expect, git, git_folder
from headway.record import dataclass

NO_COMMIT = "0" * 40
_FORMAT = "%an%x00%ae%x00%s%x00%cI"


@dataclass(frozen=True, slots=True)
class WorkTree:
    """`sha` is 40 zeros before the first commit; `ref` is `refs/heads/…`, empty on no branch.

    `changed`: files that differ from the commit, new ones counted by folder. `origin`: the address
    of the remote `origin`, or empty. The other texts are the commit's, hostile.
    """

    folder: str
    sha: str
    ref: str
    changed: int
    origin: str = ""
    author: str = ""
    email: str = ""
    subject: str = ""
    committed_at: str = ""


def look(folder: str) -> WorkTree:
    """The working tree at `folder`, the top of a repository.

    Raises Invalid (`unknown-repository`), Failed (`git-failed`), Unreachable (`git-missing`).
    """
    repo = git_folder(folder)
    sha, branch, changed = _status(repo, folder)
    shown = git(repo, "show", "-s", f"--format={_FORMAT}", "--end-of-options", sha)
    words = shown.stdout.decode("utf-8", "replace").rstrip("\n").split("\0")
    facts = words if sha != NO_COMMIT and len(words) == 4 else ["", "", "", ""]
    origin = git(repo, "config", "--get", "remote.origin.url").stdout.decode("utf-8", "replace")
    ref = f"refs/heads/{branch}" if branch else ""
    return WorkTree(str(Path(folder)), sha, ref, changed, origin.strip(), *facts)


def _status(repo: Path, folder: str) -> tuple[str, str, int]:
    """Format: git-status(1), "Porcelain Format Version 2"."""
    said = git(repo, f"--work-tree={folder}", "status", "--porcelain=v2", "--branch", "-z")
    sha, branch, changed = NO_COMMIT, "", 0
    skip = False
    for entry in expect(said, f"the files in {folder} cannot be compared").split(b"\0")[:-1]:
        text = entry.decode("utf-8", "replace")
        if skip:
            skip = False  # the old name of a renamed file
        elif text.startswith("# branch.oid ") and not text.endswith("(initial)"):
            sha = text.removeprefix("# branch.oid ")
        elif text.startswith("# branch.head ") and not text.endswith("(detached)"):
            branch = text.removeprefix("# branch.head ")
        elif not text.startswith("#"):
            changed += 1
            skip = text.startswith("2 ")
    return sha, branch, changed
