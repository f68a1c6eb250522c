"""What a page is: a path, a permission and a function from the question to an answer.

`@page` shows something, `@form` changes something and redirects (303). Who may not, and what was
sent from anywhere but a page of the same session, is refused before the function is called; it
still asks `must` and `see` (api/guard) about the very object.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Message

from headway.access.principal import Principal, anywhere
from headway.api.guard import denied, forged
from headway.api.problems import Denied
from headway.api.who import Doorkeeper
from headway.model.errors import HeadwayError, Invalid
from headway.web import nav, render
from headway.web.question import Question
from headway.wiring import Headway
from headway.wording.text import plain

OPEN = ""
"""Instead of a permission: for everybody, also before login."""
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of somebody who may ask it. `form` is empty unless something is sent."""

    request: Request
    headway: Headway
    who: Principal
    form: FormData = field(default_factory=FormData)

    @property
    def path(self) -> dict[str, Any]:
        """The parts of the address that the route names."""
        return self.request.path_params

    @property
    def door(self) -> Doorkeeper:
        """Who decides who asks."""
        found: Doorkeeper = self.request.app.state.doorkeeper
        return found

    @property
    def query(self) -> dict[str, str]:
        """The last value of each name in the query."""
        return dict(self.request.query_params)

    def show(self, template: str, **data: Any) -> Response:
        """The page."""
        return render.page(self.request, self.headway, self.who, template, data)

    def reason(self) -> str:
        """Why, as the form says. Raises Invalid (`missing-reason`) without one."""
        given = str(self.form.get("reason", "")).strip()
        if not given:
            raise Invalid(
                "this needs a reason",
                why="the audit trail says why each thing was done",
                code="missing-reason",
            )
        return plain(given, 500)

    def confirm(self, question: Question) -> Response:
        """A page that asks what a dialog would ask."""
        return self.show("confirm.html", question=question)


Handler = Callable[[Ask], Response]


@dataclass(frozen=True, slots=True)
class Page:
    """One route of the site."""

    path: str
    permission: str
    method: str
    handler: Handler


PAGES: list[Page] = []


def page(path: str, permission: str = "service.read") -> Callable[[Handler], Handler]:
    """Registers a function that shows something."""
    return _registered(path, permission, "GET")


def form(path: str, permission: str) -> Callable[[Handler], Handler]:
    """Registers a function that changes something; it gives a redirect (`to`)."""
    return _registered(path, permission, "POST")


def to(path: str) -> Response:
    """What a form answers with: see there."""
    return RedirectResponse(path, status_code=303)


def _registered(path: str, permission: str, method: str) -> Callable[[Handler], Handler]:
    def keep(handler: Handler) -> Handler:
        PAGES.append(Page(path, permission, method, handler))
        if method == "GET" and "{" not in path and permission != OPEN:
            nav.OPEN[path] = permission
        return handler

    return keep


def routes(headway: Headway) -> list[Route]:
    """Every registered page as a route."""
    return [Route(p.path, endpoint(p, headway), methods=[p.method]) for p in PAGES]


def endpoint(known: Page, headway: Headway) -> Callable[[Request], Any]:
    """What answers a request for the page: login, permission, then its function."""

    async def answer(request: Request) -> Response:
        who = await run_in_threadpool(request.app.state.doorkeeper.who, request)
        try:
            if known.permission != OPEN and not who.known:
                return _to_login(request)
            if known.permission != OPEN and not anywhere(who, known.permission):
                raise denied(who, known.permission)
            sent = await _sent(request) if known.method == "POST" else FormData()
        except Denied as error:
            return await run_in_threadpool(render.refusal, request, headway, who, error)
        return await run_in_threadpool(_answer, known, Ask(request, headway, who, sent))

    return answer


async def _sent(request: Request) -> FormData:
    """The form. Raises Denied if it is larger than any of ours."""
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > MOST_BYTES:
            raise Denied("this form is too large", 413, why=f"at most {MOST_BYTES >> 20} MiB")
        return message

    return await Request(request.scope, receive).form()


def _to_login(request: Request) -> Response:
    """And back to the page that was asked for; to the start after something that was sent."""
    query = f"?{request.url.query}" if request.url.query else ""
    asked = request.url.path + query if request.method in {"GET", "HEAD"} else "/"
    address = f"/login?next={quote(asked, safe='')}"
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"hx-redirect": "/login"})
    return RedirectResponse(address, status_code=303)


def _answer(known: Page, ask: Ask) -> Response:
    try:
        if not ask.door.is_own(ask.request, str(ask.form.get("csrf", ""))):
            raise forged()
        return known.handler(ask)
    except HeadwayError as error:
        return render.refusal(ask.request, ask.headway, ask.who, error)
