"""Tokens of programs. Called by flows/accounts and api/who.

Of a token only its SHA-256 is kept. 256 random bits need no slow hash: there is nothing to guess.
"""

import sqlalchemy as sa

from headway.access.scope import Scope
from headway.record import dataclass
from headway.store.access_sessions import digest
from headway.store.access_tables import tokens
from headway.store.database import Tx


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; its text is known to whoever keeps it only. Times are Unix
    seconds, 0: never.
    """

    id: str
    account: str
    name: str
    scope: Scope
    made_at: float
    made_by: str
    expires_at: float
    used_at: float = 0.0
    revoked_at: float = 0.0

    def works(self, now: float) -> bool:
        """Neither revoked nor expired."""
        return not self.revoked_at and now < self.expires_at


def add(tx: Tx, new: Token, text: str) -> None:
    """Record it."""
    tx.connection.execute(
        tokens.insert().values(
            id=new.id,
            hash=digest(text),
            account=new.account,
            name=new.name,
            allows=" ".join(new.scope.allows),
            service=new.scope.service,
            environment=new.scope.environment,
            made_at=new.made_at,
            made_by=new.made_by,
            expires_at=new.expires_at,
            used_at=new.used_at,
            revoked_at=new.revoked_at,
        )
    )


def by_text(connection: sa.Connection, text: str) -> Token | None:
    """The token that somebody shows."""
    return _one(connection, tokens.c.hash == digest(text))


def by_id(connection: sa.Connection, id: str) -> Token | None:
    """The token of that id."""
    return _one(connection, tokens.c.id == id)


def every(connection: sa.Connection, account: str = "") -> list[Token]:
    """All of them (of that account), newest first."""
    query = sa.select(tokens).order_by(tokens.c.id.desc())
    query = query.where(tokens.c.account == account) if account else query
    return [_read(row) for row in connection.execute(query)]


def use(tx: Tx, id: str) -> None:
    """It was used now."""
    tx.connection.execute(tokens.update().where(tokens.c.id == id).values(used_at=tx.now))


def revoke(tx: Tx, id: str) -> bool:
    """It works no more from now on; False if it was revoked before."""
    mine = (tokens.c.id == id, tokens.c.revoked_at == 0)
    return (
        tx.connection.execute(tokens.update().where(*mine).values(revoked_at=tx.now)).rowcount > 0
    )


def _one(connection: sa.Connection, where: "sa.ColumnElement[bool]") -> Token | None:
    row = connection.execute(sa.select(tokens).where(where)).first()
    return _read(row) if row else None


def _read(row: "sa.Row[tuple[object, ...]]") -> Token:
    m = row._mapping
    scope = Scope(tuple(m["allows"].split()), m["service"], m["environment"])
    same = ("id", "account", "name", "made_at", "made_by", "expires_at", "used_at", "revoked_at")
    return Token(scope=scope, **{name: m[name] for name in same})
