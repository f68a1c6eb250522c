"""What headway.yaml says of a job of a workflow, beside what the workflow itself says.

The workflow stays valid elsewhere; this is what only Headway knows: what the job's result depends
on, how often it is tried, and which reports it leaves that decide with its exit code. Part of a
Service, and of a run from its creation.
"""

from datetime import UTC, datetime
from typing import Literal

from headway.record import dataclass

Severity = Literal["none", "note", "warning", "error"]
Flaky = Literal["judge", "block"]
Size = Literal["", "unit", "contract", "integration", "acceptance", "e2e"]


@dataclass(frozen=True, slots=True)
class Retry:
    """A red job runs again, `times` times at most, `backoff_seconds` later, then twice that, …"""

    times: int = 0
    backoff_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class TestReports:
    """Files of JUnit XML. `flaky`: `judge` measures a red test by its own rate, `block` takes every
    red one for a fault. `size`: of all its tests; empty: their names tell.
    """

    __test__ = False

    reports: tuple[str, ...]
    flaky: Flaky = "judge"
    size: Size = ""


@dataclass(frozen=True, slots=True)
class CoverageReports:
    """Files of Cobertura XML or lcov. Least shares of all files, 0 to 1; None: nothing is asked.
    `critical`: of the lines of each critical path.
    """

    reports: tuple[str, ...]
    lines: float | None = None
    branches: float | None = None
    critical: float | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """An exception: findings of the rule do not block through the day `expires` (UTC, as
    `2026-12-31`). `owner`: who has approved it. `at`: path or glob of their file; empty: anywhere.
    """

    rule: str
    owner: str
    reason: str
    expires: str
    at: str = ""

    def expired(self, today: str) -> bool:
        """Whether it ended before the day `today`."""
        return self.expires < today


def utc_day(now: float) -> str:
    """The day of a moment, Unix seconds, as `2026-12-31`: such days sort as text."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class FindingReports:
    """Files of SARIF. Findings of level `block` and above are faults, unless waived."""

    reports: tuple[str, ...]
    block: Severity = "error"
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Of one job. `paths`: what its result depends on (empty: the whole tree). `critical`: paths
    whose coverage is shown by release. Reports are globs in its workspace.
    """

    paths: tuple[str, ...] = ()
    retry: Retry = Retry()
    tests: TestReports | None = None
    coverage: CoverageReports | None = None
    findings: FindingReports | None = None
    critical: tuple[str, ...] = ()

    @property
    def reports(self) -> tuple[str, ...]:
        """Every glob it declares, each once."""
        kinds = (self.tests, self.coverage, self.findings)
        return tuple(dict.fromkeys(g for kind in kinds if kind for g in kind.reports))
