"""Repositories, near and far: what a trigger must know of them beside single files."""

from typing import Protocol


class Repositories(Protocol):
    """Reads; keeps mirrors of far ones. `address`: a folder, or an http(s) URL. `token`: goes to
    that address and nowhere else, neither into errors. Addresses and refs come from strangers.
    """

    def heads(self, address: str, token: str = "") -> dict[str, str]:
        """Every branch and tag by its full name, and the commit it means (tags peeled); `HEAD`
        means the default branch's full name. Raises Unreachable, Invalid (`unknown-repository`).
        """
        ...

    def bring(self, address: str, refs: tuple[str, ...], token: str = "") -> str:
        """A folder (for SourceHost) that has these refs as they are there now, and every branch.
        A ref that is not there is left out. Raises as `heads`.
        """
        ...

    def place(self, address: str) -> str:
        """The folder that `bring` gives for it. Nothing is looked up."""
        ...

    def files(self, repo: str, sha: str, folder: str) -> tuple[str, ...]:
        """Paths of the regular files right in that folder of the commit; none: it is not there.
        Raises Invalid (`unknown-revision`, `unknown-repository`).
        """
        ...

    def changed(self, repo: str, base: str, head: str, *, forked: bool) -> tuple[str, ...] | None:
        """Paths that differ between two commits, both names of a renamed one. `forked`: against
        the commit where `head` left `base`. None: not known (a commit is missing, it took too
        long, it is too much). `base` "" is the empty tree.
        """
        ...
