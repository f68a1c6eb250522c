"""Sessions of browsers, and the links that work once. Called by flows/login and api/who.

Of an id only its SHA-256 is kept: who reads the database cannot enter with what it finds there.
"""

import hashlib

import sqlalchemy as sa

from headway.store.access_tables import sessions, welcomes
from headway.store.database import Tx

IDLE_SECONDS = 12 * 3600.0
MOST_SECONDS = 7 * 86400.0
WELCOME_SECONDS = 3600.0


def digest(secret: str) -> str:
    """What is kept of something that proves who somebody is."""
    return hashlib.sha256(secret.encode()).hexdigest()


def begin(tx: Tx, id: str, account: str, source: str = "") -> None:
    """From now on whoever shows this id is that account; `source`: the connection it came by."""
    _clean(tx)
    row = {"hash": digest(id), "account": account, "source": source}
    tx.connection.execute(sessions.insert().values(**row, made_at=tx.now, seen_at=tx.now))


def holder(connection: sa.Connection, id: str, now: float) -> tuple[str, float] | None:
    """The account whose session that is, and when it was last seen; None if it is over."""
    query = sa.select(sessions).where(sessions.c.hash == digest(id))
    row = connection.execute(query).first()
    if row is None or now - row.made_at >= MOST_SECONDS or now - row.seen_at >= IDLE_SECONDS:
        return None
    return row.account, row.seen_at


def source(connection: sa.Connection, id: str) -> str:
    """The connection by which it logged in, or empty."""
    query = sa.select(sessions.c.source).where(sessions.c.hash == digest(id))
    return str(connection.execute(query).scalar() or "")


def see(tx: Tx, id: str) -> None:
    """It was here now."""
    tx.connection.execute(
        sessions.update().where(sessions.c.hash == digest(id)).values(seen_at=tx.now)
    )


def end(tx: Tx, id: str) -> str:
    """It is over; gives the account, or empty."""
    mine = sessions.c.hash == digest(id)
    account = tx.connection.execute(sa.select(sessions.c.account).where(mine)).scalar()
    tx.connection.execute(sessions.delete().where(mine))
    return str(account or "")


def end_all(tx: Tx, account: str, but: str = "") -> int:
    """Every session of the account is over (but that one); gives how many."""
    mine = [sessions.c.account == account]
    mine += [sessions.c.hash != digest(but)] if but else []
    return tx.connection.execute(sessions.delete().where(*mine)).rowcount


def _clean(tx: Tx) -> None:
    old = sa.or_(
        sessions.c.made_at <= tx.now - MOST_SECONDS, sessions.c.seen_at <= tx.now - IDLE_SECONDS
    )
    tx.connection.execute(sessions.delete().where(old))


def invite(tx: Tx, secret: str) -> None:
    """The link with this secret works, and no link from before."""
    tx.connection.execute(welcomes.delete())
    row = {"hash": digest(secret), "expires_at": tx.now + WELCOME_SECONDS}
    tx.connection.execute(welcomes.insert().values(**row))


def invited(connection: sa.Connection, secret: str, now: float) -> bool:
    """Whether that link works now."""
    query = sa.select(welcomes.c.expires_at).where(welcomes.c.hash == digest(secret))
    expires = connection.execute(query).scalar()
    return expires is not None and now < expires


def uninvite(tx: Tx) -> None:
    """No link works any more."""
    tx.connection.execute(welcomes.delete())
