"""Who somebody is: by name and password, or by a link that works once. Called by web/pages/login.

A wrong name, a wrong password and a disabled account are one answer after the same work.
"""

import os
from base64 import urlsafe_b64encode
from contextlib import AbstractContextManager
from math import ceil
from typing import Protocol

import sqlalchemy as sa

from headway.access import rules
from headway.access.principal import Grant
from headway.flows import accounts, passwords
from headway.model.errors import Invalid, Refused
from headway.record import dataclass
from headway.store import access, access_sessions, access_tries
from headway.store.access import Account, Holder
from headway.store.access_tries import Trier
from headway.store.database import Tx


class Books(Protocol):
    """What of Headway is needed here."""

    def tx(self) -> AbstractContextManager[Tx]:
        """One transaction."""

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A connection that only reads."""


@dataclass(frozen=True, slots=True)
class Knock:
    """Somebody says who they are. `address`: of the client; `now`: Unix seconds; `device`: what
    the browser was given when somebody logged in there, or for this log-in.
    """

    name: str
    password: str
    address: str
    now: float
    device: str = ""


def log_in(books: Books, knock: Knock) -> str:
    """The id of a new session. Raises Refused (`login`, `slow-down`), Unreachable (`busy`)."""
    name = knock.name.strip().lower()[: rules.MOST]
    trier = Trier(name, knock.address, knock.device)
    with passwords.place():
        with books.reading() as connection:
            wait = access_tries.left(connection, trier, knock.now)
            known = access.find(connection, name)
        if wait > 0:
            raise Refused("too many tries", why=f"the next one is heard in {ceil(wait)} s",
                          code="slow-down")  # fmt: skip
        stored = known.password if known else ""
        good = passwords.matches(stored, knock.password[: rules.MOST])
        if not good or known is None or known.disabled_at:
            with books.tx() as tx:
                access_tries.failed(tx, trier)
                told: dict[str, object] = {"address": knock.address}
                accounts.tell(tx, "login.failed", known.name if known else "nobody", told)
            raise Refused("name and password do not belong together", code="login")
        fresh = passwords.hashed(knock.password) if passwords.outdated(stored) else ""
    return _enter(books, known, knock, fresh)


def _enter(books: Books, known: Account, knock: Knock, fresh: str) -> str:
    with books.tx() as tx:
        if access.get(tx.connection, known.name).password != known.password:
            raise Refused("name and password do not belong together", code="login")
        if fresh:
            access.change(tx, known.name, password=fresh)
        access_tries.passed(tx, Trier(known.name, knock.address, knock.device))
        return begin(tx, known.name, knock.address)


def begin(tx: Tx, name: str, address: str, source: str = "") -> str:
    """A new session of the account; gives its id. Raises Refused (`login`)."""
    if access.get(tx.connection, name).disabled_at:
        raise Refused("this account is disabled", code="login")
    id = secret()
    access_sessions.begin(tx, id, name, source)
    access.change(tx, name, seen_at=tx.now)
    told: dict[str, object] = {"by": name, "address": address, "source": source}
    accounts.tell(tx, "login.passed", name, told)
    return id


def log_out(tx: Tx, id: str) -> None:
    """The session is over."""
    if name := access_sessions.end(tx, id):
        accounts.tell(tx, "login.ended", name, {"by": name})


def invite(tx: Tx) -> str:
    """The secret of the first administrator's link; empty if there is an administrator. Links
    from before work no more.
    """
    if access.has_admin(tx.connection):
        access_sessions.uninvite(tx)
        return ""
    made = secret()
    access_sessions.invite(tx, made)
    return made


def check_invitation(connection: sa.Connection, given: str, now: float) -> None:
    """Raises Invalid (`unknown-link`)."""
    if access.has_admin(connection) or not access_sessions.invited(connection, given, now):
        raise Invalid("this link does not work", next="headway user add NAME --role admin",
                      why="it is for the first administrator, once, for an hour",
                      code="unknown-link")  # fmt: skip


def welcome(books: Books, given: str, knock: Knock) -> str:
    """The first administrator's account; gives the id of a session. Raises Invalid
    (`unknown-link`, `account-name`, `weak-password`), Refused (`account-exists`).
    """
    with books.reading() as connection:
        check_invitation(connection, given, knock.now)
    name = rules.name(knock.name)
    rules.password(knock.password, name)
    with passwords.place():
        hashed = passwords.hashed(knock.password)
    with books.tx() as tx:
        check_invitation(tx.connection, given, tx.now)
        access_sessions.uninvite(tx)
        accounts.add(tx, name, Account(name, "user", password=hashed))
        accounts.grant(tx, name, Holder("account", name), Grant("admin"))
        return begin(tx, name, knock.address)


def secret() -> str:
    """256 random bits as text."""
    return urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
