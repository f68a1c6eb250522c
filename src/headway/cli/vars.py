"""`headway vars`: values that workflows read as `${{ vars.NAME }}`."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.model.errors import Invalid
from headway.pipeline.run.variables import Variable, checked, fits
from headway.wording.text import columns, plain, since

if TYPE_CHECKING:
    from headway.store.variables import Kept

Command = Callable[..., Any]
MOST_SHOWN = 60
MOST_STDIN = 65_536


@click.group(
    cls=Noun,
    examples=("headway vars set LOG_LEVEL debug", "headway vars list"),
)
def vars() -> None:
    """Values of `vars` that workflows read; nothing secret.

    One holds for every run of the home, or only for a repository or a service, and there for every
    job or only for jobs of an environment. The environment's wins over the service's, that over the
    repository's, that over the home's. A run keeps what it saw when it was made.
    """


def _where(command: Command) -> Command:
    """Where a variable holds: `repo`, `service`, `environment`."""
    options = (
        click.option("--repo", default="", metavar="REPO",
                     help="Only there: a hosted repository, a folder or a URL."),
        click.option("--service", default="", metavar="NAME", help="Only for this service."),
        click.option("--env", "environment", default="", metavar="ENV",
                     help="Only for jobs of this environment."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@vars.verb(
    "headway vars set LOG_LEVEL debug",
    "headway vars set REGION eu --service shop --env production",
    "headway vars set NOTES --repo https://git.example.com/ana/shop.git < notes.txt",
    name="set",
)
@click.argument("name", metavar="NAME")
@click.argument("value", required=False, metavar="[VALUE]")
@_where
@pass_context
def put(context: Context, /, name: str, value: str | None, **where: str) -> None:
    """Set a variable, or change it; without VALUE it is read from stdin.

    Names are letters, digits and `_`, in either case. Passwords are secrets, not variables.
    """
    from headway.store import variables  # noqa: PLC0415

    text = _stdin(context) if value is None else value
    one = _variable(context, name, fits(text), where)
    with context.headway.tx() as tx:
        news = variables.put(tx, one, context.person)
    if context.json:
        context.document({**_fields(one), "changed": news})
    else:
        context.line(f"{_named(context, one)} {'is set' if news else 'has that value already'}")


@vars.verb("headway vars list", "headway vars list --json", name="list")
@pass_context
def listing(context: Context) -> None:
    """All of them, where they hold, and who set them."""
    from headway.store import variables  # noqa: PLC0415

    with context.reading() as connection:
        found = variables.every(connection)
    if context.json:
        items = [{**_fields(k.variable), "by": k.by, "at": _moment(k)} for k in found]
        context.document({"items": items})
        return
    if not found:
        context.line("No variable yet. Next: headway vars set LOG_LEVEL debug")
        return
    head = ("NAME", "VALUE", "WHERE", "ENVIRONMENT", "SET")
    now = datetime.now(UTC)
    rows = [
        (
            k.variable.name,
            plain(k.variable.value, MOST_SHOWN),
            plain(_place(context, k.variable.scope), 120),
            plain(k.variable.environment, 40) or "every job",
            f"{since(_moment(k), now)} by {plain(k.by, 40)}",
        )
        for k in found
    ]
    context.lines(columns([head, *rows]))


@vars.verb("headway vars delete LOG_LEVEL", "headway vars delete REGION --service shop --env prod")
@click.argument("name", metavar="NAME")
@_where
@pass_context
def delete(context: Context, /, name: str, **where: str) -> None:
    """Delete a variable: exactly that one, named with the options it was set with."""
    from headway.store import variables  # noqa: PLC0415

    one = _variable(context, name, "", where)
    with context.headway.tx() as tx:
        there = variables.delete(tx, one, context.person)
    if not there:
        raise Invalid(
            f"there is no variable {_named(context, one)}",
            next="headway vars list",
            code="unknown-variable",
        )
    if context.json:
        context.document({"deleted": one.name, "scope": one.scope, "environment": one.environment})
    else:
        context.line(f"{_named(context, one)} is deleted; runs that have begun keep it")


def _stdin(context: Context) -> str:
    """What a pipe gives, without the last line's end. Raises Invalid (`usage`, `not-utf-8`)."""
    if context.no_input or sys.stdin.isatty():
        raise Invalid("no value was given", next="headway vars set NAME VALUE", code="usage")
    try:
        return sys.stdin.buffer.read(MOST_STDIN).decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise Invalid("the value is not UTF-8", why=str(error), code="not-utf-8") from error


def _variable(context: Context, name: str, value: str, where: dict[str, str]) -> Variable:
    scope = _scope(context, where["repo"], where["service"])
    return Variable(scope, where["environment"].casefold(), checked(name), value)


def _scope(context: Context, repo: str, service: str) -> str:
    if repo and service:
        raise Invalid("--repo and --service are two places", next="name one", code="usage")
    if service:
        return f"service:{service}"
    return f"repo:{_address(context, repo)}" if repo else ""


def _address(context: Context, repo: str) -> str:
    """As runs know it: a hosted repository's folder, a folder, or a URL without secrets."""
    if repo.startswith(("http://", "https://")):
        if "@" in urlsplit(repo).netloc:
            raise Invalid(
                "this URL holds a name or a password",
                why="an address is shown and kept in the event log",
                next="--repo https://HOST/PATH",
                code="secret-argument",
            )
        return repo
    if "/" not in repo and repo in context.headway.hosting.names():
        return str(context.headway.hosting.path(repo))
    if not Path(repo).is_dir():
        hosted = ", ".join(context.headway.hosting.names()) or "none"
        raise Invalid(
            f"there is no repository `{plain(repo, 60)}`",
            why=f"it is no folder here, and none of the hosted ones: {hosted}",
            code="unknown-repository",
        )
    return str(Path(repo).resolve())


def _named(context: Context, one: Variable) -> str:
    place = _place(context, one.scope)
    where = f" of {place}" if one.scope else ""
    inside = f" in {one.environment}" if one.environment else ""
    return plain(f"{one.name}{where}{inside}", 300)


def _place(context: Context, scope: str) -> str:
    kind, _, name = scope.partition(":")
    if not kind:
        return "every run"
    folder = Path(name)
    if kind == "repo" and folder.parent == context.home_folder.resolve() / "git":
        name = folder.stem
    return f"{kind} {name}"


def _fields(one: Variable) -> dict[str, object]:
    return {
        "name": one.name, "value": one.value, "scope": one.scope, "environment": one.environment
    }  # fmt: skip


def _moment(kept: "Kept") -> datetime:
    return datetime.fromtimestamp(kept.at, UTC)
