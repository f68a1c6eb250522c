"""The machine's clock."""

import time

from headway.ports.clock import Clock


class SystemClock(Clock):
    """Wall time; a pause is a real one."""

    def now(self) -> float:
        """See Clock."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """See Clock."""
        time.sleep(seconds)
