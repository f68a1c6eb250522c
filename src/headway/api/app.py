"""The server's HTTP door: git, webhooks, health. Bound to loopback unless told otherwise."""

import time
from collections.abc import Sequence

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route

from headway.api import dispatch, run_logs
from headway.api.git import git_app
from headway.api.hub import Hub
from headway.api.metrics import page
from headway.api.otlp import receive
from headway.api.problems import Always, nowhere
from headway.api.programs import Programs
from headway.api.security import Secured, Site
from headway.api.v1 import app as v1
from headway.api.webhook import receive as hear
from headway.api.who import Doorkeeper
from headway.store.views import health
from headway.wiring import Headway

HERE = Site()


def app(
    headway: Headway, token: str, site: Sequence[BaseRoute] = (), reached: Site = HERE
) -> Starlette:
    """Git under /, webhooks under /hooks, health under /health, metrics in and out, logs of runs,
    the API under /api/v1; `site`: more routes, asked before git; `reached`: by which names.

    `state.leaving` of what it gives may be set to a function that says whether the server wants to
    end: who follows a log is let go then.
    """
    made = Starlette(middleware=[Middleware(Secured, site=reached)])
    made.state.leaving = lambda: False
    door = Doorkeeper(headway, token, secure=reached.secure)
    programs = Programs(headway, door)
    hub = Hub(headway, door.who, lambda: bool(made.state.leaving()))

    async def alive(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> JSONResponse:
        checks = await run_in_threadpool(_checks, headway)
        good = all(v == "ok" for v in checks.values())
        word = "ok" if good else "not ready"
        return JSONResponse({"status": word, "checks": checks}, status_code=200 if good else 503)

    routes = [
        Route("/health", alive),
        Route("/health/ready", ready),
        Route("/metrics", page(headway, programs.scrape)),
        Route("/v1/metrics", receive(lambda: headway.samples, programs.measure), methods=["POST"]),
        Route("/hooks/{kind}/{name}", hear(headway), methods=["POST"]),
        *dispatch.routes(headway, programs.dispatch),
        *run_logs.routes(headway.home, programs.follow),
        Mount("/api/v1", v1.build(headway, door, hub)),
        *(Route(path, Always(nowhere())) for path in ("/api", "/api/{path:path}")),
        *site,
        Mount("/", git_app(headway.home, programs.push)),
    ]
    made.router.routes[:] = routes
    made.router.default = Always(nowhere())  # a path with a line break in it is on no route
    made.state.doorkeeper, made.state.hub, made.state.site = door, hub, reached
    return made


def _checks(headway: Headway) -> dict[str, str]:
    """One word each; what is behind it, `headway doctor` says on the machine."""
    try:
        with headway.reading() as connection:
            beat = health.engine(connection, time.time(), headway.executor)
            looks = [beat, health.held(connection)]
    except sa.exc.DBAPIError as error:
        return {"database": type(error).__name__}
    looks.append(health.disk(headway.place))
    found = {one.name: "failed" if one.outcome == "failed" else "ok" for one in looks}
    return {"database": "ok"} | found
