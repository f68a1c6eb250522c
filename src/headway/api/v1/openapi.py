"""The OpenAPI 3.1 document: GET /openapi.json, and docs/reference/openapi.json (scripts/docs).

It holds nothing of a home, so that it is given to anybody: a client must read it before it has a
token. What FastAPI makes is completed here: how one logs in, what every answer carries, the
refusals' one shape, which permission a route needs, and the logs of runs, which are served beside.
"""

import json
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from headway.api.guard import Needs
from headway.api.v1.common import Problem, answers
from headway.api.v1.route import Route

VERSION = "1.0.0"
"""Of the interface: the second number rises with every addition; nothing is taken away in v1."""

router = APIRouter(tags=["openapi"], route_class=Route)

_ABOUT = """\
Everything that the command line and the pages show and do, for programs.

Send `Authorization: Bearer TOKEN` (`headway token create`). Lists come in pages: `limit`, and
`cursor` with what `next` gave; newest first; `since` and `until` are times of RFC 3339. Every write
needs an `Idempotency-Key`: the same again within 24 hours is done once and answered the same. Reads
carry an `ETag`; writes take it as `If-Match`. Shares are 0 to 1, units are in names, times are UTC.
Refusals are application/problem+json with a `code` that stays the same.
"""


@router.get("/openapi.json", include_in_schema=False)
def show_document(request: Request) -> JSONResponse:
    """This document."""
    return JSONResponse(document(request.app))


def document(api: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    if api.openapi_schema is None:
        api.title, api.version, api.description = "Headway", VERSION, _ABOUT
        made = api.openapi()
        made["servers"] = [{"url": "/api/v1"}]
        parts = made["components"]
        parts["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "A token of an account."},
            "session": {"type": "apiKey", "in": "cookie", "name": "headway_session"},
        }
        made["security"] = [{"token": []}, {"session": []}]
        parts["schemas"]["Problem"] = _problem()
        for name in ("HTTPValidationError", "ValidationError"):
            parts["schemas"].pop(name, None)
        _complete(api, made)
        refusals = {str(s): a for s, a in answers((400, 401, 404, 503)).items()}
        logs = _LOGS | {"responses": _LOGS["responses"] | refusals}
        made["paths"]["/runs/{run}/jobs/{job}/logs"] = {"get": logs}
        api.openapi_schema = made
    return api.openapi_schema


def text(api: FastAPI) -> str:
    """The document as it is kept in docs/reference."""
    return json.dumps(document(api), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _problem() -> dict[str, Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(Problem).json_schema()


def _complete(api: FastAPI, made: dict[str, Any]) -> None:
    for route in api.routes:
        if not isinstance(route, Route) or route.path not in made["paths"]:
            continue
        for method in route.methods or ():
            operation = made["paths"][route.path][method.lower()]
            needed = [
                d.call.permission for d in route.dependant.dependencies if isinstance(d.call, Needs)
            ]
            operation["x-permission"] = needed[0]
            operation["description"] = (
                f"{operation.get('description', '')}\n\nNeeds `{needed[0]}`.".strip()
            )
            if (method, route.path) in EXAMPLES:
                content = operation["requestBody"]["content"]["application/json"]
                content["example"] = EXAMPLES[method, route.path]
            for status, answer in operation["responses"].items():
                answer.setdefault("headers", {})["X-Request-Id"] = _REQUEST_ID
                if method == "GET" and status == "200":
                    answer["headers"]["ETag"] = _ETAG
                if status == "429":
                    answer["headers"]["Retry-After"] = _RETRY
                if "application/problem+json" in answer.get("content", {}):
                    answer["content"].pop("application/json", None)


_WHY = "the sale begins"
EXAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/deliveries"): {"service": "shop", "revision": "main", "to": "staging"},
    ("POST", "/deliveries/{delivery}/commands"): {"command": "cancel", "reason": "wrong branch"},
    ("POST", "/releases/{release}/commands"): {
        "command": "start", "environment": "production", "reason": _WHY,
    },
    ("POST", "/rollouts/{rollout}/commands"): {"command": "pause", "reason": _WHY},
    ("POST", "/artifacts/{digest}/commands"): {
        "command": "clear", "environment": "staging", "reason": "the disk was full",
    },
    ("POST", "/approvals"): {
        "release": "shop-43", "environment": "production", "decision": "approve", "reason": _WHY,
    },
    ("POST", "/runs"): {"repository": "shop", "workflow": "nightly.yml", "revision": "main"},
    ("POST", "/runs/{run}/commands"): {"command": "rerun", "reason": "flaky", "failed_only": True},
    ("POST", "/line/commands"): {"command": "stop", "reason": "prices are wrong", "seconds": 3600},
    ("POST", "/alerts/{alert}/commands"): {"command": "acknowledge", "reason": "looking at it"},
    ("POST", "/webhooks"): {
        "name": "chat", "url": "https://chat.example.com/hooks", "events": "release.*",
    },
    ("POST", "/webhooks/{webhook}/commands"): {"command": "pause", "reason": "they move house"},
    ("POST", "/notifications/preferences/{name}/commands"): {
        "command": "follow", "events": ["rolled_back"], "services": ["shop"],
    },
    ("POST", "/accounts"): {"name": "ci", "kind": "service"},
    ("POST", "/accounts/{account}/commands"): {
        "command": "grant", "role": "developer", "service": "shop",
    },
    ("POST", "/tokens"): {"account": "ci", "name": "build", "allows": ["developer"], "days": 90},
    ("POST", "/tokens/{token}/commands"): {"command": "revoke"},
}  # fmt: skip
"""A body of each write; a test sends them."""
_REQUEST_ID = {"schema": {"type": "string"}, "description": "Of this request, in logs too."}
_ETAG = {"schema": {"type": "string"}, "description": "For If-None-Match and If-Match."}
_RETRY = {"schema": {"type": "integer"}, "description": "Seconds."}


def _parameter(name: str, where: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": "string"}}


_LOGS: dict[str, Any] = {
    "tags": ["runs"],
    "operationId": "follow_run_logs",
    "x-permission": "service.read",
    "summary": "Follow Run Logs",
    "description": "What a job says: server-sent events (`line`, `step`, `end`), gone on with by "
    "`Last-Event-ID`; `format=text` gives the bytes, `follow=false` what is there.",
    "parameters": [
        _parameter("run", "path"),
        _parameter("job", "path"),
        *(_parameter(n, "query") for n in ("step", "format", "follow", "after")),
        _parameter("Last-Event-ID", "header"),
    ],
    "responses": {
        "200": {
            "description": "The log.",
            "content": {
                "text/event-stream": {"schema": {"type": "string"}},
                "text/plain": {"schema": {"type": "string"}},
            },
        }
    },
}
