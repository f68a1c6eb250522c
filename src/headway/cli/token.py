"""`headway token`: passwords of programs, made, shown once, revoked."""

import time
from datetime import UTC, datetime

import click

from headway.access.scope import Scope
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.flows import accounts
from headway.flows.accounts import DEFAULT_DAYS, MOST_DAYS, Wish
from headway.store import access_tokens
from headway.store.access_tokens import Token
from headway.wording.text import columns


@click.group(
    cls=Noun,
    examples=("headway token create ci --allow repository.push --service shop",),
)
def token() -> None:
    """Passwords of programs: made, shown once, revoked."""


@token.verb(
    "headway token create ci --allow repository.push --service shop",
    "headway token create ana --allow developer --days 30",
    "headway token create collector --allow metric.write",
)
@click.argument("account", metavar="NAME")
@click.option(
    "--allow",
    "allows",
    multiple=True,
    required=True,
    metavar="ROLE|PERMISSION",
    help="What it is for; it never may more than its owner.",
)
@click.option("--service", default="", metavar="NAME", help="Only of this service.")
@click.option("--env", "environment", default="", metavar="ENV", help="Only in this environment.")
@click.option("--days", type=click.IntRange(1, MOST_DAYS), default=DEFAULT_DAYS, show_default=True)
@click.option("--label", default="", metavar="TEXT", help="Where it is used.")
@pass_context
def create(  # noqa: PLR0913  one parameter for each option
    context: Context,
    account: str,
    allows: tuple[str, ...],
    service: str,
    environment: str,
    days: int,
    label: str,
) -> None:
    """Make a token of an account and show it, this once."""
    scope = Scope(allows, service, environment)
    wish = Wish(account, label or " ".join(allows), scope, days)
    with context.headway.tx() as tx:
        made, text = accounts.create_token(tx, context.person, wish)
    if context.json:
        context.document(_item(made) | {"token": text})
        return
    context.note(f"{made.id} of {made.account}, until {_day(made.expires_at)}, shown this once:")
    context.line(text)


@token.verb("headway token list", "headway token list --account ci", name="list")
@click.option("--account", default="", metavar="NAME", help="Only of this account.")
@pass_context
def listing(context: Context, account: str) -> None:
    """Show what tokens there are, never their text."""
    with context.reading() as connection:
        found = access_tokens.every(connection, account.strip().lower())
    if context.json:
        context.document({"items": [_item(t) for t in found]})
        return
    head = ("TOKEN", "OF", "FOR", "WHERE", "UNTIL", "LAST USED", "")
    now = time.time()
    rows = [
        (t.id, t.account, " ".join(t.scope.allows), _place(t.scope), _day(t.expires_at),
         _day(t.used_at) if t.used_at else "never", _state(t, now))
        for t in found
    ]  # fmt: skip
    none = ["No token yet. Next: headway token create NAME --allow ROLE"]
    context.lines(columns([head, *rows]) if rows else none)


@token.verb("headway token revoke tok_01J9ZQ")
@click.argument("id", metavar="TOKEN")
@pass_context
def revoke(context: Context, id: str) -> None:
    """End a token, from its very next use."""
    with context.headway.tx() as tx:
        known = accounts.revoke_token(tx, context.person, id)
    if context.json:
        context.document({"revoked": known.id})
    else:
        context.line(f"{known.id} of {known.account} is revoked")


def _state(one: Token, now: float) -> str:
    return "" if one.works(now) else "revoked" if one.revoked_at else "expired"


def _place(scope: Scope) -> str:
    return "/".join((scope.service or "*", scope.environment)) if scope.environment \
        else scope.service  # fmt: skip


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _item(one: Token) -> dict[str, object]:
    return {
        "id": one.id,
        "account": one.account,
        "name": one.name,
        "allows": list(one.scope.allows),
        "service": one.scope.service,
        "environment": one.scope.environment,
        "made_at": one.made_at,
        "made_by": one.made_by,
        "expires_at": one.expires_at,
        "used_at": one.used_at,
        "revoked_at": one.revoked_at,
    }
