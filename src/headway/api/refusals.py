"""Remembers that somebody came with a wrong token. Called by api/app, from its threads.

Git asks first without any password, which is no news; a wrong one is. At most one event a minute
for each service, so that guessing fills neither the log nor the database's lock.
"""

import threading
import time

from headway.model.event import Fact
from headway.store.log import About, append
from headway.wiring import Headway

MINUTE = 60


class Refusals:
    """Writes `push.refused`."""

    def __init__(self, headway: Headway) -> None:
        self._headway = headway
        self._lock = threading.Lock()
        self._noted: dict[str, int] = {}

    def note(self, path: str) -> None:
        """A wrong password for `/NAME.git/…`; for a name that is not hosted no service is named."""
        name = path.lstrip("/").partition(".git/")[0]
        service = name if name in self._headway.hosting.names() else ""
        minute = int(time.time()) // MINUTE
        with self._lock:
            if self._noted.get(service) == minute:
                return
            self._noted[service] = minute
        data: dict[str, object] = {"because": "somebody came with a wrong token"}
        with self._headway.tx() as tx:
            fact = Fact("push.refused", f"push:{service}", minute, data)
            append(tx, About(service=service), fact)
