"""Scripts, styles and icons: addressed by the hash of their content, so that browsers keep them.

`url("parts.css")` gives `/static/HASH/parts.css`; another hash than the present one is answered
too, but not kept. What shrinks is sent with gzip to whoever takes it.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_FOR_EVER = "public, max-age=31536000, immutable"
_BIG = 1400


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `small`: the same with gzip, or empty where that is no gain."""

    hash: str
    kind: str
    body: bytes
    small: bytes


@cache
def load() -> dict[str, Asset]:
    """Every file below static/, by its path there."""
    found = (p for p in sorted(FOLDER.rglob("*")) if p.is_file())
    return {p.relative_to(FOLDER).as_posix(): _asset(p) for p in found}


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    small = gzip.compress(body, mtime=0) if len(body) > _BIG else b""
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
    return Asset(hashlib.sha256(body).hexdigest()[:12], kind, body, small)


def url(name: str) -> str:
    """The address of a file of static/. Raises KeyError if there is none."""
    return f"/static/{load()[name].hash}/{name}"


def serve(request: Request) -> Response:
    """One file."""
    found = load().get(request.path_params["name"])
    if found is None:
        return Response("there is no such file", 404, media_type="text/plain")
    fresh = request.path_params["hash"] == found.hash
    headers = {
        "cache-control": _FOR_EVER if fresh else "no-cache",
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff",
    }
    if found.small and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            found.small, 200, headers | {"content-encoding": "gzip"}, media_type=found.kind
        )
    return Response(found.body, 200, headers, media_type=found.kind)


ROUTE = Route("/static/{hash}/{name:path}", serve)
