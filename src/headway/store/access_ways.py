"""Logins on their way to another server and back: each works once, in the browser that began it.

Called by flows/sso.
"""

import sqlalchemy as sa

from headway.record import dataclass
from headway.store.access_sessions import digest
from headway.store.access_tables import ways
from headway.store.database import Tx

SECONDS = 600.0
MOST = 1000


@dataclass(frozen=True, slots=True)
class Begun:
    """`browser`: what its cookie holds; `wanted`: the page to go to at the end."""

    connection: str
    browser: str
    nonce: str
    verifier: str
    wanted: str


def add(tx: Tx, state: str, begun: Begun) -> None:
    """Remember it; the oldest of very many are forgotten."""
    tx.connection.execute(ways.delete().where(ways.c.at < tx.now - SECONDS))
    newest = sa.select(ways.c.hash).order_by(ways.c.at.desc()).limit(MOST)
    tx.connection.execute(ways.delete().where(ways.c.hash.not_in(newest.scalar_subquery())))
    tx.connection.execute(
        ways.insert().values(
            hash=digest(state),
            connection=begun.connection,
            browser=digest(begun.browser),
            nonce=begun.nonce,
            verifier=begun.verifier,
            wanted=begun.wanted,
            at=tx.now,
        )
    )


def take(tx: Tx, state: str, connection: str, browser: str) -> Begun | None:
    """What was begun under this state by this browser with this connection; none the next time."""
    row = tx.connection.execute(sa.select(ways).where(ways.c.hash == digest(state))).first()
    tx.connection.execute(ways.delete().where(ways.c.hash == digest(state)))
    if row is None or tx.now - row.at > SECONDS:
        return None
    if row.connection != connection or row.browser != digest(browser):
        return None
    return Begun(connection, browser, row.nonce, row.verifier, row.wanted)
