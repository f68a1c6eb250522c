"""OCI image manifests (image-spec v1.1) for an archive and for a statement that refers to it.

The artifact store writes and reads them; the digest of these bytes is the artifact's identity.
"""

import hashlib
import re
from dataclasses import dataclass, field

from headway.artifact import strict
from headway.artifact.strict import Unreadable

ARCHIVE_TYPE = "application/vnd.headway.archive.v1"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar"
TAR_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
CONTENT_BYTES = "dev.headway.content.bytes"
RESERVED = "dev.headway."

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(
    r"[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}"
)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Names one blob: what it is, its digest `sha256:<hex>` and its size in bytes."""

    media_type: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image manifest. `subject` is what a referrer is about, None for an artifact itself."""

    artifact_type: str
    config: Descriptor
    layer: Descriptor
    subject: Descriptor | None = None
    annotations: dict[str, str] = field(default_factory=dict)


def digest_of(data: bytes) -> str:
    """`sha256:<hex>` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def checked_digest(digest: str) -> str:
    """`digest` if it is `sha256:` and 64 lower-case hex digits. Raises Unreadable."""
    if not _DIGEST.fullmatch(digest):
        raise Unreadable(f"{strict.shown(digest)} is not a sha256 digest")
    return digest


def archive(layer: Descriptor, content_bytes: int, annotations: dict[str, str]) -> bytes:
    """The manifest of an archive whose one layer is a tar; `content_bytes` is its unpacked size.

    Raises Unreadable if `annotations` uses one of Headway's own names.
    """
    own = [name for name in annotations if name.startswith(RESERVED)]
    if own:
        raise Unreadable(f"the annotation {strict.shown(own[0])} is Headway's own")
    noted = annotations | {CONTENT_BYTES: str(content_bytes)}
    return encode(Manifest(ARCHIVE_TYPE, _EMPTY_CONFIG, layer, None, noted))


def referrer(subject: Descriptor, layer: Descriptor, annotations: dict[str, str]) -> bytes:
    """The manifest of a statement about `subject`; its type is that of its one layer."""
    return encode(Manifest(layer.media_type, _EMPTY_CONFIG, layer, subject, dict(annotations)))


def encode(manifest: Manifest) -> bytes:
    """Canonical JSON."""
    value: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": manifest.artifact_type,
        "config": written(manifest.config),
        "layers": [written(manifest.layer)],
    }
    if manifest.subject:
        value["subject"] = written(manifest.subject)
    if manifest.annotations:
        value["annotations"] = manifest.annotations
    return strict.dumps(value)


def decode(data: bytes) -> Manifest:
    """The manifest in `data`. Raises Unreadable if it is not one of the shape written here."""
    fields = strict.mapping(strict.loads(data), "the manifest")
    if fields.get("schemaVersion") != 2 or fields.get("mediaType") != MANIFEST:
        raise Unreadable("it is not an OCI image manifest")
    layers = strict.sequence(fields.get("layers"), "`layers`")
    if len(layers) != 1:
        raise Unreadable(f"it has {len(layers)} layers, not one")
    subject = fields.get("subject")
    return Manifest(
        artifact_type=_media_type(fields.get("artifactType"), "`artifactType`"),
        config=descriptor(fields.get("config"), "`config`"),
        layer=descriptor(layers[0], "the layer"),
        subject=None if subject is None else descriptor(subject, "`subject`"),
        annotations=texts(fields.get("annotations", {}), "`annotations`"),
    )


def foreign(data: bytes) -> Manifest:
    """The manifest of an archive that any tool wrote: one layer that is a tar, no subject.

    `mediaType` and `artifactType` may be missing, as image-spec v1.1 allows; the type is then that
    of the configuration. Raises Unreadable and says what it is instead.
    """
    fields = strict.mapping(strict.loads(data), "the manifest")
    if fields.get("schemaVersion") != 2 or fields.get("mediaType", MANIFEST) != MANIFEST:
        raise Unreadable("it is not an OCI image manifest")
    config = descriptor(fields.get("config"), "`config`")
    typed = {"mediaType": MANIFEST, "artifactType": config.media_type} | fields
    found = decode(strict.dumps(typed))
    if found.subject is not None:
        raise Unreadable("it is a statement about another artifact")
    if found.layer.media_type not in {TAR, TAR_GZIP}:
        raise Unreadable(f"its layer is {strict.shown(found.layer.media_type)}, not a tar")
    return found


def content_bytes(manifest: Manifest) -> int:
    """The unpacked size an archive states. Raises Unreadable: no archive, or no such number."""
    if manifest.artifact_type != ARCHIVE_TYPE or manifest.subject is not None:
        raise Unreadable(f"it is no archive but {strict.shown(manifest.artifact_type)}")
    if manifest.layer.media_type not in {TAR, TAR_GZIP}:
        raise Unreadable(f"its layer is {strict.shown(manifest.layer.media_type)}, not a tar")
    stated = manifest.annotations.get(CONTENT_BYTES, "")
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", stated):
        raise Unreadable(f"the annotation {CONTENT_BYTES} is no size")
    return int(stated)


def written(descriptor: Descriptor) -> dict[str, object]:
    """The descriptor as a JSON object."""
    return {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }


def descriptor(value: object, what: str) -> Descriptor:
    """The descriptor in a JSON value. Raises Unreadable, naming it as `what`."""
    fields = strict.mapping(value, what)
    size = fields.get("size")
    if type(size) is not int or not 0 <= size < 1 << 53:
        raise Unreadable(f"the size of {what} is no size")
    return Descriptor(
        media_type=_media_type(fields.get("mediaType"), f"the media type of {what}"),
        digest=checked_digest(strict.text(fields.get("digest"), f"the digest of {what}")),
        size=size,
    )


def texts(value: object, what: str) -> dict[str, str]:
    """A JSON object whose values are all texts. Raises Unreadable, naming it as `what`."""
    found = strict.mapping(value, what)
    return {key: strict.text(one, f"{strict.shown(key)} in {what}") for key, one in found.items()}


def _media_type(value: object, what: str) -> str:
    found = strict.text(value, what)
    if not _MEDIA_TYPE.fullmatch(found):
        raise Unreadable(f"{what} is no media type")
    return found


_EMPTY_CONFIG = Descriptor(EMPTY_TYPE, digest_of(EMPTY), len(EMPTY))
