"""What moves users."""

from typing import Protocol

from headway.model.routing import Endpoint, Routed, Routing


class TrafficRouter(Protocol):
    """Sets the whole routing of a service at once, and reads back what is in force."""

    def set(self, routing: Routing) -> Routed:
        """Apply and read back. Raises Refused (`routing-rejected`) with the proxy's reason, and the
        former routing stays in force; Drifted (`stale-generation`); Unreachable.
        """
        ...

    def observe(self, service: str, environment: str) -> Routed | None:
        """What is in force now, asked of the proxy; None if it knows no such service."""
        ...

    def in_flight(self, service: str, environment: str, endpoint: Endpoint) -> int:
        """Requests the endpoint is answering now."""
        ...

    def remove(self, service: str, environment: str, generation: int) -> None:
        """The service is no longer reachable there."""
        ...
