"""What the users had counted at several moments: so many requests until then, so many lost.

The users' process keeps running totals; from these moments the report tells the share of a single
delivery. Pure. Filled by `crowd`, read by `report`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """Totals at Unix time `at`; `served`: requests per version of the shop."""

    at: float
    requests: int
    lost: int
    served: dict[str, int]


@dataclass(slots=True)
class Samples:
    """Moments in order of time."""

    taken: list[Sample] = field(default_factory=list)

    def add(self, document: dict[str, object]) -> None:
        """One document of the users (users.py); one that was seen already changes nothing."""
        total, versions = document["total"], document["versions"]
        at = document["at"]
        assert isinstance(total, dict)
        assert isinstance(versions, dict)
        assert isinstance(at, float)
        if self.taken and at <= self.taken[-1].at:
            return
        served = {name: int(counts["requests"]) for name, counts in versions.items()}
        self.taken.append(Sample(at, int(total["requests"]), int(total["lost"]), served))

    def lost(self, at: float) -> int:
        """Lost until then, rounded up to the next moment: a loss belongs to who caused it."""
        if not self.taken:
            return 0
        index = bisect_left(self.taken, at, key=lambda s: s.at)
        return self.taken[min(index, len(self.taken) - 1)].lost

    def requests(self, at: float) -> int:
        """Answered or lost until then, between two moments in proportion."""
        return round(self._at(at, lambda s: s.requests))

    def served(self, version: str, at: float) -> float:
        """Requests that the version had answered until then."""
        return self._at(at, lambda s: s.served.get(version, 0))

    def _at(self, at: float, of: Callable[[Sample], int]) -> float:
        if not self.taken or at <= self.taken[0].at:
            return float(of(self.taken[0])) if self.taken and at == self.taken[0].at else 0.0
        if at >= self.taken[-1].at:
            return float(of(self.taken[-1]))
        index = bisect_right(self.taken, at, key=lambda s: s.at)
        before, after = self.taken[index - 1], self.taken[index]
        part = (at - before.at) / (after.at - before.at)
        return of(before) + part * (of(after) - of(before))
