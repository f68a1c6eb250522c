"""`headway artifact`: list and show what was built, and lift a quarantine."""

from datetime import UTC, datetime

import click

from headway.cli import names, said
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.cli.text import clock, columns, since
from headway.flows import commands
from headway.flows.commands import Word
from headway.store.views import ids, lists
from headway.store.views.lists import ArtifactRow, Filter

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
        found = lists.list_artifacts(connection, Filter(service, limit=limit))
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
        found = lists.artifact(connection, ids.digest(connection, digest))
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
