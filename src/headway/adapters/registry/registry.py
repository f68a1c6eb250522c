"""Artifacts in a registry: tags, digests, manifests, blobs, and what is signed about them.

Wiring builds it for connections of the kind `registry`. Statements are looked for where OCI tools
put them: the referrers API, its tag `sha256-<hex>` for older registries (both distribution-spec
v1.1), and the tag `sha256-<hex>.att`. Only DSSE envelopes are taken; nobody reads them here.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from headway.adapters.registry.client import Answer, Client, bad
from headway.artifact import envelope as dsse
from headway.artifact import manifest, strict
from headway.artifact.manifest import Descriptor
from headway.artifact.strict import Unreadable, shown
from headway.model.artifact import Envelope
from headway.model.connection import Connection
from headway.model.errors import Invalid, Refused
from headway.ports.artifact_registry import ArtifactRegistry, Pulled

MOST_TAGS, TAGS_AT_ONCE = 10_000, 1000
MOST_STATEMENTS = 50
T = TypeVar("T")
_NAME = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_NEXT = re.compile(r'<([^<>\s]{1,2000})>\s*;\s*rel="?next"?')
_DIGEST_HEADER = "docker-content-digest"
_MANIFESTS = ", ".join(
    (
        manifest.MANIFEST,
        manifest.INDEX,
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)


class OciRegistry(ArtifactRegistry):
    """The registry of one connection."""

    def __init__(self, _home: Path, connection: Connection) -> None:
        self._connection = connection

    def tags(self, repository: str) -> tuple[str, ...]:
        """See ArtifactRegistry. At most MOST_TAGS."""
        path: str | None = f"/v2/{_checked(repository)}/tags/list?n={TAGS_AT_ONCE}"
        found: list[str] = []
        with self._client() as client:
            while path and len(found) < MOST_TAGS:
                answer = client.read(path)
                if answer is None:
                    break
                found += self._tags(answer)
                onward = _NEXT.search(answer.headers.get("link", ""))
                path = onward.group(1) if onward else None
        return tuple(found[:MOST_TAGS])

    def digest(self, repository: str, tag: str) -> str:
        """See ArtifactRegistry. Asked by HEAD; a registry that does not say it is read."""
        where = f"/v2/{_checked(repository)}/manifests/{_checked_tag(tag)}"
        with self._client() as client:
            with client.stream("HEAD", where, _MANIFESTS) as answer:
                if answer.status_code == 404:
                    return ""
                told = answer.headers.get(_DIGEST_HEADER, "")
            if told:
                return self._readable(lambda: manifest.checked_digest(told))
            read = client.read(where, _MANIFESTS)
        return manifest.digest_of(read.body) if read else ""

    def statements(self, repository: str, digest: str) -> tuple[Envelope, ...]:
        """See ArtifactRegistry."""
        with self._client() as client:
            return self._statements(client, _checked(repository), _digest(digest))

    def pull(self, repository: str, digest: str, into: str) -> Pulled:
        """See ArtifactRegistry."""
        name = _checked(repository)
        with self._client() as client:
            answer = client.read(f"/v2/{name}/manifests/{_digest(digest)}", _MANIFESTS)
            if answer is None:
                raise _missing(f"{repository}@{digest}", "the registry does not have it")
            _same(digest, manifest.digest_of(answer.body))
            try:
                found = manifest.foreign(answer.body)
            except Unreadable as why:
                raise _no_archive(repository, digest, why) from None
            blobs = {}
            for one in (found.config, found.layer):
                blobs[one.digest] = self._blob(client, name, one, Path(into))
            return Pulled(answer.body, blobs, self._statements(client, name, digest))

    def _client(self) -> Client:
        return Client(self._connection)

    def _tags(self, answer: Answer) -> list[str]:
        """Names that are none are left out: they could not be asked for."""

        def read() -> list[object]:
            listed = answer.fields("the list of tags").get("tags")
            return [] if listed is None else strict.sequence(listed, "`tags`")

        return [t for t in self._readable(read) if isinstance(t, str) and _TAG.fullmatch(t)]

    def _blob(self, client: Client, name: str, blob: Descriptor, into: Path) -> str:
        """The blob as a file; its digest and size are right."""
        file, hashed, size = into / blob.digest.partition(":")[2], hashlib.sha256(), 0
        with client.stream("GET", f"/v2/{name}/blobs/{blob.digest}") as answer:
            if answer.status_code == 404:
                raise _missing(blob.digest, "the registry has lost this part of it")
            with file.open("wb") as out:
                for chunk in answer.iter_bytes(1 << 20):
                    size += len(chunk)
                    if size > blob.size:
                        break
                    hashed.update(chunk)
                    out.write(chunk)
        if size != blob.size:
            raise _tampered(blob.digest, f"it is not {blob.size} bytes long")
        _same(blob.digest, f"sha256:{hashed.hexdigest()}")
        return str(file)

    def _statements(self, client: Client, name: str, digest: str) -> tuple[Envelope, ...]:
        found: dict[str, Descriptor] = {}
        for one in self._about(client, name, digest):
            layers = self._readable(partial(_layers, one))
            found |= {d.digest: d for d in layers if d.media_type == dsse.MEDIA_TYPE}
            if len(found) > MOST_STATEMENTS:
                raise bad(
                    self._connection, f"more than {MOST_STATEMENTS} statements about {digest}"
                )
        return tuple(self._statement(client, name, one) for one in found.values())

    def _about(self, client: Client, name: str, digest: str) -> Iterator[bytes]:
        """Manifests of what is said about the artifact."""
        tag = digest.replace(":", "-")
        for where in (f"referrers/{digest}", f"manifests/{tag}"):
            listed = client.read(f"/v2/{name}/{where}", manifest.INDEX)
            for one in self._listed(listed) if listed else ():
                known = client.read(f"/v2/{name}/manifests/{one}", manifest.MANIFEST)
                if known and manifest.digest_of(known.body) == one:
                    yield known.body
        attached = client.read(f"/v2/{name}/manifests/{tag}.att", manifest.MANIFEST)
        if attached:
            yield attached.body

    def _listed(self, answer: Answer) -> list[str]:
        """Digests in an index, those only that may hold an envelope."""

        def read() -> list[str]:
            listed = strict.sequence(answer.fields("the index").get("manifests"), "`manifests`")
            return [manifest.descriptor(one, "a referrer").digest for one in listed]

        return self._readable(read)[: 2 * MOST_STATEMENTS]

    def _statement(self, client: Client, name: str, one: Descriptor) -> Envelope:
        answer = client.read(f"/v2/{name}/blobs/{one.digest}")
        if answer is None:
            raise _missing(one.digest, "the registry has lost a statement about it")
        _same(one.digest, manifest.digest_of(answer.body))
        return self._readable(lambda: dsse.decode(answer.body))

    def _readable(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except Unreadable as why:
            raise bad(self._connection, str(why)) from None


def _layers(data: bytes) -> list[Descriptor]:
    fields = strict.mapping(strict.loads(data), "a statement's manifest")
    listed = strict.sequence(fields.get("layers"), "`layers`")
    return [manifest.descriptor(one, "a layer") for one in listed]


def _checked(repository: str) -> str:
    if len(repository) > 255 or not _NAME.fullmatch(repository):
        raise Invalid(
            f"{shown(repository)} is no repository of a registry",
            why="lower-case letters, digits and . _ - between slashes",
            code="registry",
        )
    return repository


def _checked_tag(tag: str) -> str:
    if not _TAG.fullmatch(tag):
        raise Invalid(f"{shown(tag)} is no tag", code="registry")
    return quote(tag, safe="")


def _digest(digest: str) -> str:
    try:
        return manifest.checked_digest(digest)
    except Unreadable as why:
        raise Invalid(f"{shown(digest)} is no digest", why=str(why), code="registry") from None


def _same(wanted: str, found: str) -> None:
    if found != wanted:
        raise _tampered(wanted, f"what came has the digest {found}")


def _tampered(digest: str, why: str) -> Refused:
    return Refused(
        f"the registry gives something else for {digest}",
        why=why,
        next="find out who can write to the registry",
        code="tampered",
    )


def _missing(what: str, why: str) -> Invalid:
    return Invalid(f"the artifact {shown(what)} is missing", why=why, code="missing-artifact")


def _no_archive(repository: str, digest: str, why: Unreadable) -> Invalid:
    return Invalid(
        f"{shown(f'{repository}@{digest}')} is no archive that can be run here",
        why=str(why),
        next="push the built folder as one tar layer, for example with `oras push`",
        code="not-an-artifact",
    )
