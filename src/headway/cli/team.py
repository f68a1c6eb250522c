"""`headway team`: people with the same work, and what they may together."""

import click

from headway.access.principal import Grant
from headway.access.roles import Role
from headway.cli import account_text
from headway.cli.account_text import as_json, word
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.flows import accounts
from headway.store import access
from headway.store.access import Holder
from headway.wording.text import columns

TEAM = click.argument("team", metavar="TEAM")
NAME = click.argument("name", metavar="NAME")


@click.group(cls=Noun, examples=("headway team add shop", "headway team join shop ana"))
def team() -> None:
    """People with the same work, and what they may together."""


@team.verb("headway team add shop", "headway team add shop --role operator --service shop")
@TEAM
@account_text.role()
@pass_context
def add(context: Context, team: str, role: Role | None, service: str, environment: str) -> None:
    """Make a team; one that is there stays."""
    with context.headway.tx() as tx:
        known = accounts.add_team(tx, context.person, team)
        if role:
            given = Grant(role, service, environment)
            accounts.grant(tx, context.person, Holder("team", known), given)
    _said(context, known, "is a team")


@team.verb("headway team remove shop --yes")
@TEAM
@pass_context
def remove(context: Context, team: str) -> None:
    """Remove a team; what its members may by it ends at once."""
    with context.reading() as connection:
        known = access.find_team(connection, team)
    context.confirm(f"Remove the team {known}?")
    with context.headway.tx() as tx:
        accounts.remove_team(tx, context.person, known)
    _said(context, known, "is removed")


@team.verb("headway team list", name="list")
@pass_context
def listing(context: Context) -> None:
    """Show teams, their members and what they were granted."""
    with context.reading() as connection:
        found = [
            (t, access.members_of(connection, t), access.granted(connection, Holder("team", t)))
            for t in access.every_team(connection)
        ]
    if context.json:
        items = [
            {"name": t, "members": members, "grants": [as_json(g) for g in held]}
            for t, members, held in found
        ]
        context.document({"items": items})
        return
    rows = [(t, ", ".join(members), ", ".join(map(word, held))) for t, members, held in found]
    none = ["No team yet. Next: headway team add NAME"]
    context.lines(columns([("TEAM", "MEMBERS", "MAY"), *rows]) if rows else none)


@team.verb("headway team join shop ana")
@TEAM
@NAME
@pass_context
def join(context: Context, team: str, name: str) -> None:
    """Make somebody a member."""
    with context.headway.tx() as tx:
        accounts.join(tx, context.person, team, name)
    _said(context, team, f"has the member {name}")


@team.verb("headway team leave shop ana")
@TEAM
@NAME
@pass_context
def leave(context: Context, team: str, name: str) -> None:
    """End a membership."""
    with context.headway.tx() as tx:
        accounts.leave(tx, context.person, team, name)
    _said(context, team, f"has no member {name}")


@team.verb("headway team grant shop --role operator --service shop")
@TEAM
@account_text.role(required=True)
@pass_context
def grant(context: Context, team: str, role: Role, service: str, environment: str) -> None:
    """Give a role to all members: everywhere, of one service, in one environment."""
    given = Grant(role, service, environment)
    with context.headway.tx() as tx:
        accounts.grant(tx, context.person, Holder("team", team), given)
    _said(context, team, f"is {word(given)}")


@team.verb("headway team revoke shop --role operator --service shop")
@TEAM
@account_text.role(required=True)
@pass_context
def revoke(context: Context, team: str, role: Role, service: str, environment: str) -> None:
    """Take a role that was given so."""
    taken = Grant(role, service, environment)
    with context.headway.tx() as tx:
        accounts.revoke(tx, context.person, Holder("team", team), taken)
    _said(context, team, f"is not {word(taken)} any more")


def _said(context: Context, name: str, what: str) -> None:
    if context.json:
        context.document({"name": name})
    else:
        context.line(f"{name} {what}")
