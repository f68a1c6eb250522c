"""Ask an Envoy's admin socket. The only way this package learns what is in force.

Called by proxy, router and metrics. A Unix socket (mode 0600) instead of a port: whoever may not
read Headway's home may not read or change the proxy either.
"""

import http.client
import json
import socket
import struct
from pathlib import Path
from typing import Any

from headway.model.errors import Unreachable

Json = dict[str, Any]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("headway", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Admin:
    """GETs on one admin socket; each call is a connection of its own, so threads may share it."""

    def __init__(self, socket_path: Path, timeout_seconds: float = 5.0) -> None:
        self.socket_path = socket_path
        self._timeout = timeout_seconds

    def get(self, path: str) -> str:
        """The answer's text. Raises Unreachable (`proxy-silent`) for no answer or none of 200."""
        status, body = self._ask(path)
        if status != http.client.OK:
            raise self._silent(f"{path} answered {status}: {body.strip()[:200]}")
        return body

    def json(self, path: str) -> Json:
        """The answer as a JSON object; empty for 404, which Envoy says of a list without entries.

        Raises Unreachable (`proxy-silent`).
        """
        status, body = self._ask(path)
        if status == http.client.NOT_FOUND:
            return {}
        if status != http.client.OK:
            raise self._silent(f"{path} answered {status}: {body.strip()[:200]}")
        try:
            found: Json = json.loads(body)
        except ValueError as error:
            raise self._silent(f"{path} gave no JSON: {error}") from error
        return found

    def _ask(self, path: str) -> tuple[int, str]:
        connection = _UnixConnection(self.socket_path, self._timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def pid(self) -> int:
        """The process that listens on the socket, in the kernel's word (SO_PEERCRED, unix(7))."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(self._timeout)
            try:
                peer.connect(str(self.socket_path))
                raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            except OSError as error:
                raise self._silent(str(error)) from error
        pid, _uid, _gid = struct.unpack("3i", raw)
        return int(pid)

    def _silent(self, why: str) -> Unreachable:
        return Unreachable(
            "The proxy does not answer",
            why=f"{self.socket_path}: {why}",
            next="try again; it is started again by the next change of routing",
            code="proxy-silent",
        )
