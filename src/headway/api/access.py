"""Who may send and read metrics: who has the token, or a program of this very machine.

A request is from here only if both ends are loopback, it names loopback as its host (a page in a
browser that resolves its own name to 127.0.0.1 does not), and no proxy passed it on.
"""

import hmac
from ipaddress import ip_address

from starlette.requests import Request

_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def from_here(request: Request) -> bool:
    """Whether a program of this machine asks."""
    server, client = request.scope.get("server"), request.client
    ends = [server[0] if server else "", client.host if client else ""]
    if any(name in request.headers for name in _PASSED_ON):
        return False
    return all(map(_loopback, [*ends, request.url.hostname or ""]))


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def bearer(request: Request, token: str) -> bool:
    """Whether it carries the token as RFC 6750 has it; an empty token is none."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    good = hmac.compare_digest(given.strip().encode(), token.encode())
    return bool(token) and scheme.lower() == "bearer" and good
