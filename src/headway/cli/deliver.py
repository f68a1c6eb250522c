"""`headway deliver`: asks for the delivery of a commit and follows it.

If no other process runs deliveries for this home, this one does while it follows.
"""

from functools import partial

import click

from headway.cli import handed
from headway.cli.context import Context, pass_context
from headway.cli.driving import finish
from headway.cli.duration import Duration
from headway.cli.hints import hint
from headway.cli.options import verb
from headway.cli.repository import named_at, top_level
from headway.flows import affected, commands, configuration
from headway.flows.commands import Request
from headway.model.commit import Commit
from headway.model.errors import Invalid, Unreachable
from headway.model.service import Service
from headway.wording.text import plain


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

    PATH is a folder in a Git repository that has a headway.yaml. In a workspace it is the folder of
    one service, or at its root: every service that is affected by what changed since it was last
    delivered. Exit codes: 0 delivered, 1 failed, 3 refused, 4 rolled back, 5 still waiting at
    --timeout, 7 overtaken by a newer delivery; of several, the first that is not 0.
    """
    asked = _asked(context, path, rev or "HEAD", to)
    if artifact:
        asked = [handed.over(context, _only(asked), artifact, any_commit=not rev)]
    see(context, asked, timeout, no_wait=no_wait)


def see(context: Context, asked: list[Request], timeout: float | None, *, no_wait: bool) -> None:
    """Ask for the deliveries and, unless told not to, follow them to their exit code."""
    if no_wait:
        _only_ask(context, asked)
    else:
        finish(context, [partial(_request, context, one) for one in asked], timeout)


def _asked(context: Context, path: str, rev: str, to: str) -> list[Request]:
    """One request for each service that is meant; none if the commit affects none."""
    source = context.headway.world.source
    commit = source.commit(top_level(path), rev)
    many = configuration.workspace_at(source, commit.repo, commit.sha)
    name = named_at(source, commit, path)
    if many and not name:
        return _affected(context, commit, to)
    service = configuration.service_at(source, commit.repo, commit.sha, name)
    _check_end(service, to)
    return [Request(service.name, commit, context.person, to)]


def _affected(context: Context, commit: Commit, to: str) -> list[Request]:
    headway = context.headway
    known = affected.services_at(headway.world, commit.repo, commit.sha, "")
    for one in known:
        if one.service is None:
            configuration.service_at(headway.world.source, commit.repo, commit.sha, one.name)
        else:
            _check_end(one.service, to)
    found = affected.affected(headway.world, headway.reading, commit.repo, commit.sha, known)
    for which in found:
        context.note(f"{which.name} is affected: {plain(which.because)}")
    if not found:
        context.note(f"commit {commit.sha[:12]} affects no service of this workspace")
    return [Request(one.name, commit, context.person, to) for one in found]


def _only(asked: list[Request]) -> Request:
    if len(asked) != 1:
        raise Invalid(
            "an artifact is of one service",
            why="this is the root of a workspace",
            next="headway deliver FOLDER --artifact …, with the folder of the service",
            code="workspace",
        )
    return asked[0]


def _check_end(service: Service, to: str) -> None:
    names = [e.name for e in service.environments]
    if to and to not in names:
        why = f"its path is {', '.join(names)}"
        raise Invalid(f"{service.name} has no environment `{to}`", why=why, code="unknown-name")


def _request(context: Context, asked: Request) -> str:
    with context.headway.tx() as tx:
        return commands.request(tx, context.headway.outbox, asked)


def _only_ask(context: Context, asked: list[Request]) -> None:
    if not context.headway.engine_runs():
        raise Unreachable(
            "nobody would deliver this",
            why="no server runs for this home, and --no-wait does not stay to do it",
            next="headway server",
            code="no-server",
        )
    ids = [_request(context, one) for one in asked]
    if context.json:
        context.document({"delivery": ids[0]} if len(ids) == 1 else {"deliveries": ids})
    for id in [] if context.json else ids:
        context.line(hint(f"{id}  asked for; headway delivery watch {id}"))
