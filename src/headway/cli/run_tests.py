"""What `headway run` remembers of tests: the home's database, opened when a job that declared
reports has ended, so that every other run needs none.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa

    from headway.flows.tests_history import History, Kept
    from headway.store.database import Tx
    from headway.store.place import Place
    from headway.testing.judge import Past
    from headway.testing.origin import Origin
    from headway.testing.result import TestId


class LateTests:
    """A flows/tests_history.History. Asked by the threads of several jobs at once."""

    def __init__(self, place: "Place") -> None:
        self._place = place
        self._lock = threading.Lock()

    def past(self, origin: "Origin", wanted: "Sequence[TestId]") -> "Mapping[TestId, Past]":
        """See History. Raises Unreachable."""
        return self._kept().past(origin, wanted)

    def keep(self, origin: "Origin", kept: "Kept") -> None:
        """See History. Raises Unreachable."""
        self._kept().keep(origin, kept)

    def _kept(self) -> "History":
        with self._lock:
            return self._opened

    @cached_property
    def _opened(self) -> "History":
        from headway.flows.tests_kept import KeptTests  # noqa: PLC0415

        return KeptTests(self._tx)

    @contextmanager
    def _tx(self) -> "Iterator[Tx]":
        from headway.store import database  # noqa: PLC0415

        with self._lock:
            engine = self._engine
        with engine.begin() as connection:
            database.lock(connection)
            yield database.Tx(connection, time.time())

    @cached_property
    def _engine(self) -> "sa.Engine":
        from headway.store import database  # noqa: PLC0415

        database.prepare(self._place.database)
        return database.connect(self._place.database)
