"""Where actions and reusable workflows of other repositories come from."""

from typing import Protocol


class ActionSource(Protocol):
    """Fetches `owner/name@ref` from a configurable base (a Git URL or a folder of mirrors)."""

    def resolve(self, name: str, ref: str) -> str:
        """The commit that `ref` (tag, branch, sha) of `owner/name` means now.

        Raises Unreachable, Invalid (`no-action`, `bad-name`).
        """
        ...

    def fetch(self, name: str, sha: str) -> str:
        """A folder with the files of that commit, read-only, kept by sha. Raises as `resolve`."""
        ...
