"""Logging in by an OpenID provider: there and back.

The way there begins with a form, like everything that changes something. The browser goes on by a
page and not by a redirect, because browsers follow `form-action` through redirects.
"""

from starlette.responses import Response

from headway.access.id_token import Person
from headway.adapters.oidc.provider import Answer, Way
from headway.api.who import VISITOR
from headway.flows import login as flow
from headway.flows import sso
from headway.model.connection import Connection
from headway.model.errors import Refused
from headway.store import access_ways
from headway.store.access_ways import Begun
from headway.web.page import OPEN, Ask, form, page
from headway.web.pages.login import keep, own_path, started
from headway.web.providers import provider_of


@form("/sso/{name}", OPEN)
def begin(ask: Ask) -> Response:
    """There."""
    provider = provider_of(ask.headway.home, ask.path["name"])
    browser = ask.door.visitor(ask.request)
    fresh = "" if browser else flow.secret()
    state, nonce, verifier = flow.secret(), flow.secret(), flow.secret()
    wanted = own_path(str(ask.form.get("next", "/")))
    address = provider.address(Way(_back(ask), state, nonce, verifier))
    begun = Begun(provider.connection.name, browser or fresh, nonce, verifier, wanted)
    with ask.headway.tx() as tx:
        access_ways.add(tx, state, begun)
    shown = ask.show("sso.html", error=None, address=address, provider=provider.connection.name)
    if fresh:
        keep(ask, shown, VISITOR, fresh)
    return shown


@page("/sso/{name}/back", OPEN)
def back(ask: Ask) -> Response:
    """And back, with a code. It works once, in the browser that began, for this provider."""
    provider = provider_of(ask.headway.home, ask.path["name"])
    state, browser = ask.query.get("state", ""), ask.door.visitor(ask.request)
    with ask.headway.tx() as tx:
        begun = access_ways.take(tx, state, provider.connection.name, browser)
    if begun is None or not browser:
        raise Refused("this login was not begun here, or long ago", next="log in again", code="sso")
    if "error" in ask.query or not ask.query.get("code"):
        raise Refused("the provider let nobody in", next="log in again", code="sso")
    way = Way(_back(ask), state, begun.nonce, begun.verifier)
    who = provider.person(way, Answer(ask.query["code"], ask.query.get("iss", "")))
    return started(ask, _entered(ask, provider.connection, who), begun.wanted)


def _entered(ask: Ask, connection: Connection, who: Person) -> str:
    client = ask.request.client
    with ask.headway.tx() as tx:
        return sso.enter(tx, connection, who, client.host if client else "")


def _back(ask: Ask) -> str:
    """Where the provider sends browsers; it knows this very address."""
    site = ask.request.app.state.site
    base = site.public_url.rstrip("/") or str(ask.request.base_url).rstrip("/")
    return f"{base}/sso/{ask.path['name']}/back"
