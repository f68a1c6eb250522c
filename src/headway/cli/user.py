"""`headway user`: people and programs that log in, and what they may."""

import click

from headway.access import rules
from headway.access.principal import Grant
from headway.access.roles import Role
from headway.cli import account_text
from headway.cli.account_text import as_json, word
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.cli.server import read_state
from headway.flows import accounts, login, passwords
from headway.model.errors import Refused, Unreachable
from headway.store import access, access_tokens, connections
from headway.store.access import Account, Holder
from headway.wording.text import columns

NAME = click.argument("name", metavar="NAME")


@click.group(cls=Noun, examples=("headway user add ana --role operator", "headway user list"))
def user() -> None:
    """People and programs that log in, and what they may."""


@user.verb(
    "headway user add ana --role operator",
    "headway user add ana --role approver --service shop --env production",
    "headway user add ci --program --role developer --service shop",
)
@NAME
@click.option("--email", default="", metavar="ADDRESS", help="As in their commits.")
@click.option("--program", is_flag=True, help="A service account: tokens, no password.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
@account_text.role()
@pass_context
def add(  # noqa: PLR0913  one parameter for each option
    context: Context,
    name: str,
    email: str,
    *,
    program: bool,
    password_stdin: bool,
    role: Role | None,
    service: str,
    environment: str,
) -> None:
    """Make an account.

    A password is asked for, or read from stdin; without both one is made and shown once.
    """
    known, given, made, hashed = rules.name(name), "", False, ""
    if not program:
        given, made = account_text.password(context, known, from_stdin=password_stdin)
        hashed = passwords.hashed(given)
    new = Account(known, "service" if program else "user", email, hashed)
    with context.headway.tx() as tx:
        accounts.add(tx, context.person, new)
        if role:
            holder = Holder("account", known)
            accounts.grant(tx, context.person, holder, Grant(role, service, environment))
    _said(context, known, "is known", given if made else "")


@user.verb("headway user password ana", "headway user password ana --password-stdin < file")
@NAME
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
@pass_context
def password(context: Context, name: str, *, password_stdin: bool) -> None:
    """Set a new password; sessions of before are over."""
    known = rules.name(name)
    with context.reading() as connection:
        access.get(connection, known)
    given, made = account_text.password(context, known, from_stdin=password_stdin)
    hashed = passwords.hashed(given)
    with context.headway.tx() as tx:
        accounts.set_password(tx, context.person, known, hashed)
    _said(context, known, "has a new password", given if made else "")


@user.verb("headway user welcome", "headway user welcome --json")
@pass_context
def welcome(context: Context) -> None:
    """Make a new link at which the first administrator sets a name and a password.

    It works once, for an hour, on the running server; those of before work no more.
    """
    known = read_state(context.home_folder)
    if known is None or not context.headway.engine_runs():
        raise Unreachable("no server runs for this home", next="headway server", code="no-server")
    with context.headway.tx() as tx:
        secret = login.invite(tx)
    if not secret:
        raise Refused(
            "there is an administrator already",
            why="the link is for the first one",
            next="headway user password NAME",
            code="has-admin",
        )
    address = f"{known['address']}/welcome/{secret}"
    if context.json:
        context.document({"address": address})
    else:
        context.line(address)


@user.verb("headway user list", name="list")
@pass_context
def listing(context: Context) -> None:
    """Show accounts and what they were granted."""
    with context.reading() as connection:
        found = [
            (one, access.principal(connection, one, "").grants) for one in access.every(connection)
        ]
    if context.json:
        context.document({"items": [_item(one, list(grants)) for one, grants in found]})
        return
    rows = [
        (one.name, _state(one), one.email, ", ".join(map(word, grants))) for one, grants in found
    ]
    none = ["No account yet. Next: headway user add NAME --role admin"]
    context.lines(columns([("NAME", "", "EMAIL", "MAY"), *rows]) if rows else none)


@user.verb("headway user show ana")
@NAME
@pass_context
def show(context: Context, name: str) -> None:
    """Show one account: what it may and by what, its teams and tokens."""
    with context.reading() as connection:
        one = access.get(connection, name)
        own = access.granted(connection, Holder("account", one.name))
        teams = access.teams_of(connection, one.name)
        by_team = {t: access.granted(connection, Holder("team", t)) for t in teams}
        tokens = access_tokens.every(connection, one.name)
    if context.json:
        told = {t: [as_json(g) for g in held] for t, held in by_team.items()}
        ids = [t.id for t in tokens]
        context.document(_item(one, own) | {"teams": told, "tokens": ids})
        return
    lines = [("  state", _state(one)), ("  email", one.email), ("  login", one.issuer)]
    lines += [("  may", word(g)) for g in own]
    lines += [(f"  by {t}", word(g)) for t, held in by_team.items() for g in held]
    lines += [("  token", f"{t.id} {t.name}") for t in tokens if not t.revoked_at]
    context.lines([one.name, *columns([line for line in lines if line[1]])])


@user.verb("headway user grant ana --role approver --service shop --env production")
@NAME
@account_text.role(required=True)
@pass_context
def grant(context: Context, name: str, role: Role, service: str, environment: str) -> None:
    """Give a role: everywhere, of one service, in one environment."""
    given = Grant(role, service, environment)
    with context.headway.tx() as tx:
        accounts.grant(tx, context.person, Holder("account", name), given)
    _said(context, name, f"is {word(given)}")


@user.verb("headway user revoke ana --role approver --service shop --env production")
@NAME
@account_text.role(required=True)
@pass_context
def revoke(context: Context, name: str, role: Role, service: str, environment: str) -> None:
    """Take a role that was given so."""
    taken = Grant(role, service, environment)
    with context.headway.tx() as tx:
        accounts.revoke(tx, context.person, Holder("account", name), taken)
    _said(context, name, f"is not {word(taken)} any more")


@user.verb("headway user link ana --connection corp --subject 248289761001")
@NAME
@click.option("--connection", required=True, metavar="NAME", help="An OpenID provider.")
@click.option("--subject", required=True, metavar="SUB", help="Who they are there.")
@pass_context
def link(context: Context, name: str, connection: str, subject: str) -> None:
    """Let whom a provider knows log in as this account."""
    issuer = connections.get(context.home_folder, connection).url
    with context.headway.tx() as tx:
        accounts.link(tx, context.person, name, issuer, subject)
    _said(context, name, f"is linked to {connection}")


@user.verb("headway user disable ana")
@NAME
@pass_context
def disable(context: Context, name: str) -> None:
    """End its sessions and tokens at once; the audit trail keeps its name."""
    with context.headway.tx() as tx:
        accounts.disable(tx, context.person, name)
    _said(context, name, "is disabled")


@user.verb("headway user enable ana")
@NAME
@pass_context
def enable(context: Context, name: str) -> None:
    """Let it in again; sessions stay over, tokens that were not revoked work."""
    with context.headway.tx() as tx:
        accounts.enable(tx, context.person, name)
    _said(context, name, "is enabled")


def _said(context: Context, name: str, what: str, shown: str = "") -> None:
    """`shown`: a password that was made, this once."""
    if context.json:
        context.document({"name": name} | ({"password": shown} if shown else {}))
        return
    context.line(f"{name} {what}")
    if shown:
        context.note("its password, shown this once:")
        context.line(shown)


def _state(one: Account) -> str:
    return "disabled" if one.disabled_at else "program" if one.kind == "service" else "person"


def _item(one: Account, grants: list[Grant]) -> dict[str, object]:
    return {
        "name": one.name,
        "kind": one.kind,
        "email": one.email,
        "issuer": one.issuer,
        "disabled": bool(one.disabled_at),
        "seen_at": one.seen_at,
        "grants": [as_json(g) for g in grants],
    }
