"""Something done again and again beside the flows: looking after places, taking in pushes.

A thread of the process that runs the engine. A round that fails is told once per kind of failure
and tried again; it never takes the process down.
"""

import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from headway.model.errors import HeadwayError


class Rounds(threading.Thread):
    """Calls `go` every `seconds` until stopped; `complain` gets a new complaint's text."""

    def __init__(
        self, name: str, seconds: float, go: Callable[[], None], complain: Callable[[str], None]
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._seconds = seconds
        self._go = go
        self._complain = complain
        self._said = ""
        self._stopped = threading.Event()
        self._bell = threading.Event()

    def run(self) -> None:
        """The first round at once."""
        while True:
            self._bell.clear()
            try:
                self._go()
                self._said = ""
            except (HeadwayError, OSError, sa.exc.DBAPIError) as error:
                self._tell(str(error))
            except Exception as bug:  # noqa: BLE001 a thread that dies in silence watches nothing
                self._tell(f"a bug in Headway: {''.join(traceback.format_exception(bug))}")
            self._bell.wait(self._seconds)
            if self._stopped.is_set():
                return

    def _tell(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._complain(f"{self.name}: {text}")

    def wake(self) -> None:
        """The next round now, or right after the one that runs."""
        self._bell.set()

    def stop(self) -> None:
        """No more rounds; the one that runs ends first."""
        self._stopped.set()
        self._bell.set()
        self.join(timeout=10)


@contextmanager
def going(rounds: Sequence[Rounds]) -> Iterator[None]:
    """The rounds go until the block ends."""
    for one in rounds:
        one.start()
    try:
        yield
    finally:
        for one in rounds:
            one.stop()
