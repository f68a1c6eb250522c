"""One POST of a delivery to an address that somebody subscribed.

The name is resolved here, every address is checked, and the one that was checked is connected to: a
name that resolves otherwise a moment later (DNS rebinding) changes nothing. No proxy of the
environment, no redirect, no cookie. All of it takes TIMEOUT_SECONDS at most, however slowly the
receiver drips. Called by flows/webhook_rounds through upkeep, and by `headway webhook test`.
"""

import http.client
import socket
import ssl
import threading
import time

from headway.model.webhook import Answer, Parcel
from headway.subscription.address import Target, target, why_not

TIMEOUT_SECONDS = 10.0
MOST_ANSWER = 64 << 10
MOST_ADDRESSES = 4


def send(parcel: Parcel, timeout_seconds: float = TIMEOUT_SECONDS) -> Answer:
    """What came of it; never raises for what a receiver does."""
    to = target(parcel.url)
    deadline = time.monotonic() + timeout_seconds
    try:
        with _Wire(_connected(to, deadline, private=parcel.allow_private), deadline) as wire:
            return _post(wire, to, parcel)
    except _NotPublic as error:
        return Answer(error=str(error))
    except TimeoutError:
        return Answer(error=f"no answer within {timeout_seconds:g} s")
    except ssl.SSLCertVerificationError as error:
        return Answer(error=f"its certificate is not trusted: {error.verify_message}")
    except socket.gaierror:
        return Answer(error="its name does not resolve")
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = time.monotonic() >= deadline
        said = f"no answer within {timeout_seconds:g} s" if late else _said(error)
        return Answer(error=said)


class _NotPublic(Exception):
    """None of the addresses may be connected to."""


class _Wire:
    """A connection that is cut at the deadline, whatever waits for it."""

    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self.socket = raw
        self._timer = threading.Timer(max(0.0, deadline - time.monotonic()), self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "_Wire":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self.socket.close()

    def _cut(self) -> None:
        try:
            # below TLS: its own shutdown would wait for the one who reads
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
        except OSError:
            return


def _connected(to: Target, deadline: float, *, private: bool) -> socket.socket:
    """To the first address that answers, of those that may be asked."""
    found = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
    known = {str(where[0]): (family, where) for family, _, _, _, where in found}
    refused = {a: "" if private else why_not(a) for a in known}
    good = [known[a] for a, why in refused.items() if not why]
    if not good:
        address, why = next(iter(refused.items()))
        raise _NotPublic(f"its name resolves to {address}, which is {why}")
    error: OSError = TimeoutError()
    for family, where in good[:MOST_ADDRESSES]:
        try:
            return _open(family, where, deadline)
        except OSError as failed:
            error = failed
    raise error


def _open(family: int, where: tuple[object, ...], deadline: float) -> socket.socket:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    raw = socket.socket(family, socket.SOCK_STREAM)
    try:
        raw.settimeout(left)
        raw.connect(where)
    except BaseException:
        raw.close()
        raise
    return raw


def _post(wire: _Wire, to: Target, parcel: Parcel) -> Answer:
    if to.scheme == "https":
        context = ssl.create_default_context()
        secure = context.wrap_socket(
            wire.socket, server_hostname=to.host, do_handshake_on_connect=False
        )
        wire.socket = secure
        secure.do_handshake()
    connection = http.client.HTTPConnection(to.host, to.port)
    connection.sock = wire.socket
    headers = {"Host": to.host_header, "Connection": "close", **parcel.headers}
    connection.request("POST", to.path, parcel.body, headers)
    with connection.getresponse() as response:
        answer = Answer(response.status, retry_after=_retry_after(response))
        try:
            response.read(MOST_ANSWER)
        except (OSError, http.client.HTTPException):
            return answer  # the status is all that counts
        return answer


def _retry_after(response: http.client.HTTPResponse) -> float:
    """Its seconds (RFC 9110, 10.2.3); 0 for a date or nothing."""
    given = (response.getheader("retry-after") or "").strip()
    return float(given) if given.isdecimal() and given.isascii() and len(given) < 9 else 0.0


def _said(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection: {error.reason or type(error).__name__}"
    if isinstance(error, http.client.HTTPException):
        return f"what it answers is not HTTP ({type(error).__name__})"
    return f"the connection broke ({type(error).__name__})"
