"""Where commits come from."""

from typing import Protocol

from headway.model.commit import Commit


class SourceHost(Protocol):
    """Reads a repository; never writes to it. A revision is hostile text."""

    def commit(self, repo: str, revision: str) -> Commit:
        """Resolve a revision. Raises Invalid (unknown revision or repository)."""
        ...

    def read(self, repo: str, sha: str, path: str) -> bytes:
        """One file at that commit. Raises Invalid (`missing-file`)."""
        ...

    def contains(self, repo: str, branch: str, sha: str) -> bool:
        """Whether the commit is the branch's newest one or an ancestor of it, as the repository is
        now. A branch or commit that is not there: False. Raises Invalid (`unknown-repository`),
        Unreachable.
        """
        ...

    def checkout(self, repo: str, sha: str, into: str) -> None:
        """A clean tree of exactly that commit in the empty folder `into`."""
        ...
