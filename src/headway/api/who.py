"""Who asks: from a bearer token or a session's cookie to a Principal. The one place that decides.

The token of the home (HOME/token, readable by its owner only) is an admin's: whoever can read it
can write everything in the home. A header counts more than a cookie, and a wrong header is nobody:
no cookie makes up for it.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable

import sqlalchemy as sa
from starlette.requests import Request

from headway.access import scope
from headway.access.principal import NOBODY, Grant, Principal
from headway.access.tokens import well_formed
from headway.store import access, access_sessions, access_tokens
from headway.wiring import Headway

OWNER = Principal("home", "owner of the home", "service", (Grant("admin"),), via="token")
SESSION, VISITOR, DEVICE = "headway_session", "headway_visitor", "headway_device"
CSRF_HEADER = "x-csrf-token"
SEEN_SECONDS = 600.0
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Doorkeeper:
    """`token`: that of the home; `secure`: browsers reach it by https only."""

    def __init__(self, headway: Headway, token: str, *, secure: bool = False) -> None:
        self._headway = headway
        self._token = token
        self.secure = secure

    def who(self, request: Request) -> Principal:
        """Whoever asks, as of now; NOBODY without valid credentials. Reads the database each time,
        so that who follows a stream is let go when a token or session ends.
        """
        scheme, given = _authorization(request)
        if scheme:
            return self._bearer(given) if scheme == "bearer" else NOBODY
        id = self.session(request)
        return self._browser(id) if id else NOBODY

    def program(self, request: Request) -> Principal:
        """As `who`, and also by the password of HTTP Basic (RFC 7617), as git sends it; never by a
        cookie.
        """
        scheme, given = _authorization(request)
        if scheme == "basic":
            return self._bearer(_password(given))
        return self.who(request) if scheme == "bearer" else NOBODY

    def _bearer(self, given: str) -> Principal:
        if self._token and hmac.compare_digest(given.encode(), self._token.encode()):
            return OWNER
        if not well_formed(given):
            return NOBODY
        now = time.time()
        with self._headway.reading() as connection:
            token = access_tokens.by_text(connection, given)
            if token is None or not token.works(now):
                return NOBODY
            owner = self._principal(connection, token.account, "token")
        if now - token.used_at > SEEN_SECONDS:
            with self._headway.tx() as tx:
                access_tokens.use(tx, token.id)
        cut = scope.cut(owner.grants, token.scope)
        return Principal(owner.id, owner.name, owner.kind, cut, owner.teams, owner.via)

    def _browser(self, id: str) -> Principal:
        now = time.time()
        with self._headway.reading() as connection:
            held = access_sessions.holder(connection, id, now)
            if held is None:
                return NOBODY
            account, seen_at = held
            found = self._principal(connection, account, "session")
        if found.known and now - seen_at > SEEN_SECONDS:
            with self._headway.tx() as tx:
                access_sessions.see(tx, id)
        return found

    def _principal(self, connection: sa.Connection, name: str, via: str) -> Principal:
        account = access.find(connection, name)
        if account is None or account.disabled_at:
            return NOBODY
        return access.principal(connection, account, via)

    def cookie(self, name: str) -> str:
        """How the cookie is called: `__Host-` binds it to this very host, by https only (RFC
        6265bis section 4.1.3).
        """
        return f"__Host-{name}" if self.secure else name

    def session(self, request: Request) -> str:
        """The id of the browser's session, or empty."""
        return request.cookies.get(self.cookie(SESSION), "")

    def device(self, request: Request) -> str:
        """What the browser was given when somebody logged in there, or empty."""
        return request.cookies.get(self.cookie(DEVICE), "")

    def csrf(self, request: Request) -> str:
        """What a form of this browser must send back: bound to its session, or before login to its
        visit; empty without any.
        """
        id = self.session(request) or self.visitor(request)
        return csrf_of(id) if id else ""

    def visit(self, request: Request, make: Callable[[], str]) -> str:
        """The id of a visit that begins with this question; empty if the browser has one."""
        if self.csrf(request):
            return ""
        made = make()
        request.scope.setdefault("state", {})["headway_visitor"] = made
        return made

    def visitor(self, request: Request) -> str:
        """The id of the browser's visit, or empty."""
        begun = request.scope.get("state", {}).get("headway_visitor", "")
        return str(begun or request.cookies.get(self.cookie(VISITOR), ""))

    def is_own(self, request: Request, sent: str = "") -> bool:
        """Whether the question comes from a page of ours. One that changes nothing, and one that
        proves who asks by a header, needs no proof. `sent`: the field `csrf` of the form.
        """
        if request.method in _SAFE or _authorization(request)[0]:
            return True
        given, wanted = request.headers.get(CSRF_HEADER) or sent, self.csrf(request)
        return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())


def csrf_of(id: str) -> str:
    """The text in forms that belongs to a session."""
    return hmac.new(id.encode(), b"headway csrf", hashlib.sha256).hexdigest()


def _authorization(request: Request) -> tuple[str, str]:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower(), given.strip()


def _password(given: str) -> str:
    """The password in the credentials of HTTP Basic; empty if there is none."""
    try:
        return base64.b64decode(given, validate=True).partition(b":")[2].decode()
    except ValueError:
        return ""


Who = Callable[[Request], Principal]
