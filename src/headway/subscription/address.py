"""Where deliveries may go: http and https to the public internet, unless private was allowed.

The address of a webhook is somebody else's text, and this server can reach what its author cannot
(OWASP, "Server-Side Request Forgery Prevention"). So the names that it resolves to are checked when
the connection is made, and what was checked is what is connected to.
"""

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from headway.model.errors import Invalid, Refused
from headway.record import dataclass

MOST_URL = 2000
PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"(https?)://(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?))"
    r"(?::([0-9]{1,5}))?(/[!-\"$->@-~]*)?(\?[!-\"$-~]*)?"
)
_EMBEDDING = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart. `path` has the query; `shown` is what people may see: no query."""

    scheme: str
    host: str
    port: int
    path: str
    shown: str

    @property
    def host_header(self) -> str:
        """`Host` (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def target(url: str) -> Target:
    """Read strictly, so that nobody reads it otherwise. Raises Invalid (`webhook-url`); the address
    is not repeated in it.
    """
    found = _URL.fullmatch(url) if len(url) <= MOST_URL else None
    if found is None:
        raise _bad("in ASCII, http or https, without a name or password and without #")
    scheme, six, name, written, path, query = (part or "" for part in found.groups())
    port = int(written or PORTS[scheme])
    if not 0 < port < 65536 or (six and not _is_address(six)):
        raise _bad("the host or the port cannot be")
    shown = url.partition("?")[0] + ("?…" if query else "")
    return Target(scheme, six or name.lower(), port, (path or "/") + query, shown)


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _bad(why: str) -> Invalid:
    return Invalid(
        "this is no address for a webhook", why=why, next="--url https://HOST/PATH",
        code="webhook-url",
    )  # fmt: skip


def check_literal(found: Target) -> None:
    """Raises Refused (`private-address`) if the host is written as an address that is not public,
    or is a name of this very machine.
    """
    try:
        kind = why_not(found.host)
    except ValueError:
        kind = "a loopback name" if _local_name(found.host) else ""
    if kind:
        raise Refused(
            f"{found.host} is {kind}",
            why="webhooks go to public addresses, unless an admin allows others",
            next="add it with --allow-private",
            code="private-address",
        )


def _local_name(host: str) -> bool:
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def why_not(address: str) -> str:
    """What an IP address is if it is not public; "" if it is. Raises ValueError."""
    ip = _inner(ip_address(address.partition("%")[0]))
    kinds = (
        ("an unspecified", ip.is_unspecified),
        ("a loopback", ip.is_loopback),
        ("a link-local", ip.is_link_local),
        ("a multicast", ip.is_multicast),
        ("a private", not ip.is_global),
    )
    said = next((words for words, is_so in kinds if is_so), "")
    return f"{said} address" if said else ""


def _inner(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address in an IPv6 one (RFC 4291, 6052, 8215, 3056, 4380), else itself."""
    if isinstance(ip, IPv4Address) or ip.is_loopback:
        return ip
    if any(ip in network for network in _EMBEDDING):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)
