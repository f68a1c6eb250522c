"""Time, as flows see it."""

from typing import Protocol


class Clock(Protocol):
    """Unix seconds, and pauses."""

    def now(self) -> float:
        """Unix time in seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after that long."""
        ...
