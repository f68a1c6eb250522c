"""A commit on its way to another machine, as a file of objects, and put together again there."""

from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class SourceNotes:
    """What goes beside the objects. `refs`: full names of branches and tags to object ids;
    `shallow`: commits whose parents are not there.
    """

    refs: dict[str, str]
    shallow: tuple[str, ...] = ()


class SourcePacks(Protocol):
    """Gives away and takes in commits with their history."""

    def pack(self, repo: str, sha: str, base: str) -> tuple[BinaryIO, SourceNotes]:
        """Every object of the commit and its history that commit `base` ("" for none) lacks, in a
        file that is gone when it is closed. Raises Invalid (`unknown-repository`,
        `unknown-revision`), Failed (`git-failed`).
        """
        ...

    def has(self, repo: str, sha: str) -> bool:
        """Whether the repository has that commit. False also if there is no repository."""
        ...

    def take(self, store: str, sha: str, pack: BinaryIO) -> None:
        """Add the objects, whole or not at all, to the folder `store`, made if it is not there.

        What `base` has must be there already. Raises Failed (`git-failed`, `storage-full`).
        """
        ...

    def show(self, store: str, sha: str, notes: SourceNotes) -> str:
        """A repository with exactly these branches and tags over the objects of `store`."""
        ...
