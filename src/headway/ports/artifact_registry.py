"""Where other systems keep the artifacts that they built."""

from dataclasses import dataclass
from typing import Protocol

from headway.model.artifact import Envelope


@dataclass(frozen=True, slots=True)
class Pulled:
    """An artifact as a registry has it: the manifest's bytes, files of its blobs by digest, and the
    signed statements about it, none of them looked into.
    """

    manifest: bytes
    blobs: dict[str, str]
    statements: tuple[Envelope, ...]


class ArtifactRegistry(Protocol):
    """One registry (OCI distribution-spec v1.1), read only. Names and answers are hostile.

    Every method raises Unreachable (`registry`), Refused (`registry`: it does not let us) and
    Invalid (`registry`).
    """

    def tags(self, repository: str) -> tuple[str, ...]:
        """The tags of the repository; none: it has none, or is not there."""
        ...

    def digest(self, repository: str, tag: str) -> str:
        """What the tag means now; "" if it is not there."""
        ...

    def statements(self, repository: str, digest: str) -> tuple[Envelope, ...]:
        """The signed statements that lie beside the artifact; none: there are none, or it is not
        there.
        """
        ...

    def pull(self, repository: str, digest: str, into: str) -> Pulled:
        """Manifest, blobs (as files in the folder `into`) and statements.

        Raises Invalid (`missing-artifact`), and Refused (`tampered`) if what comes has another
        digest or size.
        """
        ...
