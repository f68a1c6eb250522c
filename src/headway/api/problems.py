"""Every refusal over HTTP in one form: application/problem+json (RFC 9457).

Members beside the standard's: `code`, `next`, `errors` (file, line, column, message), `request_id`.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from headway.model.errors import Drifted, Failed, HeadwayError, Invalid, Refused, Unreachable

TYPE = "application/problem+json"
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


def status_of(error: HeadwayError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, Denied):
        return error.status
    if isinstance(error, Missing) or error.code.startswith("unknown-"):
        return 404
    return next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)


def problem(request: Request, error: HeadwayError) -> JSONResponse:
    """The answer."""
    status = status_of(error)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": error.what,
        "status": status,
        "detail": error.why,
        "code": error.code,
        "next": error.next,
        "request_id": request.scope.get("state", {}).get("request_id", ""),
    }
    if isinstance(error, Invalid) and error.problems:
        body["errors"] = [
            {"file": p.file, "line": p.line, "column": p.column, "message": p.sentence,
             "code": p.code}
            for p in error.problems
        ]  # fmt: skip
    headers = {"www-authenticate": 'Bearer realm="headway"'} if status == 401 else None
    return JSONResponse(body, status, headers, media_type=TYPE)
