"""What a page is: a path, a permission and a function from the question to an answer.

`@page` shows something, `@form` changes something and redirects (303). Who may not is refused
before the function is called; it still asks `must` and `see` (api/guard) about the very object.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from headway.access.principal import Principal, anywhere
from headway.api.guard import denied
from headway.model.errors import HeadwayError
from headway.web import nav, render
from headway.web.question import Question
from headway.wiring import Headway


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
    def query(self) -> dict[str, str]:
        """The last value of each name in the query."""
        return dict(self.request.query_params)

    def show(self, template: str, **data: Any) -> Response:
        """The page."""
        return render.page(self.request, self.headway, self.who, template, data)

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
        if method == "GET" and "{" not in path:
            nav.OPEN[path] = permission
        return handler

    return keep


def routes(headway: Headway) -> list[Route]:
    """Every registered page as a route."""
    return [Route(p.path, _endpoint(p, headway), methods=[p.method]) for p in PAGES]


def _endpoint(known: Page, headway: Headway) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        sent = await request.form() if known.method == "POST" else FormData()
        return await run_in_threadpool(_answer, known, headway, request, sent)

    return answer


def _answer(known: Page, headway: Headway, request: Request, sent: FormData) -> Response:
    who = request.app.state.doorkeeper.who(request)
    if not who.known:
        return RedirectResponse(f"/login?next={request.url.path}", status_code=303)
    try:
        if not anywhere(who, known.permission):
            raise denied(who, known.permission)
        return known.handler(Ask(request, headway, who, sent))
    except HeadwayError as error:
        return render.refusal(request, headway, who, error)
