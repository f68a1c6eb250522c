"""From a template and its data to an answer, with the headers that every page has."""

import re
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from headway.access.principal import Principal, anywhere, may, services
from headway.api.problems import status_of
from headway.model.errors import HeadwayError
from headway.store.views import counts, line
from headway.web import assets, nav, stopping, words
from headway.wiring import Headway

FOLDER = Path(__file__).parent
SPINS = {"run": " spin"}
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
}


def _icons() -> dict[str, Markup]:
    """Every symbol of icons.svg as an element to put into a page, by its id."""
    text = (FOLDER / "static" / "icons.svg").read_text()
    found = re.findall(r'<symbol id="([^"]+)"([^>]*)>(.*?)</symbol>', text, re.S)
    return {
        id: Markup(f'<svg class="icon{SPINS.get(id, "")}" aria-hidden="true"{more}>{inner}</svg>')  # noqa: S704  ours
        for id, more, inner in found
    }


_TOKEN: ContextVar[str] = ContextVar("csrf", default="")
"""Of the page that is being made: macros see it too."""


def _csrf() -> Markup:
    """The hidden field that every form carries: `{{ csrf() }}`."""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(_TOKEN.get())


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # what runs is what was installed when it began
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(words.FILTERS)
    made.globals["icons"] = _icons()
    made.globals["asset"] = assets.url
    made.globals["csrf"] = _csrf
    return made


_JINJA = _environment()


def page(
    request: Request, headway: Headway, who: Principal, template: str, data: dict[str, Any]
) -> Response:
    """A page: the template with its data, and what every template may ask."""
    return _answer(request, headway, who, template, data)


def refusal(
    request: Request, headway: Headway, who: Principal, error: HeadwayError, wrote: str = ""
) -> Response:
    """A page that says what is not possible, why, and what to do next, and gives back what somebody
    wrote; a stranger gets it without the links of the site, but with the way to log in.
    """
    more = {"wrote": wrote, "back": nav.above(who, request.url.path)}
    template = "refusal.html" if who.known else "refusal_door.html"
    shown = _answer(request, headway, who, template, {"error": error, **more})
    shown.status_code = status_of(error)
    return shown


def _answer(
    request: Request, headway: Headway, who: Principal, template: str, data: dict[str, Any]
) -> Response:
    token = request.app.state.doorkeeper.csrf(request)
    _TOKEN.set(token)
    with headway.reading() as connection:
        due = counts.read(connection, services(who))
        stopped = stopping.seen(line.read(connection), services(who))
    known = {
        "who": who,
        "csrf_token": token,
        "now": datetime.now(UTC),
        "nav": partial(nav.groups, who),
        "known_page": nav.OPEN.__contains__,
        "counts": due,
        "stopped": stopped,
        "stop_line": stopping.question(who, due),
        "may": partial(may, who),
        "anywhere": partial(anywhere, who),
        "here": request.url.path,
        **data,
    }
    return HTMLResponse(_JINJA.get_template(template).render(known), headers=HEADERS)
