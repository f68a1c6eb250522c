"""The page for an address at which there is nothing: it says so, and leads back.

Only for browsers, which ask for text/html: programs and git get their own refusals. Added by `app`
after every page and before git.
"""

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from headway.api.problems import Missing
from headway.web.page import Ask, Page, endpoint
from headway.wiring import Headway
from headway.wording.text import plain


class _Lost(Route):
    """Matches nothing but what a browser asks."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", ""):
            return super().matches(scope)
        return Match.NONE, {}


def route(headway: Headway) -> Route:
    """The last of the pages."""
    known = Page("/{path:path}", "service.read", "GET", _nothing)
    return _Lost(known.path, endpoint(known, headway), methods=[known.method])


def _nothing(ask: Ask) -> Response:
    raise Missing(
        f"there is no page {plain(ask.request.url.path, 100)}",
        why="the address is misspelt, or what it named is no longer kept",
        code="unknown-address",
    )
