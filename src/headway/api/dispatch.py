"""POST /repos/NAME/dispatches and /repos/NAME/actions/workflows/FILE/dispatches: programs start
workflows of a hosted repository, in the form of GitHub's API with the same ends.

Who may decides api/programs. Mounted by api/app.py.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headway import typed
from headway.adapters.system.bell import EVENTS, ring
from headway.flows.trigger_dispatch import Dispatch, dispatched, repository_dispatch
from headway.model.errors import HeadwayError, Invalid, Refused
from headway.store import triggers
from headway.store.triggers import Told
from headway.wiring import Headway

MOST_BYTES = 128 << 10
HOOK = "dispatch"
Allowed = Callable[[Request], bool]
Do = Callable[[Headway, Request, dict[str, Any]], JSONResponse]


def routes(headway: Headway, allowed: Allowed) -> list[Route]:
    """Both endpoints."""
    workflow = "/repos/{name}/actions/workflows/{file}/dispatches"
    return [
        Route("/repos/{name}/dispatches", _door(headway, allowed, _event), methods=["POST"]),
        Route(workflow, _door(headway, allowed, _workflow), methods=["POST"]),
    ]


def _door(headway: Headway, allowed: Allowed, do: Do) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        if not allowed(request):
            return _refusal(401, "a token that may `event.write` there is needed")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return _refusal(413, f"at most {MOST_BYTES >> 10} KiB")
        try:
            asked = typed.loads(bytes(body), dict[str, Any])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            return _refusal(400, f"the body is no JSON object: {error}"[:200])
        try:
            return await run_in_threadpool(do, headway, request, asked)
        except (Invalid, Refused) as error:
            return _refusal(404 if error.code in _NOT_THERE else 422, str(error))
        except HeadwayError as error:
            return _refusal(503, str(error))

    return endpoint


_NOT_THERE = frozenset({"unknown-repository", "unknown-workflow", "bad-name"})


def _workflow(headway: Headway, request: Request, asked: dict[str, Any]) -> JSONResponse:
    """`{"ref": …, "inputs": {…}}`: the run exists when this is answered."""
    inputs, ref = asked.get("inputs") or {}, asked.get("ref") or "HEAD"
    if not isinstance(inputs, dict) or not isinstance(ref, str):
        raise Invalid("`ref` is a text, `inputs` an object of texts", code="bad-dispatch")
    wish = Dispatch(
        repo=_hosted(headway, request),
        revision=ref,
        workflow=request.path_params["file"],
        by="api",
        id=f"api {os.urandom(8).hex()}",
        at=headway.world.clock.now(),
        inputs={str(key): _text(value) for key, value in inputs.items()},
    )
    spec = headway.start(dispatched(headway.world, wish)).spec
    return JSONResponse({"run": spec.id, "number": spec.number}, status_code=201)


def _event(headway: Headway, request: Request, asked: dict[str, Any]) -> JSONResponse:
    """`{"event_type": …, "client_payload": {…}}`: stored; runs follow."""
    payload, type = asked.get("client_payload") or {}, asked.get("event_type")
    if not isinstance(payload, dict) or not isinstance(type, str):
        raise Invalid("`event_type` is a text, `client_payload` an object", code="bad-dispatch")
    event = repository_dispatch(_hosted(headway, request), type, payload)
    delivery = f"api {os.urandom(8).hex()}"
    told = replace(event, repo=request.path_params["name"], delivery=delivery)
    with headway.tx() as tx:
        id = triggers.add(tx, Told(HOOK, delivery, told))
    ring(headway.home, EVENTS)
    return JSONResponse({"trigger": id}, status_code=202)


def _hosted(headway: Headway, request: Request) -> str:
    name = request.path_params["name"]
    folder = headway.hosting.path(name)
    if not folder.is_dir():
        raise Invalid(f"no repository `{name}` is hosted here", code="unknown-repository")
    return str(folder)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise Invalid("an input is a text, a number or a boolean", code="bad-dispatch")


def _refusal(status: int, because: str) -> JSONResponse:
    return JSONResponse({"status": "refused", "because": because}, status_code=status)
