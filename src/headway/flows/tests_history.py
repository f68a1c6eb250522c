"""What is remembered of tests from run to run, as flows/tests asks for it. Part of a Bench.

Two: the home's database (flows/tests_kept), and none at all: then a job is judged by its own tries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from headway.testing.coverage import Coverage, CoverageGate
from headway.testing.judge import Past
from headway.testing.origin import Origin
from headway.testing.result import Report, TestId


@dataclass(frozen=True, slots=True)
class Kept:
    """What a try leaves to be remembered: reports, each with the digest of its bytes; the coverage
    of the commit, and what was asked of it.
    """

    reports: tuple[tuple[str, Report], ...]
    covered: Coverage | None = None
    gate: CoverageGate | None = None


class History(Protocol):
    """The memory. Both raise Unreachable if it cannot be reached."""

    def past(self, origin: Origin, wanted: Sequence[TestId]) -> Mapping[TestId, Past]:
        """What is known of the tests beside what the origin's own run said."""
        ...

    def keep(self, origin: Origin, kept: Kept) -> None:
        """Keep them. The same again changes nothing."""
        ...
