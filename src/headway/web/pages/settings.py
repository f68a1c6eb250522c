"""Settings: who one is and what one may, the password, and tokens of one's own."""

from starlette.responses import Response

from headway.access import rules
from headway.access.principal import may
from headway.access.roles import PERMISSIONS, ROLES
from headway.access.scope import Scope
from headway.api.problems import Missing
from headway.flows import accounts, passwords
from headway.flows.accounts import DEFAULT_DAYS, MOST_DAYS, Wish
from headway.model.errors import Refused
from headway.store import access, access_tokens
from headway.web.page import Ask, form, page, to
from headway.web.sent import number, optional, text


@page("/settings")
def settings(ask: Ask) -> Response:
    """Oneself."""
    return _shown(ask)


@form("/settings/tokens", "service.read")
def create(ask: Ask) -> Response:
    """A new token of one's own; its text is on this page and nowhere else."""
    name, sent = _own(ask), ask.form
    place = optional(sent, "service"), optional(sent, "environment")
    wish = Wish(name, text(sent, "label", 100), Scope((text(sent, "allow"),), *place),
                number(sent, "days"))  # fmt: skip
    with ask.headway.tx() as tx:
        _, made = accounts.create_token(tx, name, wish)
    return _shown(ask, made)


@form("/settings/tokens/{token}/revoke", "service.read")
def revoke(ask: Ask) -> Response:
    """One's own, or any for whoever manages accounts."""
    with ask.headway.tx() as tx:
        known = access_tokens.by_id(tx.connection, ask.path["token"])
        mine = known is not None and known.account == ask.who.id
        if not mine and not may(ask.who, "account.manage"):
            raise Missing("there is no token of that id", code="unknown-token")
        accounts.revoke_token(tx, ask.who.id, ask.path["token"])
    return to("/settings" if mine else "/settings/people")


@form("/settings/password", "service.read")
def password(ask: Ask) -> Response:
    """One's own, after the present one; other sessions are over."""
    name = _own(ask)
    present, fresh = text(ask.form, "present"), text(ask.form, "fresh")
    rules.password(fresh, name)
    with ask.headway.reading() as connection:
        known = access.get(connection, name)
    with passwords.place():
        if not passwords.matches(known.password, present):
            raise Refused("the present password is another one", code="password")
        hashed = passwords.hashed(fresh)
    session = ask.request.app.state.doorkeeper.session(ask.request)
    with ask.headway.tx() as tx:
        accounts.set_password(tx, name, name, hashed, keep=session)
    return to("/settings")


def _own(ask: Ask) -> str:
    """The account of whoever asks. Raises Refused (`no-session`) for what is no person's login."""
    if ask.who.kind != "user" or ask.who.via != "session":
        raise Refused(
            "this is for people who have logged in",
            why=f"{ask.who.name} asks with a token",
            next="headway token create NAME --allow ROLE",
            code="no-session",
        )
    return ask.who.id


def _shown(ask: Ask, made: str = "") -> Response:
    own = ask.who.kind == "user"
    with ask.headway.reading() as connection:
        mine = access_tokens.every(connection, ask.who.id) if own else []
        known = access.find(connection, ask.who.id) if own else None
    return ask.show(
        "settings.html",
        tokens=[t for t in mine if not t.revoked_at],
        made=made,
        account=known,
        allows=(*ROLES, *PERMISSIONS),
        days=DEFAULT_DAYS,
        most=MOST_DAYS,
    )
