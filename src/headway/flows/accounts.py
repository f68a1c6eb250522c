"""What administrators do with accounts, teams, grants and tokens: each one call in a transaction,
told in the event log with who did it. Called by the command line, the API and the pages.
"""

import os
from dataclasses import dataclass

from headway.access import rules, tokens
from headway.access.principal import Grant
from headway.access.scope import Scope, permissions
from headway.model.errors import Invalid, Refused
from headway.model.event import Fact
from headway.store import access, access_sessions, access_tokens, decisions, rollouts
from headway.store.access import Account, Holder
from headway.store.access_tokens import Token
from headway.store.database import Tx
from headway.store.log import About, append

DAY = 86400.0
DEFAULT_DAYS, MOST_DAYS = 90, 366


def add(tx: Tx, by: str, new: Account) -> Account:
    """Make an account. Raises Invalid (`account-name`), Refused (`account-exists`)."""
    name = rules.name(new.name)
    if access.find(tx.connection, name):
        raise Refused(f"there is an account `{name}` already", next=f"headway user show {name}",
                      code="account-exists")  # fmt: skip
    made = Account(name, new.kind, new.email.strip(), new.password, new.issuer, new.subject)
    access.add(tx, made)
    tell(tx, "account.added", name, {"by": by, "kind": new.kind, "issuer": new.issuer})
    return access.get(tx.connection, name)


def set_password(tx: Tx, by: str, name: str, hashed: str, keep: str = "") -> None:
    """A new password; every session but `keep` is over. Raises Invalid, Refused
    (`no-password`).
    """
    one = access.get(tx.connection, name)
    if one.kind != "user":
        hint = f"headway token create {one.name} --allow ROLE"
        raise Refused(f"{one.name} is a program", next=hint, code="no-password")
    access.change(tx, one.name, password=hashed)
    access_sessions.end_all(tx, one.name, keep)
    tell(tx, "account.password", one.name, {"by": by})


def link(tx: Tx, by: str, name: str, issuer: str, subject: str) -> None:
    """Whoever that is at the provider is this account from now on. Raises Invalid, Refused
    (`account-taken`) if they are another one already.
    """
    one = access.get(tx.connection, name)
    other = access.find_subject(tx.connection, issuer, subject)
    if other and other.name != one.name:
        raise Refused(f"they are `{other.name}` already", code="account-taken")
    access.change(tx, one.name, issuer=issuer, subject=subject)
    tell(tx, "account.linked", one.name, {"by": by, "issuer": issuer})


def disable(tx: Tx, by: str, name: str) -> None:
    """It may nothing from now on: sessions are over, tokens are refused."""
    one = access.get(tx.connection, name)
    if one.disabled_at:
        return
    access.change(tx, one.name, disabled_at=tx.now)
    ended = access_sessions.end_all(tx, one.name)
    tell(tx, "account.disabled", one.name, {"by": by, "sessions": ended})


def enable(tx: Tx, by: str, name: str) -> None:
    """It may again what it is granted."""
    one = access.get(tx.connection, name)
    if one.disabled_at:
        access.change(tx, one.name, disabled_at=0.0)
        tell(tx, "account.enabled", one.name, {"by": by})


def add_team(tx: Tx, by: str, name: str) -> str:
    """Make a team; one that is there stays. Raises Invalid (`account-name`)."""
    known = rules.name(name)
    if access.add_team(tx, known):
        tell(tx, "team.added", f"team:{known}", {"by": by})
    return known


def remove_team(tx: Tx, by: str, name: str) -> None:
    """The team, and what its members had by it. Raises Invalid (`unknown-team`)."""
    known = access.find_team(tx.connection, name)
    access.remove_team(tx, known)
    tell(tx, "team.removed", f"team:{known}", {"by": by})


def join(tx: Tx, by: str, team: str, account: str, source: str = "") -> None:
    """A member from now on. Raises Invalid (`unknown-team`, `unknown-account`)."""
    known, one = access.find_team(tx.connection, team), access.get(tx.connection, account)
    if access.join(tx, known, one.name, source):
        data: dict[str, object] = {"by": by, "account": one.name, "source": source}
        tell(tx, "team.joined", f"team:{known}", data)


def leave(tx: Tx, by: str, team: str, account: str, source: str | None = None) -> None:
    """No member any more. Raises Invalid (`unknown-team`, `unknown-account`)."""
    known, one = access.find_team(tx.connection, team), access.get(tx.connection, account)
    if access.leave(tx, known, one.name, source):
        data: dict[str, object] = {"by": by, "account": one.name, "source": source or ""}
        tell(tx, "team.left", f"team:{known}", data)


def grant(tx: Tx, by: str, holder: Holder, given: Grant) -> None:
    """Give a role. Raises Invalid (`unknown-team`, `unknown-account`)."""
    known = _holder(tx, holder)
    if access.grant(tx, known, given):
        tell(tx, "grant.given", _subject(known), _told(by, known, given))


def revoke(tx: Tx, by: str, holder: Holder, taken: Grant) -> None:
    """Take a role. Raises Invalid (`unknown-team`, `unknown-account`, `unknown-grant`)."""
    known = _holder(tx, holder)
    if not access.revoke(tx, known, taken):
        raise Invalid(f"{known.name} has no such grant", next=f"headway user show {known.name}",
                      code="unknown-grant")  # fmt: skip
    tell(tx, "grant.taken", _subject(known), _told(by, known, taken))


@dataclass(frozen=True, slots=True)
class Wish:
    """The token that somebody asks for. `days` until it expires."""

    account: str
    name: str
    scope: Scope
    days: int = DEFAULT_DAYS


def create_token(tx: Tx, by: str, wish: Wish) -> tuple[Token, str]:
    """A token and its text, which is not kept. Raises Invalid (`unknown-account`, `role`,
    `token-days`), Refused (`disabled`).
    """
    one = access.get(tx.connection, wish.account)
    if one.disabled_at:
        raise Refused(f"{one.name} is disabled", next=f"headway user enable {one.name}",
                      code="disabled")  # fmt: skip
    if not 1 <= wish.days <= MOST_DAYS:
        raise Invalid(f"a token lives 1 to {MOST_DAYS} days", code="token-days")
    permissions(wish.scope)
    text = tokens.make(os.urandom(32))
    made = Token(
        id=f"tok_{rollouts.ulid(tx.now)}",
        account=one.name,
        name=wish.name,
        scope=wish.scope,
        made_at=tx.now,
        made_by=by,
        expires_at=tx.now + wish.days * DAY,
    )
    access_tokens.add(tx, made, text)
    data: dict[str, object] = {"by": by, "account": one.name, "name": wish.name}
    data |= {"allows": list(wish.scope.allows), "service": wish.scope.service}
    data |= {"environment": wish.scope.environment, "days": wish.days}
    tell(tx, "token.created", made.id, data)
    return made, text


def revoke_token(tx: Tx, by: str, id: str) -> Token:
    """It works no more. Raises Invalid (`unknown-token`)."""
    known = access_tokens.by_id(tx.connection, id)
    if known is None:
        raise Invalid("there is no token of that id", next="headway token list",
                      code="unknown-token")  # fmt: skip
    if access_tokens.revoke(tx, id):
        tell(tx, "token.revoked", id, {"by": by, "account": known.account})
    return known


def tell(tx: Tx, kind: str, subject: str, data: dict[str, object]) -> None:
    """One fact about an account, a team or a token in the event log."""
    number = decisions.count(tx.connection, subject, kind)
    append(tx, About(), Fact(kind, subject, number, data))


def _holder(tx: Tx, holder: Holder) -> Holder:
    if holder.kind == "team":
        return Holder("team", access.find_team(tx.connection, holder.name), holder.source)
    return Holder("account", access.get(tx.connection, holder.name).name, holder.source)


def _subject(holder: Holder) -> str:
    return f"team:{holder.name}" if holder.kind == "team" else holder.name


def _told(by: str, holder: Holder, one: Grant) -> dict[str, object]:
    place = {"service": one.service, "environment": one.environment, "source": holder.source}
    return {"by": by, "holder": _subject(holder), "role": one.role, **place}
