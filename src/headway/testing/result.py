"""What test reports say, whoever wrote them. Made by `junit`; read by `judge`, `shard` and store.

A test is known by suite, class and name, with its parameters. What it did in one report is an
`Attempts`: how often it failed and whether it passed in the end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "failed", "errored", "skipped"]
BAD: frozenset[Outcome] = frozenset({"failed", "errored"})


@dataclass(frozen=True, slots=True, order=True)
class TestId:
    """Who a test is. `suite` is empty where every test of a tool has the same one (pytest); it
    holds the project of a browser test. `name` keeps the parameters: `test_sum[1-2]`.
    """

    __test__ = False

    suite: str
    classname: str
    name: str

    def __str__(self) -> str:
        return "::".join(dict.fromkeys(p for p in (self.suite, self.classname, self.name) if p))


@dataclass(frozen=True, slots=True)
class Case:
    """One `testcase` of a report: one try, or several where the tool wrote its retries into one.

    `failures`: tries that failed, `passes`: tries that passed; a skipped one has neither.
    `outcome` is the tool's own last word. `message`: the first lines of the first failure.
    `line`: where it stands in the report.
    """

    id: TestId
    outcome: Outcome
    seconds: float
    failures: int
    passes: int
    message: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """A report file as read. `tool`: the dialect (`pytest`, `surefire`, `gotestsum`, `jest`,
    `playwright`, or `junit`).
    """

    source: str
    tool: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Attempts:
    """Everything that one run said about one test. `seconds`: the longest try."""

    id: TestId
    failures: int
    passes: int
    skips: int
    seconds: float
    message: str = ""
    file: str = ""

    @property
    def bad(self) -> bool:
        """It failed and never passed."""
        return self.failures > 0 and self.passes == 0

    @property
    def flipped(self) -> bool:
        """It failed and passed on the same thing: proof that it is flaky."""
        return self.failures > 0 and self.passes > 0


@dataclass(slots=True)
class _Sum:
    failures: int = 0
    passes: int = 0
    skips: int = 0
    seconds: float = 0.0
    message: str = ""
    file: str = ""
    last: Outcome | None = None


def attempts(cases: Iterable[Case]) -> tuple[Attempts, ...]:
    """The cases put together by test, in the order of their first appearance.

    A failure and an error of the same test, one right after the other, are one try: pytest tells of
    a broken teardown so, Jest of a file that does not load.
    """
    sums: dict[TestId, _Sum] = {}
    for case in cases:
        _add(sums.setdefault(case.id, _Sum()), case)
    return tuple(
        Attempts(i, s.failures, s.passes, s.skips, s.seconds, s.message, s.file)
        for i, s in sums.items()
    )


def _add(total: _Sum, case: Case) -> None:
    both = {total.last, case.outcome} == BAD
    total.failures += 0 if both else case.failures
    total.passes += case.passes
    total.skips += case.outcome == "skipped"
    total.seconds = max(total.seconds, case.seconds)
    total.message = total.message or case.message
    total.file = total.file or case.file
    total.last = None if both else case.outcome


def merged(runs: Sequence[Attempts]) -> Attempts:
    """Several runs of one test on the same thing as one. Raises ValueError for none."""
    if not runs:
        raise ValueError("nothing to merge")
    return Attempts(
        runs[0].id,
        sum(r.failures for r in runs),
        sum(r.passes for r in runs),
        sum(r.skips for r in runs),
        max(r.seconds for r in runs),
        next((r.message for r in runs if r.message), ""),
        next((r.file for r in runs if r.file), ""),
    )
