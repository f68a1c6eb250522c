"""What the proxy counted."""

from typing import Protocol

from headway.model.window import Snapshot


class TrafficMeter(Protocol):
    """Cumulative counters per release; the difference of two readings is a window."""

    def read(self, service: str, environment: str) -> Snapshot | None:
        """The counters now. None: no answer, which is no data, which is WAIT."""
        ...
