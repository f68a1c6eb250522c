"""What runs instances."""

from typing import Protocol

from headway.model.deployment import DeployOrder, InstanceState


class Target(Protocol):
    """Declarative and fenced: the newest generation wins, older ones raise Drifted."""

    def deploy(self, order: DeployOrder) -> tuple[InstanceState, ...]:
        """Make `order.instances` of the release run; gives what is seen then, ready or not."""
        ...

    def observe(self, service: str, environment: str) -> tuple[InstanceState, ...]:
        """Every instance of the service there, of every release, as it is now."""
        ...

    def remove(self, service: str, environment: str, release: str, generation: int) -> None:
        """Stop every instance of the release and forget it. Absent already: nothing to do."""
        ...

    def logs(self, service: str, environment: str, instance: str, lines: int) -> str:
        """The last lines that the instance wrote; empty if it wrote none or is unknown."""
        ...
