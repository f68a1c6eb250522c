"""The OpenID providers of a home, kept for what they remember: descriptions and keys. Used by the
pages that log in and out.
"""

import hmac
from pathlib import Path
from threading import Lock

from headway.adapters.oidc.provider import KIND, Provider
from headway.api.problems import Missing
from headway.model.connection import Connection
from headway.store import connections

_KEPT: dict[tuple[Path, str], Provider] = {}
_LOCK = Lock()


def offered(home: Path) -> list[str]:
    """Names of the providers by which one may log in."""
    return [c.name for c in connections.every(home) if c.kind == KIND]


def provider_of(home: Path, name: str) -> Provider:
    """The provider, made anew when its connection has changed. Raises Missing
    (`unknown-connection`).
    """
    now = next((c for c in connections.every(home) if c.name == name and c.kind == KIND), None)
    if now is None:
        raise Missing("there is no provider by that name", code="unknown-connection")
    with _LOCK:
        known = _KEPT.get((home, name))
        if known is None or not _same(known.connection, now):
            known = _KEPT[home, name] = Provider(now)
    return known


def _same(one: Connection, other: Connection) -> bool:
    secret = "client_secret"
    same = hmac.compare_digest(
        one.options.get(secret, "").encode(), other.options.get(secret, "").encode()
    )
    return same and one == other
