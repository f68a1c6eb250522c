"""Tests spread over machines by recorded time. Called by `headway test shard` and by flows.

Longest first onto the machine with the least (Graham 1969, SIAM J. Appl. Math. 17:416), which is
within 4/3 of the best; the same times give the same shards, in whatever order they come.
"""

import heapq
import re
from collections.abc import Iterable, Mapping
from statistics import median

from headway.model.errors import Invalid
from headway.testing.result import TestId

MOST_SHARDS = 10_000
_SEPARATOR = re.compile(r"::|[/#.\\]")
_FILE = re.compile(r"\.(py|java|kt|scala|groovy|go|[cm]?[jt]sx?|rb|php|cs|rs)(?=::|$)")


def shards(seconds: Mapping[str, float | None], total: int) -> tuple[tuple[str, ...], ...]:
    """`total` shards of names, each with its longest first. None: unknown, and taken for the median
    of those that are known (1 s if none is). Raises Invalid (`shards`).
    """
    if not 1 <= total <= MOST_SHARDS:
        raise Invalid(f"{total} shards: from 1 to {MOST_SHARDS} are possible", code="shards")
    known = [s for s in seconds.values() if s is not None]
    usual = median(known) if known else 1.0
    times = {name: usual if s is None else max(0.0, s) for name, s in seconds.items()}
    made: list[list[str]] = [[] for _ in range(total)]
    heap = [(0.0, 0, index) for index in range(total)]
    for name in sorted(times, key=lambda n: (-times[n], n)):
        load, count, index = heapq.heappop(heap)
        made[index].append(name)
        heapq.heappush(heap, (load + times[name], count + 1, index))
    return tuple(map(tuple, made))


class Timings:
    """Recorded times, looked up by whatever people call a test: its id, a pytest node, a file, a
    folder, a class, a package.
    """

    def __init__(self, recorded: Iterable[tuple[TestId, str, float]]) -> None:
        """(test, its file or '', seconds) each."""
        self.tests: dict[tuple[str, ...], float] = {}
        self.groups: dict[tuple[str, ...], float] = {}
        for test, file, seconds in recorded:
            self._add(test, file, seconds)

    def _add(self, test: TestId, file: str, seconds: float) -> None:
        group = words(test.classname)
        own = {(*group, test.name), (*words(test.suite), *group, test.name)}
        for name in own:
            self.tests[name] = self.tests.get(name, 0.0) + seconds
        starts = {g[:n] for g in (group, words(file)) for n in range(1, len(g) + 1)}
        for name in starts:
            self.groups[name] = self.groups.get(name, 0.0) + seconds

    def seconds(self, item: str) -> float | None:
        """The recorded time of the item; None if nothing of it is known."""
        group, _, name = item.rpartition("::")
        if name and group:
            found = self._at(self.tests, (*words(group), name))
            if found is not None:
                return found
        whole = words(item)
        in_groups = self._at(self.groups, whole)
        return self._at(self.tests, whole) if in_groups is None else in_groups

    @staticmethod
    def _at(table: Mapping[tuple[str, ...], float], name: tuple[str, ...]) -> float | None:
        """By the whole name, else by its end: `src/test/java/com/x/ATest.java` is com.x.ATest."""
        ends = [name, *(name[n:] for n in range(1, len(name) - 1))]
        return next((table[end] for end in ends if end in table), None)


def words(name: str) -> tuple[str, ...]:
    """The parts of a path, a dotted name or a node: `tests/a.py::T` is tests, a, T."""
    plain = _FILE.sub("", name.strip().removeprefix("./"))
    return tuple(part for part in _SEPARATOR.split(plain) if part)
