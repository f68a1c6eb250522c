"""Accounts, teams and grants, and what somebody may by them. Called by flows/accounts, api/who and
the command line.
"""

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from headway.access.principal import Grant, Principal
from headway.access.roles import Role
from headway.gate.approval import Known
from headway.model.errors import Invalid
from headway.store.access_tables import accounts, grants, members, teams
from headway.store.database import Tx

HolderKind = Literal["account", "team"]
SEEN_SECONDS = 600.0
"""How exactly it is remembered when somebody was last here."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person (`user`) or program (`service`). `password` is its argon2id hash, or empty."""

    name: str
    kind: Literal["user", "service"]
    email: str = ""
    password: str = ""
    issuer: str = ""
    subject: str = ""
    made_at: float = 0.0
    disabled_at: float = 0.0
    seen_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is granted something. `source`: the connection whose claims say so, or empty."""

    kind: HolderKind
    name: str
    source: str = ""


def find(connection: sa.Connection, name: str) -> Account | None:
    """The account of that name."""
    row = connection.execute(sa.select(accounts).where(accounts.c.name == name)).first()
    return Account(**row._mapping) if row else None


def get(connection: sa.Connection, name: str) -> Account:
    """Raises Invalid (`unknown-account`)."""
    found = find(connection, name.strip().lower())
    if found is None:
        raise Invalid("there is no account by that name", next="headway user list",
                      code="unknown-account")  # fmt: skip
    return found


def find_subject(connection: sa.Connection, issuer: str, subject: str) -> Account | None:
    """Who that is at an OpenID provider."""
    query = sa.select(accounts).where(accounts.c.issuer == issuer, accounts.c.subject == subject)
    row = connection.execute(query).first()
    return Account(**row._mapping) if row else None


def every(connection: sa.Connection, kind: str = "") -> list[Account]:
    """All accounts (of that kind), by name."""
    query = sa.select(accounts).order_by(accounts.c.name)
    query = query.where(accounts.c.kind == kind) if kind else query
    return [Account(**row._mapping) for row in connection.execute(query)]


def has_admin(connection: sa.Connection) -> bool:
    """Whether somebody who can log in is an administrator everywhere."""
    return any(
        Grant("admin") in held
        for one in every(connection, "user")
        if not one.disabled_at and (held := _grants(connection, one.name))
    )


def add(tx: Tx, new: Account) -> None:
    """Record an account."""
    fields = {c.name: getattr(new, c.name) for c in accounts.columns} | {"made_at": tx.now}
    tx.connection.execute(accounts.insert().values(**fields))


def change(tx: Tx, name: str, **values: str | float) -> None:
    """Change columns of one account."""
    tx.connection.execute(accounts.update().where(accounts.c.name == name).values(**values))


def find_team(connection: sa.Connection, name: str) -> str:
    """The team's name. Raises Invalid (`unknown-team`)."""
    known = name.strip().lower()
    if connection.execute(sa.select(teams.c.name).where(teams.c.name == known)).first() is None:
        raise Invalid("there is no team by that name", next="headway team list",
                      code="unknown-team")  # fmt: skip
    return known


def every_team(connection: sa.Connection) -> list[str]:
    """All teams, by name."""
    return list(connection.execute(sa.select(teams.c.name).order_by(teams.c.name)).scalars())


def add_team(tx: Tx, name: str) -> bool:
    """Make a team; False if it is there."""
    if name in every_team(tx.connection):
        return False
    tx.connection.execute(teams.insert().values(name=name, made_at=tx.now))
    return True


def remove_team(tx: Tx, name: str) -> None:
    """The team, its members and what it was granted are gone."""
    tx.connection.execute(members.delete().where(members.c.team == name))
    held = (grants.c.holder_kind == "team", grants.c.holder == name)
    tx.connection.execute(grants.delete().where(*held))
    tx.connection.execute(teams.delete().where(teams.c.name == name))


def join(tx: Tx, team: str, account: str, source: str = "") -> bool:
    """Make it a member; False if it was one (by this source)."""
    mine = {"team": team, "account": account, "source": source}
    return _once(tx, members, mine)


def leave(tx: Tx, team: str, account: str, source: str | None = None) -> bool:
    """Whether it was a member; None: by whatever source."""
    where = [members.c.team == team, members.c.account == account]
    where += [] if source is None else [members.c.source == source]
    return tx.connection.execute(members.delete().where(*where)).rowcount > 0


def members_of(connection: sa.Connection, team: str) -> list[str]:
    """Names of accounts."""
    query = sa.select(members.c.account).where(members.c.team == team).distinct()
    return list(connection.execute(query.order_by(members.c.account)).scalars())


def teams_of(connection: sa.Connection, account: str, source: str | None = None) -> list[str]:
    """Names of its teams; `source`: those that this connection's claims put it in."""
    query = sa.select(members.c.team).where(members.c.account == account).distinct()
    query = query if source is None else query.where(members.c.source == source)
    return list(connection.execute(query.order_by(members.c.team)).scalars())


def grant(tx: Tx, holder: Holder, given: Grant) -> bool:
    """Give it; False if it had it (by this source)."""
    return _once(tx, grants, _columns(holder, given))


def revoke(tx: Tx, holder: Holder, taken: Grant) -> bool:
    """Take it; False if it had it not (by this source)."""
    where = [grants.c[k] == v for k, v in _columns(holder, taken).items()]
    return tx.connection.execute(grants.delete().where(*where)).rowcount > 0


def granted(connection: sa.Connection, holder: Holder) -> list[Grant]:
    """What it was granted itself, by this source."""
    query = sa.select(grants.c.role, grants.c.service, grants.c.environment).where(
        grants.c.holder_kind == holder.kind,
        grants.c.holder == holder.name,
        grants.c.source == holder.source,
    )
    return sorted((Grant(*row) for row in connection.execute(query)), key=_place)


def known(connection: sa.Connection, name: str) -> Known:
    """What is known of whoever acts under this name; nothing without an account."""
    one = find(connection, name)
    return Known(one.email, tuple(teams_of(connection, name))) if one else Known()


def principal(connection: sa.Connection, account: Account, via: str) -> Principal:
    """Who that is, with all that it may by itself and by its teams."""
    held = tuple(_grants(connection, account.name))
    mine = tuple(teams_of(connection, account.name))
    return Principal(account.name, account.name, account.kind, held, mine, via)


def _grants(connection: sa.Connection, account: str) -> list[Grant]:
    mine = sa.select(members.c.team).where(members.c.account == account)
    query = sa.select(grants.c.role, grants.c.service, grants.c.environment).where(
        sa.or_(
            sa.and_(grants.c.holder_kind == "account", grants.c.holder == account),
            sa.and_(grants.c.holder_kind == "team", grants.c.holder.in_(mine)),
        )
    )
    return sorted({Grant(*row) for row in connection.execute(query)}, key=_place)


def _place(one: Grant) -> tuple[Role, str, str]:
    return one.role, one.service, one.environment


def _columns(holder: Holder, given: Grant) -> dict[str, str]:
    return {
        "holder_kind": holder.kind,
        "holder": holder.name,
        "role": given.role,
        "service": given.service,
        "environment": given.environment,
        "source": holder.source,
    }


def _once(tx: Tx, table: sa.Table, values: dict[str, str]) -> bool:
    where = [table.c[k] == v for k, v in values.items()]
    if tx.connection.execute(sa.select(sa.literal(1)).select_from(table).where(*where)).first():
        return False
    tx.connection.execute(table.insert().values(**values))
    return True
