"""A route of the API: refuses what it does not know, answers as the command line prints, and knows
whether the client has it already (ETag, RFC 9110 section 8.8.3).
"""

import functools
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from fastapi import Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from headway.api.problems import Fault, Wrong

_ENCODER = msgspec.json.Encoder()


class Route(APIRoute):
    """Every router's class of routes."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        options["operation_id"] = options.get("operation_id") or endpoint.__name__
        super().__init__(path, _encoded(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI's, with the query checked before and the ETag after."""
        handle = super().get_route_handler()
        fields = [f for f in get_flat_params(self.dependant) if isinstance(f.field_info, Query)]
        known = {f.alias for f in fields}
        several = {f.alias for f in fields if "list" in str(f.field_info.annotation)}

        async def answer(request: Request) -> Response:
            _check(request, known, several)
            response = await handle(request)
            if request.method == "GET" and hasattr(response, "body") and response.body:
                return _conditional(request, response)
            return response

        return answer


def encoded(value: object) -> bytes:
    """As `--json` prints it: dataclasses, times in UTC."""
    return _ENCODER.encode(value)


def tag(body: bytes) -> str:
    """The strong validator of exactly these bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def unchanged(request: Request, now: object) -> None:
    """Of a write with If-Match: raises Wrong (`changed`, 412) unless what it writes to is still as
    the client has read it. `now`: what a GET of it would give.
    """
    given = request.headers.get("if-match", "").strip()
    if given and given != "*" and tag(encoded(now)) not in _tags(given):
        raise Wrong(
            "it has changed since it was read",
            412,
            code="changed",
            next="read it again, and decide again",
        )


def _tags(given: str) -> set[str]:
    return {t.strip().removeprefix("W/") for t in given.split(",")}


def _encoded(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """What an endpoint gives, as an answer."""

    @functools.wraps(endpoint)
    def answer(*args: Any, **kwargs: Any) -> Response:
        given = endpoint(*args, **kwargs)
        if isinstance(given, Response):
            return given
        return Response(encoded(given), media_type="application/json")

    return answer


def _check(request: Request, known: set[str], several: set[str]) -> None:
    """Raises Wrong (`unknown-parameter`, `repeated-parameter`)."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in dict.fromkeys(names):
        if name not in known:
            why = f"known here: {', '.join(sorted(known))}" if known else "none is known here"
            raise Wrong(
                "unknown parameter",
                422,
                code="unknown-parameter",
                why=why,
                faults=(Fault(f"query.{name[:80]}", "unknown"),),
            )
        if name not in several and names.count(name) > 1:
            raise Wrong(
                "a parameter is given twice",
                422,
                code="repeated-parameter",
                faults=(Fault(f"query.{name[:80]}", "given twice"),),
            )


def _conditional(request: Request, response: Response) -> Response:
    mine = tag(bytes(response.body))
    response.headers["etag"] = mine
    response.headers["cache-control"] = "no-cache, private"
    asked = request.headers.get("if-none-match", "")
    if response.status_code == 200 and (asked.strip() == "*" or mine in _tags(asked)):
        keep = {k: v for k, v in response.headers.items() if k in {"etag", "cache-control"}}
        return Response(status_code=304, headers=keep)
    return response
