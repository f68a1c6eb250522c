"""Results of tests in the database: what flows/tests remembers from run to run.

The only part of judging a job that needs a database; given to a Bench by wiring, and by `headway
run` (cli/run_tests) when a job of it declared reports.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from headway.flows.tests_history import History, Kept
from headway.store import tests, tests_coverage
from headway.store.database import Tx
from headway.testing.judge import Past
from headway.testing.origin import Origin
from headway.testing.result import TestId

T = TypeVar("T")


class Again(Protocol):
    """Gives what `go` gives, tried again while the database does not answer."""

    def __call__(self, go: Callable[[], T]) -> T:
        """Raises what `go` raises."""
        ...


def _once(go: Callable[[], T]) -> T:
    return go()


class KeptTests(History):
    """The tests of a home. `tx` opens a transaction. `again`: what tries it again, if anything."""

    def __init__(
        self, tx: Callable[[], AbstractContextManager[Tx]], again: Again | None = None
    ) -> None:
        self._tx, self._again = tx, again or _once

    def past(self, origin: Origin, wanted: Sequence[TestId]) -> Mapping[TestId, Past]:
        """See History."""
        return self._again(lambda: self._past(origin, wanted))

    def keep(self, origin: Origin, kept: Kept) -> None:
        """See History."""
        if kept.reports or kept.covered is not None:
            self._again(lambda: self._keep(origin, kept))

    def _past(self, origin: Origin, wanted: Sequence[TestId]) -> Mapping[TestId, Past]:
        with self._tx() as tx:
            run = origin.run.partition("/")[0]
            return tests.past(tx.connection, origin, wanted, tx.now, run=run)

    def _keep(self, origin: Origin, kept: Kept) -> None:
        with self._tx() as tx:
            for digest, report in kept.reports:
                tests.record(tx, origin, report, digest)
            if kept.covered is not None:
                tests_coverage.keep(tx, origin.of_commit, kept.covered, kept.gate)
                tests_coverage.prune(tx, tx.now - tests.KEEP_SECONDS)
