"""Puts the API together: its routers, its errors, its OpenAPI document at /api/v1/openapi.json."""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from headway import __version__
from headway.api.hub import Hub
from headway.api.problems import problem
from headway.api.v1 import events, live, services
from headway.api.who import Doorkeeper
from headway.model.errors import HeadwayError, Invalid
from headway.wiring import Headway

ROUTERS = (services.router, events.router, live.router)


def build(headway: Headway, door: Doorkeeper, hub: Hub) -> FastAPI:
    """The API of this Headway. Pages with foreign scripts (Swagger UI) are not served."""
    api = FastAPI(title="Headway", version=__version__, docs_url=None, redoc_url=None)
    api.state.headway, api.state.doorkeeper, api.state.hub = headway, door, hub
    for router in ROUTERS:
        api.include_router(router)
    api.add_exception_handler(HeadwayError, _refused)
    api.add_exception_handler(RequestValidationError, _unreadable)
    return api


async def _refused(request: Request, error: Any) -> JSONResponse:
    return problem(request, error)


async def _unreadable(request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(str(p) for p in first["loc"])
    return problem(request, Invalid("the request cannot be read", why=f"{where}: {first['msg']}"))
