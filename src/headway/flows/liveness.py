"""Who is alive, and who takes over from whom. Run by the server beside the engine.

Every process that runs flows writes a beat; one whose beat is 30 s old is dead, and its open flows
go on elsewhere. A process that could not write its own beat for 20 s must stop: somebody else may
already have taken over. A false alarm is safe: the journal fences, and so do targets and router.
"""

import threading
import time
from collections.abc import Callable

import sqlalchemy as sa

from headway.store import workers
from headway.store.database import Tx, lock

BEAT_SECONDS = 5.0
LOST_SECONDS = 20.0
DEAD_SECONDS = 30.0


class Liveness(threading.Thread):
    """Beats until told to stop; `recover` takes over from the executors it is given."""

    def __init__(
        self,
        engine: sa.Engine,
        executor: str,
        recover: Callable[[list[str]], None],
        lost: Callable[[], None],
    ) -> None:
        super().__init__(name="liveness", daemon=True)
        self._engine = engine
        self._executor = executor
        self._recover = recover
        self._lost = lost
        self._stopped = threading.Event()

    def run(self) -> None:
        """One beat at once, and one every 5 s."""
        last = time.monotonic()
        while True:
            try:
                self._beat()
                last = time.monotonic()
            except sa.exc.DBAPIError:
                if time.monotonic() - last > LOST_SECONDS:
                    self._lost()
                    return
            if self._stopped.wait(BEAT_SECONDS):
                return

    def _beat(self) -> None:
        with self._engine.begin() as connection:
            lock(connection)
            tx = Tx(connection, time.time())
            workers.beat(tx, self._executor)
            dead = workers.bury(tx, DEAD_SECONDS)
        if dead:
            self._recover(dead)

    def stop(self) -> None:
        """No more beats."""
        self._stopped.set()
