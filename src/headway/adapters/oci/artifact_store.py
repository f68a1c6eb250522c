"""The artifact store on disk: an OCI image layout that OCI tools can read. Wiring builds it.

Tags are labels and never move; deploys go by digest only.
"""

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from headway.adapters.oci import tar, unpacking
from headway.adapters.oci.layout import (
    Index,
    Layout,
    Staged,
    Staging,
    entries_of,
    index_of,
    tampered,
)
from headway.artifact import envelope as dsse
from headway.artifact import manifest, strict
from headway.artifact.manifest import Descriptor, Manifest
from headway.artifact.members import Limits
from headway.artifact.strict import Unreadable, shown
from headway.model.artifact import Artifact, Envelope, Stored
from headway.model.errors import Invalid, Refused
from headway.ports.artifact_store import ArtifactStore

REF_NAME = "org.opencontainers.image.ref.name"
ABOUT = "dev.headway.about"
LIMITS = Limits()

_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_REFERRERS_TAG = re.compile(r"sha256-[0-9a-f]{64}")


class OciLayout(ArtifactStore):
    """Artifacts in the folder `root`, made on first use."""

    def __init__(self, root: Path, limits: Limits = LIMITS) -> None:
        self._layout = Layout(root)
        self._limits = limits

    def pack(self, folder: str, annotations: dict[str, str]) -> Artifact:
        """As the port says. Raises also Invalid (`missing-folder`, `empty-artifact`,
        `unsafe-member`, `annotation`) and Failed (`changed`, `storage`).
        """
        content = 0

        def write(out: tar.Out) -> None:
            nonlocal content
            content = tar.write(Path(folder), out, self._limits)

        with self._layout.staging() as staging:
            layer = staging.stream(write)
            blob = staging.add(_archive(layer.named(manifest.TAR), content, annotations))
            staged = [layer, staging.add(manifest.EMPTY), blob]
            entry = _entry(blob.named(manifest.MANIFEST), manifest.ARCHIVE_TYPE)
            with self._layout.locked():
                self._layout.place(staged, _with(self._layout.index(), entry))
        return Artifact(blob.digest, manifest.ARCHIVE_TYPE, content, layer.digest)

    def take(self, data: bytes, blobs: dict[str, str]) -> Artifact:
        """As the port says."""
        try:
            found = manifest.foreign(data)
        except Unreadable as why:
            raise _no_artifact(manifest.digest_of(data), why) from None
        with self._layout.staging() as staging:
            staged = [_staged(staging, one, blobs) for one in (found.layer, found.config)]
            content = unpacking.measured(found.layer, self._limits, staged[0].reopened)
            _as_stated(found, content)
            blob = staging.add(data)
            notes = {manifest.CONTENT_BYTES: str(content)}
            entry = _entry(blob.named(manifest.MANIFEST), found.artifact_type, notes)
            with self._layout.locked():
                index = self._layout.index()
                self._layout.place([*staged, blob], _with(index, entry))
        return Artifact(blob.digest, found.artifact_type, content, found.layer.digest)

    def verify(self, digest: str) -> Artifact:
        """As the port says."""
        found, content = self._archive(digest)
        self._layout.check(found.config)
        self._layout.check(found.layer)
        return Artifact(digest, found.artifact_type, content, found.layer.digest)

    def unpack(self, digest: str, into: str) -> None:
        """As the port says; files added to the folder later are left alone, changed ones are not.

        Raises also Drifted (`foreign-folder`) and Failed (`storage-full`, `storage`).
        """
        self.verify(digest)
        found, content = self._archive(digest)
        opened = partial(self._layout.open, found.layer.digest)
        archive = unpacking.Archive(digest, found.layer, content, self._limits, opened)
        unpacking.ensure(archive, Path(into))

    def attach(self, digest: str, envelope: Envelope) -> str:
        """As the port says. The same envelope again changes nothing.

        Listed in index.json, and under the referrers tag `sha256-<hex>` of the distribution spec
        for tools that look there.
        """
        subject = Descriptor(manifest.MANIFEST, digest, len(self._layout.read(digest)))
        with self._layout.staging() as staging:
            layer = staging.add(dsse.encode(envelope))
            blob = staging.add(manifest.referrer(subject, layer.named(dsse.MEDIA_TYPE), {}))
            named = blob.named(manifest.MANIFEST)
            entry = _entry(named, dsse.MEDIA_TYPE, {ABOUT: digest})
            with self._layout.locked():
                index = _with(self._layout.index(), entry)
                referrers = _with(
                    self._tagged_referrers(index, digest), _entry(named, dsse.MEDIA_TYPE)
                )
                listing = staging.add(strict.dumps(index_of(referrers)))
                tagged = _retagged(index, referrers_tag(digest), listing)
                self._layout.place([layer, staging.add(manifest.EMPTY), blob, listing], tagged)
        return blob.digest

    def attached(self, digest: str) -> tuple[Envelope, ...]:
        """As the port says. Raises Refused (`tampered`) or Invalid (`missing-artifact`) if one of
        them cannot be read: a statement that was lost is never passed over.
        """
        index = self._layout.index()
        own = [one for one in index if annotations(one).get(ABOUT) == digest]
        both = _digests(own + self._tagged_referrers(index, digest))
        return tuple(self._envelope(digest, referrer) for referrer in both)

    def tag(self, name: str, digest: str) -> None:
        """Name an artifact for good. The same again changes nothing.

        Raises Refused (`tag-exists`) if the name stands for another digest, Invalid
        (`bad-tag`, `missing-artifact`).
        """
        if not _TAG.fullmatch(name) or _REFERRERS_TAG.fullmatch(name):
            raise _bad_tag(name)
        self._archive(digest)
        with self._layout.staging(), self._layout.locked():
            index = self._layout.index()
            taken = _resolved(index, name)
            if taken == digest:
                return
            if taken:
                raise _tag_exists(name, taken, digest)
            named = Descriptor(manifest.MANIFEST, digest, len(self._layout.read(digest)))
            entry = _entry(named, manifest.ARCHIVE_TYPE, {REF_NAME: name})
            self._layout.place([], [*index, entry])

    def resolve(self, tag: str) -> str:
        """The digest the tag stands for. Raises Invalid (`unknown-tag`)."""
        found = _resolved(self._layout.index(), tag)
        if not found:
            raise Invalid(
                f"there is no artifact tagged {shown(tag)}",
                next="headway artifact list",
                code="unknown-tag",
            )
        return found

    def list(self) -> tuple[Stored, ...]:
        """Every artifact, oldest first, with its tags. Raises Refused (`tampered`)."""
        index = self._layout.index()
        archives = [one for one in index if _is_archive(one)]
        return tuple(self._stored(digest, archives) for digest in _digests(archives))

    def _stored(self, digest: str, entries: Index) -> Stored:
        found, content = self._archive(digest)
        notes = [annotations(one) for one in entries if one.get("digest") == digest]
        tags = tuple(note[REF_NAME] for note in notes if REF_NAME in note)
        own = {k: v for k, v in found.annotations.items() if not k.startswith(manifest.RESERVED)}
        return Stored(Artifact(digest, found.artifact_type, content), tags, own)

    def _archive(self, digest: str) -> tuple[Manifest, int]:
        """The manifest and the bytes it states to hold."""
        data = self._layout.read(digest)
        try:
            found = manifest.foreign(data)
            taken = "" if found.artifact_type == manifest.ARCHIVE_TYPE else self._noted(digest)
            return found, int(taken) if taken.isdecimal() else manifest.content_bytes(found)
        except Unreadable as why:
            raise _no_artifact(digest, why) from None

    def _noted(self, digest: str) -> str:
        """What was measured when an archive was taken from elsewhere; "" if it was not."""
        mine = (one for one in self._layout.index() if one.get("digest") == digest)
        notes = (annotations(one).get(manifest.CONTENT_BYTES, "") for one in mine)
        return next(filter(None, notes), "")

    def _tagged_referrers(self, index: Index, digest: str) -> Index:
        listing = _resolved(index, referrers_tag(digest))
        if not listing:
            return []
        try:
            return entries_of(self._layout.read(listing))
        except Unreadable as why:
            raise tampered(listing, str(why)) from None

    def _envelope(self, digest: str, referrer: str) -> Envelope:
        try:
            found = manifest.decode(self._layout.read(referrer))
            if found.subject is None or found.subject.digest != digest:
                raise Unreadable("it is listed for an artifact that it is not about")
            return dsse.decode(self._layout.read(found.layer.digest))
        except Unreadable as why:
            raise tampered(referrer, str(why)) from None


def _staged(staging: Staging, blob: Descriptor, files: dict[str, str]) -> Staged:
    """The blob on its way in, once it is what its descriptor says."""
    if blob.digest not in files and blob.digest != manifest.digest_of(manifest.EMPTY):
        raise tampered(blob.digest, "it was not handed over")

    def write(out: tar.Out) -> None:
        with Path(files[blob.digest]).open("rb") as file:
            while chunk := file.read(tar.CHUNK):
                out(chunk)

    made = staging.stream(write) if blob.digest in files else staging.add(manifest.EMPTY)
    if (made.digest, made.size) != (blob.digest, blob.size):
        raise tampered(blob.digest, "its content has another digest or size")
    return made


def _as_stated(found: Manifest, content: int) -> None:
    if found.artifact_type != manifest.ARCHIVE_TYPE:
        return
    try:
        stated = manifest.content_bytes(found)
    except Unreadable as why:
        raise _no_artifact(found.layer.digest, why) from None
    if stated != content:
        raise tampered(found.layer.digest, f"it holds {content} bytes, not {stated}")


def _is_archive(entry: dict[str, object]) -> bool:
    noted = manifest.CONTENT_BYTES in annotations(entry)
    return noted or entry.get("artifactType") == manifest.ARCHIVE_TYPE


def _no_artifact(digest: str, why: Unreadable) -> Invalid:
    return Invalid(
        f"{shown(digest)} is no artifact of Headway",
        why=str(why),
        next="headway artifact list",
        code="not-an-artifact",
    )


def _archive(layer: Descriptor, content: int, annotations: dict[str, str]) -> bytes:
    try:
        return manifest.archive(layer, content, annotations)
    except Unreadable as why:
        raise Invalid("the annotations cannot be stored", why=str(why), code="annotation") from None


def _entry(
    blob: Descriptor, artifact_type: str, annotations: dict[str, str] | None = None
) -> dict[str, object]:
    entry = manifest.written(blob) | {"artifactType": artifact_type}
    return entry | {"annotations": annotations} if annotations else entry


def _with(index: Index, entry: dict[str, object]) -> Index:
    known = any(one.get("digest") == entry["digest"] for one in index)
    return index if known else [*index, entry]


def _retagged(index: Index, tag: str, listing: Staged) -> Index:
    kept = [one for one in index if annotations(one).get(REF_NAME) != tag]
    named = {"annotations": {REF_NAME: tag}}
    return [*kept, manifest.written(listing.named(manifest.INDEX)) | named]


def referrers_tag(digest: str) -> str:
    """The tag under which the distribution spec lists what is about a digest."""
    return digest.replace(":", "-")


def _resolved(index: Index, tag: str) -> str:
    named = (one for one in index if annotations(one).get(REF_NAME) == tag)
    return next(iter(_digests(named)), "")


def annotations(entry: dict[str, object]) -> dict[str, str]:
    """Of an entry of the index. Raises Refused (`tampered`)."""
    try:
        return manifest.texts(entry.get("annotations", {}), "`annotations`")
    except Unreadable as why:
        raise tampered("index.json", str(why)) from None


def _digests(entries: Iterable[dict[str, object]]) -> tuple[str, ...]:
    """Each digest once, in the order listed."""
    return tuple(dict.fromkeys(str(one.get("digest")) for one in entries))


def _bad_tag(name: str) -> Invalid:
    return Invalid(
        f"{shown(name)} is no tag",
        why="a tag has up to 128 letters, digits, `.`, `_` and `-`, and does not begin with `.`",
        next="choose another name, such as shop-43",
        code="bad-tag",
    )


def _tag_exists(name: str, taken: str, digest: str) -> Refused:
    return Refused(
        f"the tag {name} stands for {taken} and is not moved to {digest}",
        why="a tag is never overwritten: what was released under a name stays under it",
        next="choose another name",
        code="tag-exists",
    )
