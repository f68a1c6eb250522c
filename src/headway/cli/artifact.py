"""`headway artifact`: list and show what was built, hand over what others built, and lift a
quarantine.
"""

from datetime import UTC, datetime
from pathlib import Path

import click

from headway.cli import handed, names, said
from headway.cli.context import Context, pass_context
from headway.cli.deliver import see
from headway.cli.duration import Duration
from headway.cli.options import Noun
from headway.flows import commands
from headway.flows.commands import Request, Word
from headway.store.views import artifacts, ids
from headway.store.views.artifacts import ArtifactRow
from headway.store.views.paging import Filter
from headway.wording.text import clock, columns, since

DIGEST = click.argument("digest", metavar="DIGEST", shell_complete=names.digests)


@click.group(cls=Noun, examples=("headway artifact list", "headway artifact show sha256:3f2a"))
def artifact() -> None:
    """What was built, known by its digest."""


@artifact.verb("headway artifact list", "headway artifact list --service shop", name="list")
@said.service()
@said.limit()
@pass_context
def listing(context: Context, service: str, limit: int) -> None:
    """Newest first, with where each is quarantined."""
    with context.reading() as connection:
        found = artifacts.read(connection, Filter(service, limit=limit))
    if context.json:
        context.document({"items": found})
        return
    now = datetime.now(UTC)
    head = ("DIGEST", "SERVICE", "COMMIT", "RELEASES", "BUILT", "QUARANTINED IN")
    rows = [
        (
            a.digest,
            a.service,
            a.commit[:7],
            " ".join(a.releases),
            since(a.created_at, now),
            _refused_in(a),
        )
        for a in found
    ]
    context.lines(columns([head, *rows]) if rows else ["No artifact yet. Next: headway deliver"])


def _refused_in(row: ArtifactRow) -> str:
    return ", ".join(q.environment for q in row.quarantines if q.cleared_at is None)


@artifact.verb("headway artifact show sha256:3f2a", "headway artifact show shop-43 --json")
@DIGEST
@pass_context
def show(context: Context, digest: str) -> None:
    """Show an artifact's releases and quarantines.

    DIGEST is a beginning of it, or a release.
    """
    with context.reading() as connection:
        found = artifacts.one(connection, ids.digest(connection, digest))
    if context.json:
        context.document(found)
        return
    context.line(found.digest)
    facts = [
        ("  service", found.service),
        ("  commit", found.commit),
        ("  releases", ", ".join(found.releases)),
        ("  built", clock(found.created_at)),
    ]
    context.lines(columns(facts))
    for row in found.quarantines:
        ended = f"; cleared by {row.cleared_by}: {row.cleared_reason}" if row.cleared_at else ""
        context.line(f"  ✗ quarantined in {row.environment} {clock(row.at)}: {row.because}{ended}")


@artifact.verb(
    "headway artifact push dist --service shop --commit 3f2a9c1 --provenance dist.intoto.json",
    "headway artifact push dist.tar.gz --service shop --commit 3f2a9c1 --provenance p.json "
    "--no-wait",
)
@click.argument("path", metavar="FOLDER|TAR", type=click.Path(exists=True, path_type=Path))
@click.option("--service", required=True, metavar="SERVICE", help="Whose artifact it is.")
@click.option("--commit", "rev", required=True, metavar="REV", help="The commit it was built from.")
@click.option(
    "--provenance",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Signed statements (DSSE) of who built it; without one it is refused.",
)
@click.option("--repo", default="", metavar="PATH", help="The repository; else the hosted one.")
@click.option("--to", default="", metavar="ENV", help="End the delivery after this environment.")
@click.option("--timeout", type=Duration(), help="Follow for so long at most; then exit 5.")
@click.option("--no-wait", is_flag=True, help="Only ask; the server delivers.")
@pass_context
def push(  # noqa: PLR0913
    context: Context,
    path: Path,
    service: str,
    rev: str,
    provenance: Path | None,
    repo: str,
    to: str,
    timeout: float | None,
    *,
    no_wait: bool,
) -> None:
    """Hand over what another system built, and deliver it.

    It is proven like every artifact: signed by a key that this home trusts, about this very
    content, by a builder that the service's headway.yaml names. Exit codes as `headway deliver`.
    """
    found = handed.commit(context, service, repo, rev)
    signed = handed.statements(provenance) if provenance else ()
    stored = handed.stored(context, path, found, service, signed)
    context.note(f"artifact {stored.digest}")
    asked = Request(service, found, context.person, to, stored.digest)
    see(context, [asked], timeout, no_wait=no_wait)


@artifact.verb("headway artifact digest dist --service shop --commit 3f2a9c1")
@click.argument("path", metavar="FOLDER", type=click.Path(exists=True, path_type=Path))
@click.option("--service", required=True, metavar="SERVICE", help="Whose artifact it is.")
@click.option("--commit", "sha", required=True, metavar="SHA", help="The full id of its commit.")
@pass_context
def digest(context: Context, path: Path, service: str, sha: str) -> None:
    """Show the digest that a folder has when it is pushed: what a provenance must name.

    Of a tar file it is the file's own: `sha256sum`. Needs no home.
    """
    known = handed.digest_of(path, service, sha)
    if context.json:
        context.document({"digest": known})
    else:
        context.line(known)


@artifact.verb('headway artifact clear sha256:3f2a --env production --reason "load was the fault"')
@DIGEST
@said.environment()
@said.reason()
@pass_context
def clear(context: Context, digest: str, environment: str, reason: str) -> None:
    """Lift the quarantine of a digest in an environment."""
    with context.reading() as connection:
        known = ids.digest(connection, digest)
    context.confirm(f"Let {known} into {environment} again?")
    with context.headway.tx() as tx:
        word = Word("approve", context.person, reason, environment)
        commands.clear_quarantine(tx, known, environment, word)
    if context.json:
        context.document({"digest": known, "environment": environment, "cleared": True})
    else:
        context.line(f"✓ {known} may enter {environment} again")
