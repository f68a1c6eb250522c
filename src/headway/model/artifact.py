"""An artifact is its digest. Labels and tags are only names for it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Artifact:
    """`digest`: `sha256:<hex>` of the OCI manifest; `size_bytes`: the unpacked content; `archive`:
    the digest of the tar that it holds, "" if nobody asked.
    """

    digest: str
    media_type: str
    size_bytes: int
    archive: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A DSSE envelope (secure-systems-lab/dsse, envelope.md): payload bytes and signatures."""

    payload_type: str
    payload: bytes
    signatures: tuple["Signature", ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """`keyid` names the key, `sig` is the raw signature over the PAE of the payload."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """An artifact as the store lists it: its tags and the annotations it was packed with."""

    artifact: Artifact
    tags: tuple[str, ...]
    annotations: dict[str, str]
