"""GET /live: an event whenever something has happened that the page is about (server-sent events).

A page names its topic in `<main data-live="delivery=del_1">`: columns of the event log and values,
or topics of api/live as `on=rollout:ID`; nothing: every event of the services that may be read.
Only that something changed is told, never what: the page asks for itself, with its own permissions.
"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headway.api.live import changes
from headway.api.problems import problem
from headway.model.errors import HeadwayError


def route() -> Route:
    """The endpoint."""

    async def endpoint(request: Request) -> Response:
        try:
            return await run_in_threadpool(changes, request, _topics(request))
        except HeadwayError as error:
            return problem(request, error)

    return Route("/live", endpoint)


def _topics(request: Request) -> list[str]:
    """`service=S&environment=E` is the place; the others stand alone."""
    query = request.query_params
    found = query.getlist("on")
    if service := query.get("service"):
        found.append(f"place:{service}/{query.get('environment', '')}")
    for name in ("delivery", "release"):
        found += [f"{name}:{value}" for value in query.getlist(name)]
    kinds = {"rol": "rollout", "run": "run", "del": "delivery"}
    for value in query.getlist("subject"):
        found.append(f"{kinds.get(value.partition('_')[0], 'release')}:{value}")
    return found or ["all"]
