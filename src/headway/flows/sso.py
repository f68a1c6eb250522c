"""An account for whom an OpenID provider knows, and what their groups give. For web/pages/sso.

Somebody is their provider and their subject there, never a name or an address: those change hands.
An account that was made here is not taken over by one of the same name there; an administrator
links the two (`headway user link`).
"""

import re

from headway.access import rules
from headway.access.id_token import Person
from headway.access.mapping import Mapped, mapped
from headway.access.principal import Grant
from headway.flows import accounts, login
from headway.model.connection import Connection
from headway.model.errors import Refused
from headway.store import access
from headway.store.access import Account, Holder
from headway.store.database import Tx

_ODD = re.compile(r"[^a-z0-9._@+-]+")


def enter(tx: Tx, connection: Connection, who: Person, address: str) -> str:
    """A session of whoever that is; their account is made at the first time and their groups are
    read at each. Raises Refused (`sso-nothing`, `account-taken`, `login`), Invalid
    (`account-name`, `sso-mapping`).
    """
    gives = mapped(connection.options, who.groups)
    known = access.find_subject(tx.connection, who.issuer, who.subject)
    if known is None and gives.nothing:
        raise Refused(
            "you may nothing here yet",
            why="none of your groups is known; an administrator decides that",
            code="sso-nothing",
        )
    account = known or _new(tx, connection, who)
    if who.email and who.email != account.email:
        access.change(tx, account.name, email=who.email)
    _follow(tx, connection.name, account.name, gives)
    return login.begin(tx, account.name, address, connection.name)


def _new(tx: Tx, connection: Connection, who: Person) -> Account:
    name = rules.name(_ODD.sub("-", who.name.strip().lower()).strip("-"))
    if access.find(tx.connection, name):
        raise Refused(
            f"an account `{name}` was made here before",
            why="whoever administers this Headway may link it to you",
            next=f"headway user link {name} --connection {connection.name} --subject {who.subject}",
            code="account-taken",
        )
    new = Account(name, "user", who.email, issuer=who.issuer, subject=who.subject)
    return accounts.add(tx, connection.name, new)


def _follow(tx: Tx, source: str, name: str, gives: Mapped) -> None:
    """What the provider gave before and does not any more ends; what others gave stays."""
    holder = Holder("account", name, source)
    teams = frozenset(access.teams_of(tx.connection, name, source))
    for team in sorted(teams - gives.teams):
        accounts.leave(tx, source, team, name, source)
    for team in sorted(gives.teams - teams):
        accounts.add_team(tx, source, team)
        accounts.join(tx, source, team, name, source)
    held = frozenset(access.granted(tx.connection, holder))
    for one in sorted(held - gives.grants, key=_place):
        accounts.revoke(tx, source, holder, one)
    for one in sorted(gives.grants - held, key=_place):
        accounts.grant(tx, source, holder, one)


def _place(one: Grant) -> tuple[str, str, str]:
    return one.role, one.service, one.environment
