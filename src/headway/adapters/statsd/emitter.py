"""Tells how deployments went over statsd, as teams count them for DORA. Called by flows/emit.py.

    deployment.count             counter, one for each end of a deployment
    deployment.duration_seconds  histogram, from the rollout's begin to its end
    deployment.failure           counter, one for each that was rolled back or failed

Tags: version (the release) and success, and service, environment, release. At most once: a lost
datagram is lost, and nothing is told twice.
"""

import re
import socket
from urllib.parse import urlsplit

from headway.model.connection import Connection
from headway.model.deployment import Deployed
from headway.model.errors import Invalid

PORT = 8125
_UNSAFE = re.compile(r"[|#,:@\s]")


def lines(deployed: Deployed) -> list[str]:
    """The statsd lines of one deployment."""
    release = _tag(deployed.release)
    whose = (
        f"version:{release},service:{_tag(deployed.service)},"
        f"environment:{_tag(deployed.environment)},release:{release}"
    )
    told = [
        f"deployment.count:1|c|#{whose},success:{str(deployed.success).lower()}",
        f"deployment.duration_seconds:{deployed.seconds:.3f}|h|#{whose}",
    ]
    return told if deployed.success else [*told, f"deployment.failure:1|c|#{whose}"]


def send(connection: Connection, text: list[str]) -> None:
    """One datagram. Raises Invalid (`connection`) for an address without a host, and OSError."""
    parts = urlsplit(connection.url if "//" in connection.url else f"udp://{connection.url}")
    if not parts.hostname:
        raise Invalid(f"the connection {connection.name} has no host", code="connection")
    found = socket.getaddrinfo(parts.hostname, parts.port or PORT, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as out:
        out.settimeout(1.0)
        out.sendto("\n".join(text).encode(), address)


def _tag(word: str) -> str:
    return _UNSAFE.sub("_", word)[:100]
