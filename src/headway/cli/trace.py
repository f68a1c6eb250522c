"""`headway trace`: from a commit, digest or release to everything that happened with it."""

import click

from headway.cli.context import Context, pass_context
from headway.cli.options import verb
from headway.cli.storytelling import told
from headway.store.views import trace as view


@verb("headway trace 3f2a1b9", "headway trace sha256:df9869c6", "headway trace shop-43 --json")
@click.argument("subject", metavar="COMMIT|DIGEST|RELEASE")
@pass_context
def trace(context: Context, subject: str) -> None:
    """Tell the whole story of a commit, digest or release.

    Commit, pipeline, artifact and its signed statement, tests, and each environment's deploy with
    who, what, when, where and how it ended. A unique beginning of a name is enough.
    """
    with context.reading() as connection:
        found = view.read(connection, subject)
    if context.json:
        context.document(found)
        return
    context.line(f"{found.kind} {found.value}")
    for one in found.deliveries:
        context.lines(["", *told(one)])
    for artifact in found.artifacts:
        for row in artifact.quarantines:
            state = f"cleared by {row.cleared_by}" if row.cleared_by else "quarantined"
            context.line(f"✗ {artifact.digest} {state} in {row.environment}: {row.because}")
