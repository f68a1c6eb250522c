"""What files a job depends on, as Git names them: equal ids mean equal files."""

from collections.abc import Sequence
from typing import Protocol


class SourceTrees(Protocol):
    """Reads object ids of a commit, or of a working copy as it is."""

    def trees(self, repo: str, sha: str, folder: str, paths: Sequence[str]) -> dict[str, str]:
        """The Git object id of each path ("": the whole tree); "" for one that is not there.

        A path is a file, a folder, or a pattern with `*` and `**` (relative to the top, `/` between
        names), whose id stands for all it matches. With a `folder` its files are meant, ignored
        ones left out, committed or not; nothing is written to its repository. Raises Invalid
        (`unknown-repository`, `bad-path`), Failed (`git-failed`), Unreachable (`git-missing`).
        """
        ...
