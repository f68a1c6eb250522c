"""Every refusal over HTTP in one form: application/problem+json (RFC 9457).

Members beside the standard's: `code`, `next`, `errors` (file, line, column, path, message, code),
`request_id`. `type` is `urn:headway:error:CODE`; the codes are in docs/reference/errors.md.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from headway.model.errors import Drifted, Failed, HeadwayError, Invalid, Refused, Unreachable
from headway.record import dataclass

TYPE = "application/problem+json"
_STATES = frozenset({"nothing-waits"})
"""Codes of what was asked rightly and is not so any more."""
_STATUS = {Failed: 422, Invalid: 400, Refused: 409, Unreachable: 503, Drifted: 409}


class Denied(Refused):
    """Who asks may not. `status`: 401 nobody is known, 403 the permission is missing, 413 it is too
    large, 421 the server is asked by a name that is not its own.
    """

    def __init__(self, what: str, status: int, *, why: str = "", next: str = "") -> None:
        super().__init__(what, why=why, next=next, code="login" if status == 401 else "permission")
        self.status = status


class Missing(Invalid):
    """There is none, or whoever asks may not know of it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one part of a request: `path` as `body.reason`, `query.limit`."""

    path: str
    message: str


class Wrong(Invalid):
    """The request itself is not as it must be. `status`: 400 it cannot be read, 405, 412 it is no
    longer as believed, 413, 415, 422 it makes no sense, 429 too often.
    """

    def __init__(  # noqa: PLR0913  as an error has them
        self,
        what: str,
        status: int,
        *,
        code: str,
        why: str = "",
        next: str = "",
        faults: tuple[Fault, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(what, why=why, next=next, code=code)
        self.status = status
        self.faults = faults
        self.headers = headers or {}


def status_of(error: HeadwayError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, Denied | Wrong):
        return error.status
    if isinstance(error, Missing) or error.code.startswith("unknown-"):
        return 404
    if error.code in _STATES:
        return 409
    return next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)


def problem(request: Request, error: HeadwayError) -> JSONResponse:
    """The answer."""
    status = status_of(error)
    body: dict[str, Any] = {
        "type": f"urn:headway:error:{error.code}",
        "title": error.what,
        "status": status,
        "detail": error.why,
        "code": error.code,
        "next": error.next,
        "request_id": request.scope.get("state", {}).get("request_id", ""),
    }
    if found := _errors(error):
        body["errors"] = found
    headers = dict(error.headers) if isinstance(error, Wrong) else {}
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="headway"'
    return JSONResponse(body, status, headers, media_type=TYPE)


class Always:
    """An endpoint that gives one refusal, whatever the method."""

    def __init__(self, error: HeadwayError) -> None:
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await problem(Request(scope), self._error)(scope, receive, send)


def nowhere() -> Missing:
    """The refusal of an address that there is not."""
    return Missing("there is no such address", code="unknown-address")


def not_so(methods: str) -> Wrong:
    """The refusal of a method; `methods`: what the address takes (RFC 9110 section 15.5.6)."""
    what = "this address does not take that method"
    return Wrong(what, 405, code="method", headers={"allow": methods})


def _errors(error: HeadwayError) -> list[dict[str, object]]:
    if isinstance(error, Wrong):
        return [{"path": f.path, "message": f.message} for f in error.faults]
    if not isinstance(error, Invalid):
        return []
    return [
        {"file": p.file, "line": p.line, "column": p.column, "message": p.sentence, "code": p.code}
        for p in error.problems
    ]
