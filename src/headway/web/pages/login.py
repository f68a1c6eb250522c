"""Logging in and out, and the first administrator's link."""

import time

from starlette.responses import Response

from headway.api.problems import status_of
from headway.api.who import DEVICE, SESSION, VISITOR
from headway.flows import login as flow
from headway.flows.login import Knock, secret
from headway.model.errors import HeadwayError
from headway.store import access_sessions, access_tries
from headway.web.page import OPEN, Ask, form, page, to
from headway.web.providers import offered, provider_of

MOST_SECONDS = int(access_sessions.MOST_SECONDS)
_STATUS = {"login": 401, "slow-down": 429}


@page("/login", OPEN)
def login(ask: Ask) -> Response:
    """The form, or on to where one wanted to go."""
    if ask.who.known:
        return to(own_path(ask.query.get("next", "/")))
    return _form(ask, ask.query.get("next", "/"))


@form("/login", OPEN)
def enter(ask: Ask) -> Response:
    """Name and password; a session of before ends."""
    wanted = own_path(_field(ask, "next"))
    known = ask.door.device(ask.request)
    device = known or secret()
    try:
        id = flow.log_in(ask.headway, _knock(ask, device))
    except HeadwayError as error:
        return _form(ask, wanted, error)
    answer = started(ask, id, wanted)
    if not known:
        keep(ask, answer, DEVICE, device, int(access_tries.REMEMBER_SECONDS))
    return answer


@form("/logout", OPEN)
def leave(ask: Ask) -> Response:
    """The session ends here and on the server; who came by a provider may log out there too."""
    id = ask.door.session(ask.request)
    with ask.headway.tx() as tx:
        source = access_sessions.source(tx.connection, id)
        flow.log_out(tx, id)
    address = _goodbye(ask, source) if source else ""
    answer = to("/login")
    if address:
        answer = ask.show("logged_out.html", error=None, address=address, provider=source)
    _forget(ask, answer, SESSION)
    answer.headers["clear-site-data"] = '"cache"'
    return answer


def _goodbye(ask: Ask, source: str) -> str:
    """Where to log out at the provider; empty if it has no such place, or does not answer."""
    site = ask.request.app.state.site
    base = site.public_url.rstrip("/") or str(ask.request.base_url).rstrip("/")
    try:
        return provider_of(ask.headway.home, source).goodbye(f"{base}/login")
    except HeadwayError:
        return ""


@page("/welcome/{secret}", OPEN)
def welcome(ask: Ask) -> Response:
    """The form of the first administrator."""
    with ask.headway.reading() as connection:
        flow.check_invitation(connection, ask.path["secret"], time.time())
    return _shown(ask, "welcome.html", None)


@form("/welcome/{secret}", OPEN)
def first(ask: Ask) -> Response:
    """Name and password of the first administrator."""
    try:
        id = flow.welcome(ask.headway, ask.path["secret"], _knock(ask))
    except HeadwayError as error:
        if error.code == "unknown-link":
            raise
        return _shown(ask, "welcome.html", error)
    return started(ask, id, "/")


def started(ask: Ask, id: str, wanted: str) -> Response:
    """The browser keeps the new session's id, and no older one is left."""
    if old := ask.door.session(ask.request):
        with ask.headway.tx() as tx:
            access_sessions.end(tx, old)
    answer = to(wanted)
    keep(ask, answer, SESSION, id)
    _forget(ask, answer, VISITOR)
    return answer


def own_path(wanted: str) -> str:
    """Where to go after login: a path of this server, else the start."""
    good = wanted.startswith("/") and not wanted.startswith("//")
    plain = all(" " < c <= "~" and c != "\\" for c in wanted)
    return wanted if good and plain else "/"


def _form(ask: Ask, wanted: str, error: HeadwayError | None = None) -> Response:
    providers = offered(ask.headway.home)
    return _shown(ask, "login.html", error, next=own_path(wanted), providers=providers)


def _shown(ask: Ask, template: str, error: HeadwayError | None, **data: object) -> Response:
    """A form for somebody who is not logged in; their browser keeps what binds it to the form."""
    fresh = ask.door.visit(ask.request, secret)
    shown = ask.show(template, error=error, name=_field(ask, "name"), **data)
    if error:
        shown.status_code = _STATUS.get(error.code, status_of(error))
    if fresh:
        keep(ask, shown, VISITOR, fresh)
    return shown


def _knock(ask: Ask, device: str = "") -> Knock:
    client = ask.request.client
    address = client.host if client else ""
    return Knock(_field(ask, "name"), _field(ask, "password"), address, time.time(), device)


def _field(ask: Ask, name: str) -> str:
    found = ask.form.get(name, "")
    return found if isinstance(found, str) else ""


def keep(ask: Ask, answer: Response, name: str, value: str, most: int = MOST_SECONDS) -> None:
    """A cookie that scripts do not see and other sites do not send along with forms."""
    secure, called = ask.door.secure, ask.door.cookie(name)
    answer.set_cookie(called, value, most, path="/", secure=secure, httponly=True, samesite="lax")


def _forget(ask: Ask, answer: Response, name: str) -> None:
    called, secure = ask.door.cookie(name), ask.door.secure
    answer.delete_cookie(called, path="/", secure=secure, httponly=True, samesite="lax")
