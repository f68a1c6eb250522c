"""Accounts and tokens: who there is, what each may, and the tokens of programs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import sqlalchemy as sa
from pydantic import Field
from starlette.requests import Request

from headway.access.principal import Grant, Principal
from headway.access.scope import Scope
from headway.api.guard import Needs, Reader, must, needs
from headway.api.v1.common import WRITES, noun, reading
from headway.api.v1.paging import Page, Spanned
from headway.api.v1.route import unchanged
from headway.api.v1.writing import Body, IfMatch, Key, Write
from headway.flows import accounts as flow
from headway.flows.accounts import Wish
from headway.model.errors import Invalid
from headway.store import access, access_tokens
from headway.store.access import Account, Holder
from headway.store.access_tokens import Token
from headway.store.database import Tx
from headway.store.views.moments import moment

router = noun("accounts")
Administrator = Annotated[Principal, needs("account.read")]
Manager = Annotated[Principal, needs("account.manage")]
Name = Annotated[str, Field(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class Given:
    """A role; an empty place means everywhere."""

    role: str
    service: str
    environment: str


@dataclass(frozen=True, slots=True)
class Me:
    """Who asks, and what they may. `via`: token or session."""

    id: str
    name: str
    kind: str
    via: str
    teams: tuple[str, ...]
    grants: tuple[Given, ...]


@dataclass(frozen=True, slots=True)
class AccountView:
    """A person or a program. `grants`: its own, not those of its teams."""

    name: str
    kind: str
    email: str
    issuer: str
    disabled_at: datetime | None
    teams: tuple[str, ...]
    grants: tuple[Given, ...]


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token without its text. `works_until`: it expires then, if it is not revoked before."""

    id: str
    account: str
    name: str
    allows: tuple[str, ...]
    service: str
    environment: str
    made_at: datetime | None
    made_by: str
    works_until: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenMade:
    """`text` is the token; it is given once. The same request again gives it empty."""

    id: str
    account: str
    text: str


class NewAccount(Body):
    """A program (`service`) has tokens only; a person logs in."""

    name: Name
    kind: Literal["user", "service"]
    email: Annotated[str, Field(max_length=320)] = ""


class AccountCommand(Body):
    """`grant` or `revoke` a role, `disable` or `enable` the account."""

    command: Literal["disable", "enable", "grant", "revoke"]
    role: Literal["", "viewer", "developer", "approver", "operator", "admin", "worker"] = ""
    service: Annotated[str, Field(max_length=100)] = ""
    environment: Annotated[str, Field(max_length=100)] = ""


class NewToken(Body):
    """`allows`: roles and permissions, never more than the account itself may."""

    account: Name
    name: Name
    allows: Annotated[list[str], Field(min_length=1, max_length=30)]
    service: Annotated[str, Field(max_length=100)] = ""
    environment: Annotated[str, Field(max_length=100)] = ""
    days: Annotated[int, Field(ge=1, le=366)] = 90


class TokenCommand(Body):
    """`revoke`: it works no more, and streams that it opened end within seconds."""

    command: Literal["revoke"]


@router.get("/me")
def show_me(who: Reader) -> Me:
    """Whoever asks."""
    grants = tuple(Given(g.role, g.service, g.environment) for g in who.grants)
    return Me(who.id, who.name, who.kind, who.via, who.teams, grants)


@router.get("/accounts")
def list_accounts(
    request: Request,
    who: Administrator,
    span: Spanned,
    kind: Literal["", "user", "service"] = "",
) -> Page[AccountView]:
    """By name."""
    del who
    with reading(request) as connection:
        names = sorted(a.name for a in access.every(connection, kind) if a.name > span.after)
        found = [_account(connection, n) for n in names[: span.reach]]
    return span.page(found, lambda a: a.name)


@router.get("/accounts/{account}")
def show_account(request: Request, who: Administrator, account: str) -> AccountView:
    """One."""
    del who
    with reading(request) as connection:
        return _account(connection, account)


@router.post("/accounts", status_code=201, responses=WRITES)
def add_account(request: Request, who: Manager, body: NewAccount, key: Key) -> AccountView:
    """Make one. It may nothing until it is granted something."""
    must(who, "account.manage")

    def do(tx: Tx) -> AccountView:
        made = flow.add(tx, who.id, Account(body.name, body.kind, body.email))
        return _account(tx.connection, made.name)

    return Write(request, who, key, body, 201).once(do)


@router.post("/accounts/{account}/commands", status_code=202, responses=WRITES)
def command_account(  # noqa: PLR0913  headers are parameters
    request: Request,
    who: Manager,
    account: str,
    body: AccountCommand,
    key: Key,
    if_match: IfMatch = "",
) -> AccountView:
    """Change what it may."""
    must(who, "account.manage")

    def do(tx: Tx) -> AccountView:
        known = access.get(tx.connection, account)
        if if_match:
            unchanged(request, _account(tx.connection, known.name))
        if body.command in {"disable", "enable"}:
            (flow.disable if body.command == "disable" else flow.enable)(tx, who.id, known.name)
            return _account(tx.connection, known.name)
        if not body.role:
            raise Invalid("which role?", why="`grant` and `revoke` need one", code="role")
        one = Grant(body.role, body.service, body.environment)
        act = flow.grant if body.command == "grant" else flow.revoke
        act(tx, who.id, Holder("account", known.name), one)
        return _account(tx.connection, known.name)

    return Write(request, who, key, body).once(do)


@router.get("/tokens", tags=["tokens"])
def list_tokens(request: Request, who: Reader, span: Spanned, account: str = "") -> Page[TokenView]:
    """One's own; who may read accounts: everybody's."""
    whose = account or who.id
    if whose != who.id:
        Needs("account.read")(request)
    with reading(request) as connection:
        every = access_tokens.every(connection, whose)
    kept = sorted((t for t in every if not span.after or t.id < span.after), key=lambda t: t.id)
    return span.page([_token(t) for t in kept[::-1][: span.reach]], lambda t: t.id)


@router.post("/tokens", status_code=201, responses=WRITES, tags=["tokens"])
def create_token(request: Request, who: Manager, body: NewToken, key: Key) -> TokenMade:
    """Make one; its text is in this answer only."""
    must(who, "account.manage")

    def do(tx: Tx) -> TokenMade:
        scope = Scope(tuple(body.allows), body.service, body.environment)
        wish = Wish(body.account, body.name, scope, body.days)
        made, text = flow.create_token(tx, who.id, wish)
        return TokenMade(made.id, made.account, text)

    return Write(request, who, key, body, 201).once(do, "text")


@router.post("/tokens/{token}/commands", status_code=202, responses=WRITES, tags=["tokens"])
def command_token(
    request: Request, who: Reader, token: str, body: TokenCommand, key: Key
) -> TokenView:
    """Revoke one's own token; who may manage accounts: anybody's."""

    def do(tx: Tx) -> TokenView:
        known = access_tokens.by_id(tx.connection, token)
        if known is None or known.account != who.id:
            must(who, "account.manage")
        flow.revoke_token(tx, who.id, token)
        found = access_tokens.by_id(tx.connection, token)
        assert found is not None
        return _token(found)

    return Write(request, who, key, body).once(do)


def _account(connection: sa.Connection, name: str) -> AccountView:
    one = access.get(connection, name)
    held = access.granted(connection, Holder("account", one.name))
    return AccountView(
        name=one.name,
        kind=one.kind,
        email=one.email,
        issuer=one.issuer,
        disabled_at=moment(one.disabled_at),
        teams=tuple(access.teams_of(connection, one.name)),
        grants=tuple(Given(g.role, g.service, g.environment) for g in held),
    )


def _token(one: Token) -> TokenView:
    return TokenView(
        id=one.id,
        account=one.account,
        name=one.name,
        allows=one.scope.allows,
        service=one.scope.service,
        environment=one.scope.environment,
        made_at=moment(one.made_at),
        made_by=one.made_by,
        works_until=moment(one.expires_at),
        revoked_at=moment(one.revoked_at),
        used_at=moment(one.used_at),
    )
