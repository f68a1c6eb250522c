"""Which port a service listens on: the one it asked for, the one it had, or a free one.

Called by router. A port is tried here first, so that a taken one is refused before any file is
touched.
"""

import errno
import socket

from headway.model.errors import Refused


def check_free(host: str, port: int, service: str) -> None:
    """Raises Refused (`port-in-use`, `port-forbidden`) if nobody could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise port_refused(host, port, service, error) from error


def free_port(host: str) -> int:
    """A port that is free now; somebody may take it before it is bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def port_refused(host: str, port: int, service: str, error: OSError) -> Refused:
    """The error a caller sees if `service` cannot listen on that port."""
    forbidden = error.errno in {errno.EACCES, errno.EPERM}
    return Refused(
        f"{service} cannot be reached on port {port}",
        why=f"{host}:{port}: {error.strerror or error}",
        next="choose a port above 1023 as traffic.port"
        if forbidden
        else f"stop what listens on {port}, or choose another traffic.port",
        code="port-forbidden" if forbidden else "port-in-use",
    )
