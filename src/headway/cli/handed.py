"""What people say of an artifact that another system built: which one, where, with what proof.

Used by `headway deliver --artifact` and `headway artifact push`.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from headway.adapters.oci.artifact_store import OciLayout
from headway.artifact import envelope as dsse
from headway.artifact import manifest
from headway.artifact.manifest import Descriptor, Manifest
from headway.artifact.strict import Unreadable, shown
from headway.cli.context import Context
from headway.cli.repository import top_level
from headway.flows import handover
from headway.flows.commands import Request
from headway.model.artifact import Artifact, Envelope
from headway.model.commit import Commit
from headway.model.connection import Connection
from headway.model.errors import Invalid
from headway.ports.artifact_registry import Pulled
from headway.store import connections

KIND = "registry"
HANDED_TYPE = "application/vnd.headway.handed.v1"
TITLE, REVISION = "org.opencontainers.image.title", "org.opencontainers.image.revision"
MOST_PROVENANCE = 4 << 20
_GZIP = b"\x1f\x8b"


def over(context: Context, asked: Request, artifact: str, *, any_commit: bool) -> Request:
    """The request for that artifact; `any_commit`: of the commit that its provenance names.

    Raises Invalid (`bad-digest`, `unknown-registry`).
    """
    where, _, digest = artifact.rpartition("@")
    try:
        manifest.checked_digest(digest)
    except Unreadable as why:
        raise Invalid(
            f"{shown(artifact)} names no artifact",
            why=str(why),
            next="write HOST/REPOSITORY@sha256:…, or the digest of one that was pushed here",
            code="bad-digest",
        ) from None
    commit = asked.commit
    if any_commit:
        commit = Commit("", commit.repo, "", "", f"artifact {digest[:19]}", "")
    named = f"{_place(context, where)}@{digest}" if where else digest
    return replace(asked, commit=commit, artifact=named)


def _place(context: Context, where: str) -> str:
    """`HOST/REPOSITORY`, or a connection's name for the host, as `CONNECTION/REPOSITORY`."""
    host, _, repository = where.partition("/")
    known = [c for c in connections.every(context.home_folder) if c.kind == KIND]
    for one in known:
        if repository and host in {one.name, _host(one)}:
            return f"{one.name}/{repository}"
    raise Invalid(
        f"no connection leads to {shown(where)}",
        why=f"registries known here: {', '.join(c.name for c in known) or 'none'}",
        next="headway connection add NAME --kind registry --url-stdin",
        code="unknown-registry",
    )


def _host(connection: Connection) -> str:
    return urlsplit(connection.url).netloc.rpartition("@")[2]


def commit(context: Context, service: str, repo: str, rev: str) -> Commit:
    """The commit in the service's repository: the one given, the hosted one, or where we stand.

    Raises Invalid (`unknown-repository`, `unknown-revision`).
    """
    if not repo and service in context.headway.hosting.names():
        repo = str(context.headway.hosting.path(service))
    return context.headway.world.source.commit(repo or top_level("."), rev)


def digest_of(path: Path, service: str, sha: str) -> str:
    """The digest of a folder as an artifact of that commit."""
    with TemporaryDirectory(prefix="headway-") as folder:
        return OciLayout(Path(folder)).pack(str(path), _notes(service, sha)).digest


def _notes(service: str, sha: str) -> dict[str, str]:
    """The same that a build here writes, so that the same files have the same digest."""
    return {TITLE: service, REVISION: sha}


def statements(file: Path) -> tuple[Envelope, ...]:
    """Signed statements in a file: one DSSE envelope, or one in each line (in-toto bundle).

    Raises Invalid (`bad-provenance`).
    """
    with file.open("rb") as stream:
        data = stream.read(MOST_PROVENANCE + 1)
    lines = [line for line in data.splitlines() if line.strip()]
    try:
        return _decoded(lines) if len(lines) > 1 and lines[0].endswith(b"}") else _decoded([data])
    except Unreadable as why:
        raise Invalid(
            f"{file} holds no signed provenance",
            why=str(why),
            next="write one DSSE envelope (JSON) with an in-toto statement",
            code="bad-provenance",
        ) from None


def _decoded(texts: list[bytes]) -> tuple[Envelope, ...]:
    return tuple(dsse.decode(one) for one in texts)


def stored(
    context: Context, path: Path, commit: Commit, service: str, signed: tuple[Envelope, ...]
) -> Artifact:
    """The folder or tar file in this home's store, with its statements. Raises as the store."""
    world, notes = context.headway.world, _notes(service, commit.sha)
    if path.is_dir():
        artifact = world.artifacts.pack(str(path), notes)
        handover.attach(world, artifact, signed)
        return artifact
    with TemporaryDirectory(prefix="hand-", dir=context.headway.home) as folder:
        return handover.keep(world, _tar(path, Path(folder), notes, signed))


def _tar(path: Path, folder: Path, notes: dict[str, str], signed: tuple[Envelope, ...]) -> Pulled:
    """The tar as it is, under a manifest; the statement may name either."""
    with path.open("rb") as file:
        kind = manifest.TAR_GZIP if file.read(2) == _GZIP else manifest.TAR
        file.seek(0)
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        layer = Descriptor(kind, digest, file.tell())
    empty = folder / "empty"
    empty.write_bytes(manifest.EMPTY)
    config = Descriptor(manifest.EMPTY_TYPE, manifest.digest_of(manifest.EMPTY), 2)
    data = manifest.encode(Manifest(HANDED_TYPE, config, layer, None, notes))
    return Pulled(data, {digest: str(path), config.digest: str(empty)}, signed)
