"""How long a job and its steps may go on: time limits, and somebody who wants the run to stop.

Used by step while processes run. A job that is stopped still gets `tidy_seconds` of its order for
steps that run always, or on cancellation, and for post parts.
"""

import time
from collections.abc import Callable

from headway.model.errors import Failed
from headway.pipeline.step.state import Stop
from headway.record import dataclass

_ASK_SECONDS = 0.1


class Stopped(Exception):
    """A step was ended before its time. `why` is a Stop, or `output`: it printed too much."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Lost(Failed):
    """Everything of the job was killed, by somebody else: its processes, or what starts them."""


@dataclass(slots=True)
class Patience:
    """Times are of time.monotonic. `stopped`: why the job as a whole ends early. `tidy_seconds`:
    how long it may go on from then, or has left of that if it was stopped before a crash.
    """

    cancelled: Callable[[], bool]
    until: float
    tidy_seconds: float
    stopped: Stop = ""
    _last_until: float = 0.0
    _asked: float = 0.0

    def job(self) -> Stop:
        """Whether the job shall stop; asked before each step and while one runs."""
        now = time.monotonic()
        if self.stopped:
            self._last_until = self._last_until or now + self.tidy_seconds
            return self.stopped
        if now >= self.until:
            self.stopped = "job-time"
        elif now - self._asked >= _ASK_SECONDS:
            self._asked = now
            if self.cancelled():
                self.stopped = "cancelled"
        if self.stopped:
            self._last_until = now + self.tidy_seconds
        return self.stopped

    def spent(self) -> bool:
        """Whether even the time for last steps is over."""
        return bool(self.job()) and time.monotonic() >= self._last_until

    def of_step(self, until: float) -> Callable[[], Stop]:
        """What a step that begins now asks about itself; it ends at `until` at the latest."""
        late = bool(self.stopped)

        def asked() -> Stop:
            if time.monotonic() >= until:
                return "step-time"
            if late:
                return self.stopped if self.spent() else ""
            return self.job()

        return asked
