"""What somebody wrote into a question's form when their session had ended, until it is asked again.

A cookie of the browser holds it, bound to the question's address: it is in no address and in no
log, and nothing is done by it. Used by web/page alone.
"""

import base64
import json
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from headway.api.who import Doorkeeper

NAME = "headway_draft"
SECONDS = 900
MOST_BYTES = 3500
"""Browsers keep cookies of 4096 bytes with their name (RFC 6265 section 6.1)."""


def from_here(request: Request) -> bool:
    """Whether a page of this server sent the form, as browsers say, whoever is logged in."""
    if request.headers.get("sec-fetch-site") == "same-origin":
        return True
    origin = urlsplit(request.headers.get("origin", "")).netloc
    return bool(origin) and origin == request.headers.get("host")


def keep(door: Doorkeeper, answer: Response, address: str, text: str) -> None:
    """The browser keeps the text for the question at this address."""
    value = base64.urlsafe_b64encode(json.dumps([address, text]).encode()).decode()
    if text and len(value) <= MOST_BYTES:
        secure, called = door.secure, door.cookie(NAME)
        answer.set_cookie(
            called, value, SECONDS, path="/", secure=secure, httponly=True, samesite="lax"
        )


def kept(door: Doorkeeper, request: Request, address: str) -> str:
    """The text for the question at this address; empty if there is none."""
    value = request.cookies.get(door.cookie(NAME), "")
    try:
        known = json.loads(base64.urlsafe_b64decode(value.encode()))
    except (ValueError, RecursionError):
        return ""
    match known:
        case [str(asked), str(text)] if asked == address:
            return text[:500]
    return ""


def forget(door: Doorkeeper, answer: Response) -> None:
    """It was shown."""
    secure, called = door.secure, door.cookie(NAME)
    answer.delete_cookie(called, path="/", secure=secure, httponly=True, samesite="lax")
