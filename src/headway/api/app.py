"""The server's HTTP door: git, webhooks, health. Bound to loopback unless told otherwise."""

import base64
import hmac
from collections.abc import Sequence

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route

from headway.api import dispatch, run_logs
from headway.api.access import bearer, from_here
from headway.api.git import git_app
from headway.api.metrics import page
from headway.api.otlp import receive
from headway.api.refusals import Refusals
from headway.api.v1 import app as v1
from headway.api.webhook import receive as hear
from headway.api.who import Doorkeeper
from headway.wiring import Headway


def app(headway: Headway, token: str, site: Sequence[BaseRoute] = ()) -> Starlette:
    """Git under /, webhooks under /hooks, health under /health, metrics in and out, logs of runs,
    the API under /api/v1; `site`: more routes, asked before git.

    `state.leaving` of what it gives may be set to a function that says whether the server wants to
    end: who follows a log is let go then.
    """
    refusals, door = Refusals(headway), Doorkeeper(token)

    def may_push(request: Request) -> bool:
        given = _password(request)
        good = bool(token) and hmac.compare_digest(given, token.encode())
        if given and not good:
            refusals.note(request.scope["path"])
        return good

    def may_measure(request: Request) -> bool:
        return from_here(request) or bearer(request, token) or may_push(request)

    def may_do(request: Request) -> bool:
        return bearer(request, token) or may_push(request)

    async def alive(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> JSONResponse:
        checks = {"database": _answers(headway)}
        good = all(v == "ok" for v in checks.values())
        word = "ok" if good else "not ready"
        return JSONResponse({"status": word, "checks": checks}, status_code=200 if good else 503)

    routes = [
        Route("/health", alive),
        Route("/health/ready", ready),
        Route("/metrics", page(headway, may_measure)),
        Route("/v1/metrics", receive(lambda: headway.samples, may_measure), methods=["POST"]),
        Route("/hooks/{kind}/{name}", hear(headway), methods=["POST"]),
        *dispatch.routes(headway, may_do),
        *run_logs.routes(headway.home, may_do),
        Mount("/api/v1", v1.build(headway, door)),
        *site,
        Mount("/", git_app(headway.home, may_push)),
    ]
    made = Starlette(routes=routes)
    made.state.doorkeeper = door
    return made


def _password(request: Request) -> bytes:
    """The password of HTTP Basic (RFC 7617); empty if there is none."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(given, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _answers(headway: Headway) -> str:
    try:
        with headway.reading() as connection:
            connection.execute(sa.text("SELECT 1"))
    except sa.exc.DBAPIError as error:
        return type(error).__name__
    return "ok"
