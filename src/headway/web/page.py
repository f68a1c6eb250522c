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
from headway.web import draft, nav, render
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
        """A page that asks what a dialog would ask, with what was written when it could not be
        sent.
        """
        text = draft.kept(self.door, self.request, _address(self.request))
        shown = self.show("confirm.html", question=question, draft=text)
        if text:
            draft.forget(self.door, shown)
        return shown


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
                return await _to_login(request, known)
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


async def _to_login(request: Request, known: Page) -> Response:
    """And back to the page that was asked for. What was sent is asked again there, with what was
    written; it is done by nobody but who says so once more.
    """
    asked, sent = _address(request), known.method == "POST"
    if sent:
        shows = {p.path for p in PAGES if p.method == "GET"}
        above = known.path.rpartition("/")[0]
        asked = asked if known.path in shows else "/"
        asked = request.url.path.rpartition("/")[0] if asked == "/" and above in shows else asked
    address = f"/login?next={quote(asked, safe='')}"
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"hx-redirect": address})
    answer = RedirectResponse(address, status_code=303)
    if sent and draft.from_here(request):
        _keep(request, answer, await _sent(request))
    return answer


def _keep(request: Request, answer: Response, sent: FormData) -> None:
    door: Doorkeeper = request.app.state.doorkeeper
    draft.keep(door, answer, _address(request), str(sent.get("reason", "")))


def _address(request: Request) -> str:
    """The path that was asked for, with its query."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _answer(known: Page, ask: Ask) -> Response:
    try:
        if not ask.door.is_own(ask.request, str(ask.form.get("csrf", ""))):
            return _again(known, ask)
        return known.handler(ask)
    except HeadwayError as error:
        wrote = str(ask.form.get("reason", "")) if draft.from_here(ask.request) else ""
        return render.refusal(ask.request, ask.headway, ask.who, error, wrote)


def _again(known: Page, ask: Ask) -> Response:
    """A form of a session before is asked again, if its question has a page. Raises Denied."""
    asks = any(p.path == known.path and p.method == "GET" for p in PAGES)
    if not (asks and ask.form.get("reason") and draft.from_here(ask.request)):
        raise forged()
    answer = to(_address(ask.request))
    _keep(ask.request, answer, ask.form)
    return answer
