"""`headway release`: list and show releases, and start one where nothing starts by itself."""

from datetime import UTC, datetime

import click

from headway.cli import names, said
from headway.cli.context import Context, pass_context
from headway.cli.hints import hint
from headway.cli.options import Noun
from headway.flows import commands
from headway.flows.commands import Word
from headway.model.delivery import Release
from headway.model.errors import Invalid
from headway.store import records
from headway.store.views import lists
from headway.store.views.paging import Filter
from headway.wording.text import clock, columns, since

RELEASE = click.argument("name", metavar="RELEASE", shell_complete=names.releases)


@click.group(cls=Noun, examples=("headway release list --service shop",))
def release() -> None:
    """An artifact with its configuration, numbered."""


@release.verb("headway release list", "headway release list --service shop --limit 10", name="list")
@said.service()
@said.limit()
@pass_context
def listing(context: Context, service: str, limit: int) -> None:
    """Newest first."""
    with context.reading() as connection:
        found = lists.list_releases(connection, Filter(service, limit=limit))
    if context.json:
        context.document({"items": found})
        return
    now = datetime.now(UTC)
    head = ("RELEASE", "COMMIT", "DIGEST", "AUTHOR", "CREATED", "IN CHARGE IN")
    rows = [
        (
            r.name,
            r.commit[:7],
            r.digest,
            r.author,
            since(r.created_at, now),
            ", ".join(r.environments),
        )
        for r in found
    ]
    context.lines(columns([head, *rows]) if rows else ["No release yet. Next: headway deliver"])


@release.verb("headway release show shop-43")
@RELEASE
@pass_context
def show(context: Context, name: str) -> None:
    """Show what a release is made of."""
    with context.reading() as connection:
        known = records.release(connection, name)
    if context.json:
        context.document(known)
        return
    context.lines(_lines(known))


def _lines(known: Release) -> list[str]:
    path = " ".join(e.name for e in known.config.environments)
    created = datetime.fromtimestamp(known.created_at, UTC)
    return [
        known.name,
        *columns(
            [
                ("  digest", known.digest),
                ("  configuration", known.config_digest),
                ("  commit", known.sha),
                ("  author", known.author),
                ("  created", clock(created)),
                ("  path", path),
                ("  delivery", known.delivery),
            ]
        ),
        f"  next: headway trace {known.name}",
    ]


@release.verb(
    'headway release start shop-43 --env production --reason "sale begins"',
    'headway release start shop-44 --env production --hotfix --reason "prices are wrong"',
)
@RELEASE
@said.environment()
@said.reason(required=False)
@click.option("--hotfix", is_flag=True, help="Beside the train, at once; needs --reason.")
@pass_context
def start(
    context: Context, name: str, environment: str, reason: str | None, *, hotfix: bool
) -> None:
    """Let a release into an environment that waits for a person (`auto: false`).

    With --hotfix it does not wait for the train either. Every other gate is asked as ever.
    """
    if hotfix and not (reason or "").strip():
        raise Invalid("a hotfix needs a reason", next="--reason TEXT", code="missing-reason")
    with context.headway.tx() as tx:
        known = records.release(tx.connection, name)
        _check(known, environment)
        word = Word("hotfix" if hotfix else "start", context.person, reason or "", environment)
        commands.say(tx, context.headway.outbox, known.delivery, word)
    if context.json:
        context.document({"release": name, "environment": environment, "command": "start"})
    else:
        told = f"told {name} to start in {environment}; headway delivery watch {name}"
        context.line(hint(told))


def _check(known: Release, environment: str) -> None:
    path = [e.name for e in known.config.environments]
    if environment not in path:
        raise Invalid(
            f"{known.name} has no environment `{environment}`",
            why=f"its path is {', '.join(path)}",
            next=f"headway release show {known.name}",
            code="unknown-name",
        )
