"""People and teams: accounts, what each was granted, tokens; for administrators."""

from dataclasses import dataclass

from starlette.responses import Response

from headway.access import rules
from headway.access.principal import Grant
from headway.access.roles import ROLES, Role
from headway.flows import accounts, passwords
from headway.model.errors import Invalid
from headway.store import access, access_tokens
from headway.store.access import Account, Holder
from headway.store.access_tokens import Token
from headway.web.page import Ask, form, page, to
from headway.web.sent import optional, text

PATH = "/settings/people"


@dataclass(frozen=True, slots=True)
class Person:
    """An account with what it may by itself and by its teams."""

    account: Account
    own: tuple[Grant, ...]
    teams: tuple[str, ...]
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Team:
    """A team with its members and what they may by it."""

    name: str
    members: tuple[str, ...]
    grants: tuple[Grant, ...]


@page(PATH, "account.read")
def people(ask: Ask) -> Response:
    """Everybody."""
    with ask.headway.reading() as connection:
        found = [
            Person(
                one,
                tuple(access.granted(connection, Holder("account", one.name))),
                tuple(access.teams_of(connection, one.name)),
                tuple(t for t in access_tokens.every(connection, one.name) if not t.revoked_at),
            )
            for one in access.every(connection)
        ]
        teams = [
            Team(
                name,
                tuple(access.members_of(connection, name)),
                tuple(access.granted(connection, Holder("team", name))),
            )
            for name in access.every_team(connection)
        ]
    return ask.show("people.html", people=found, teams=teams, roles=ROLES)


@form(PATH, "account.manage")
def add(ask: Ask) -> Response:
    """A person with a first password, or a program."""
    name, kind = rules.name(text(ask.form, "name")), text(ask.form, "kind")
    hashed = ""
    if kind == "user":
        given = text(ask.form, "password")
        rules.password(given, name)
        with passwords.place():
            hashed = passwords.hashed(given)
    new = Account(
        name, "user" if kind == "user" else "service", optional(ask.form, "email"), hashed
    )
    with ask.headway.tx() as tx:
        accounts.add(tx, ask.who.id, new)
    return to(f"{PATH}#{name}")


@form(PATH + "/grants", "account.manage")
def grant(ask: Ask) -> Response:
    """Give or take a role (`do`) of an account or a team."""
    holder, given = _holder(ask), _grant(ask)
    with ask.headway.tx() as tx:
        change = accounts.revoke if text(ask.form, "do") == "take" else accounts.grant
        change(tx, ask.who.id, holder, given)
    return to(f"{PATH}#{holder.name}")


@form(PATH + "/state", "account.manage")
def state(ask: Ask) -> Response:
    """Disable an account, or enable it again (`do`)."""
    name = text(ask.form, "name")
    if name == ask.who.id:
        raise Invalid("you cannot disable yourself", next="ask another administrator",
                      code="yourself")  # fmt: skip
    with ask.headway.tx() as tx:
        change = accounts.disable if text(ask.form, "do") == "disable" else accounts.enable
        change(tx, ask.who.id, name)
    return to(f"{PATH}#{name}")


@form(PATH + "/teams", "account.manage")
def team(ask: Ask) -> Response:
    """Make a team, or change who is in it (`do`: add, join, leave)."""
    name, do = text(ask.form, "team"), text(ask.form, "do")
    with ask.headway.tx() as tx:
        if do == "add":
            accounts.add_team(tx, ask.who.id, name)
        elif do == "join":
            accounts.join(tx, ask.who.id, name, text(ask.form, "account"))
        else:
            accounts.leave(tx, ask.who.id, name, text(ask.form, "account"))
    return to(f"{PATH}#team-{name}")


def _holder(ask: Ask) -> Holder:
    kind = text(ask.form, "kind")
    return Holder("team" if kind == "team" else "account", text(ask.form, "name"))


def _grant(ask: Ask) -> Grant:
    known: dict[str, Role] = {role: role for role in ROLES}
    role = known.get(text(ask.form, "role"))
    if role is None:
        raise Invalid("there is no such role", why=f"known: {', '.join(ROLES)}", code="role")
    return Grant(role, optional(ask.form, "service"), optional(ask.form, "environment"))
