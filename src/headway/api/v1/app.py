"""Puts the API together: its routers, what stands before them, its errors, its OpenAPI document at
/api/v1/openapi.json.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match, Route
from starlette.types import ASGIApp

from headway.api.hub import Hub
from headway.api.problems import Fault, Wrong, not_so, nowhere, problem
from headway.api.v1 import openapi
from headway.api.v1.door import Door, Limits, broken
from headway.api.v1.nouns import ROUTERS
from headway.api.who import Doorkeeper
from headway.model.errors import HeadwayError
from headway.wiring import Headway

LIMITS = Limits()


def build(headway: Headway, door: Doorkeeper, hub: Hub) -> ASGIApp:
    """The API of this Headway, behind its door."""
    api = bare()
    api.state.headway, api.state.doorkeeper, api.state.hub = headway, door, hub
    return Door(api, door.who, LIMITS)


def bare() -> FastAPI:
    """The routes alone, of no Headway: what the OpenAPI document is made from. Pages with foreign
    scripts (Swagger UI) are not served.
    """
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    api.router.redirect_slashes = False
    for router in (*ROUTERS, openapi.router):
        # the routes themselves, of class Route: a router that is included hides them
        api.router.routes.extend(router.routes)
    api.add_exception_handler(HeadwayError, _refused)
    api.add_exception_handler(RequestValidationError, _unreadable)
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(Exception, _broken)
    return api


async def _refused(request: Request, error: Any) -> JSONResponse:
    return problem(request, error)


async def _broken(request: Request, error: Exception) -> JSONResponse:
    return broken(request, error)


async def _unreadable(request: Request, error: Any) -> JSONResponse:
    faults = tuple(
        Fault(".".join(str(p)[:80] for p in e["loc"]), str(e["msg"])) for e in error.errors()[:20]
    )
    return problem(
        request,
        Wrong("the request makes no sense", 422, code="invalid-request", why=str(faults[0].message),
              faults=faults),
    )  # fmt: skip


async def _http(request: Request, error: Any) -> JSONResponse:
    if error.status_code == 404:
        return problem(request, nowhere())
    if error.status_code == 405:
        return problem(request, not_so(", ".join(_methods(request))))
    what, headers = "the request cannot be read", dict(error.headers or {})
    return problem(request, Wrong(what, error.status_code, code="bad-request", headers=headers))


def _methods(request: Request) -> list[str]:
    """Every method of the address, of however many routes."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= set(route.methods or ())
    return sorted(found)
