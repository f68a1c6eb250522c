"""`headway deliver`: asks for the delivery of a commit and follows it.

If no other process runs deliveries for this home, this one does while it follows.
"""

import click

from headway.cli import handed
from headway.cli.context import Context, pass_context
from headway.cli.driving import finish
from headway.cli.duration import Duration
from headway.cli.options import verb
from headway.cli.repository import service_of, top_level
from headway.flows import commands
from headway.flows.commands import Request
from headway.model.errors import Invalid, Unreachable
from headway.model.service import Service


@verb(
    "headway deliver",
    "headway deliver ~/src/shop --rev release-7 --to staging",
    "headway deliver --timeout 30m --json",
    "headway deliver --artifact registry.example.com/shop@sha256:…",
)
@click.argument("path", default=".", type=click.Path())
@click.option("--rev", default="", metavar="REV", help="A branch, tag or commit; else HEAD.")
@click.option(
    "--artifact",
    default="",
    metavar="DIGEST",
    help="Build nothing: deliver what another system built, HOST/REPOSITORY@DIGEST or a digest.",
)
@click.option("--to", default="", metavar="ENV", help="End the delivery after this environment.")
@click.option("--timeout", type=Duration(), help="Follow for so long at most; then exit 5.")
@click.option("--no-wait", is_flag=True, help="Only ask; the server delivers.")
@pass_context
def deliver(  # noqa: PLR0913
    context: Context,
    path: str,
    rev: str,
    artifact: str,
    to: str,
    timeout: float | None,
    *,
    no_wait: bool,
) -> None:
    """Deliver a commit and follow it.

    PATH is a folder in a Git repository that has a headway.yaml. Exit codes: 0 delivered, 1 failed,
    3 refused, 4 rolled back, 5 still waiting at --timeout, 7 overtaken by a newer delivery.
    """
    asked = _asked(context, path, rev or "HEAD", to)
    if artifact:
        asked = handed.over(context, asked, artifact, any_commit=not rev)
    see(context, asked, timeout, no_wait=no_wait)


def see(context: Context, asked: Request, timeout: float | None, *, no_wait: bool) -> None:
    """Ask for the delivery and, unless told not to, follow it to its exit code."""
    if no_wait:
        _only_ask(context, asked)
    else:
        finish(context, lambda: _request(context, asked), timeout)


def _asked(context: Context, path: str, rev: str, to: str) -> Request:
    source = context.headway.world.source
    commit = source.commit(top_level(path), rev)
    service = service_of(source, commit)
    _check_end(service, to)
    return Request(service.name, commit, context.person, to)


def _check_end(service: Service, to: str) -> None:
    names = [e.name for e in service.environments]
    if to and to not in names:
        why = f"its path is {', '.join(names)}"
        raise Invalid(f"{service.name} has no environment `{to}`", why=why, code="unknown-name")


def _request(context: Context, asked: Request) -> str:
    with context.headway.tx() as tx:
        return commands.request(tx, context.headway.outbox, asked)


def _only_ask(context: Context, asked: Request) -> None:
    if not context.headway.engine_runs():
        raise Unreachable(
            "nobody would deliver this",
            why="no server runs for this home, and --no-wait does not stay to do it",
            next="headway server",
            code="no-server",
        )
    id = _request(context, asked)
    if context.json:
        context.document({"delivery": id})
    else:
        context.line(f"{id}  asked for; headway delivery watch {id}")
