"""What happens beside the deliveries while they are followed: each act waits for its cue.

A thread, so that the follower in the foreground stays a plain follower. An act that fails ends the
demo: `show` asks for `error`. Started by `show`.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Cue:
    """`act` is done once `ready` says so; the next cue is looked at afterwards."""

    name: str
    ready: Callable[[], bool]
    act: Callable[[], None]


class Cues(threading.Thread):
    """Cues one after the other, in the order given."""

    def __init__(self, cues: Sequence[Cue]) -> None:
        super().__init__(name="cues", daemon=True)
        self._cues = cues
        self._stopped = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        """Until the last cue is done, one fails, or nobody wants more."""
        try:
            for cue in self._cues:
                while not cue.ready():
                    if self._stopped.wait(LOOK_SECONDS):
                        return
                if self._stopped.is_set():
                    return
                cue.act()
        except Exception as error:  # noqa: BLE001 handed to the foreground, which raises it
            self.error = error

    def stop(self) -> None:
        """No further act; the one that goes on ends first."""
        self._stopped.set()
        self.join()
