"""Where artifacts are kept, by digest."""

from typing import Protocol

from headway.model.artifact import Artifact, Envelope


class ArtifactStore(Protocol):
    """Content-addressed. What is put under a digest never changes."""

    def pack(self, folder: str, annotations: dict[str, str]) -> Artifact:
        """Store the folder's files as one artifact; the same files and annotations give the same
        digest. Raises Failed (`storage-full`) and leaves nothing half-stored.
        """
        ...

    def take(self, manifest: bytes, blobs: dict[str, str]) -> Artifact:
        """Store an archive that was packed elsewhere: its OCI manifest, kept byte for byte, and the
        files of the blobs that it names, by digest. Raises Refused (`tampered`, `hostile-archive`)
        or Invalid (`not-an-artifact`) and stores nothing.
        """
        ...

    def verify(self, digest: str) -> Artifact:
        """Hash every blob of the artifact again. Raises Invalid (`missing-artifact`) or Refused
        (`tampered`) and names the blob.
        """
        ...

    def unpack(self, digest: str, into: str) -> None:
        """Verify and unpack into the folder `into`, at once or not at all. The same again changes
        nothing. Raises Refused (`hostile-archive`) and names the member.
        """
        ...

    def attach(self, digest: str, envelope: Envelope) -> str:
        """Keep a signed statement about the artifact (an OCI referrer); gives its digest."""
        ...

    def attached(self, digest: str) -> tuple[Envelope, ...]:
        """Every statement kept about the artifact, oldest first."""
        ...
