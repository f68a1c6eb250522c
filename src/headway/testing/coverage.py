"""Which lines and branches tests have run, and the gate over them. Readers: `cobertura`, `lcov`.

Rates that a report claims are never believed: lines and branches are counted.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from headway.document.problems import quoted
from headway.model.errors import Invalid
from headway.model.verdict import Outcome, Verdict, worst

JUDGE = "coverage"


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """Counts of one source file. `root`: the folder that the report puts before `path`, or ''."""

    path: str
    lines: int
    lines_run: int
    branches: int
    branches_run: int
    root: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """A coverage report as read."""

    source: str
    files: tuple[FileCoverage, ...]


@dataclass(frozen=True, slots=True)
class Least:
    """What a path must reach: shares from 0 to 1; None: nothing is asked. `glob` empty: all files.

    In a glob `*` stays inside a folder and `**` does not; it may match from any folder on.
    """

    glob: str = ""
    lines: float | None = None
    branches: float | None = None


@dataclass(frozen=True, slots=True)
class CoverageGate:
    """`least`: for everything; `critical`: paths with goals of their own."""

    least: Least = Least()
    critical: tuple[Least, ...] = ()


@dataclass(slots=True)
class Lines:
    """What a reader gathers for one file: hits by line, hits by branch."""

    hits: dict[int, int] = field(default_factory=dict)
    branches: dict[tuple[int, str], int] = field(default_factory=dict)

    def counted(self, path: str, root: str = "") -> FileCoverage:
        """The counts."""
        run = sum(n > 0 for n in self.hits.values())
        taken = sum(n > 0 for n in self.branches.values())
        return FileCoverage(path, len(self.hits), run, len(self.branches), taken, root)


def joined(reports: Iterable[Coverage]) -> Coverage | None:
    """Reports of different files as one; None for none. Raises Invalid (`same-file-twice`): counts
    of the same file cannot be added up, only the tool that wrote them can.
    """
    found = list(reports)
    files: dict[str, FileCoverage] = {}
    for report in found:
        for one in report.files:
            if one.path in files:
                raise Invalid(
                    f"{quoted(one.path)} is in two coverage reports",
                    why=f"{quoted(report.source)} is one of them",
                    next="merge them first (coverage combine, lcov --add-tracefile)",
                    code="same-file-twice",
                )
            files[one.path] = one
    return Coverage(", ".join(r.source for r in found), tuple(files.values())) if found else None


def share(run: int, of: int) -> float | None:
    """The share that was run; None where there was nothing to run."""
    return run / of if of else None


def select(coverage: Coverage, glob: str) -> tuple[FileCoverage, ...]:
    """The files that the glob matches; all for an empty one."""
    if not glob:
        return coverage.files
    pattern = _pattern(glob)
    return tuple(f for f in coverage.files if pattern.fullmatch(f"/{f.root}/{f.path}"))


def judge(coverage: Coverage | None, gate: CoverageGate) -> Verdict:
    """PASS if every goal is reached. No report, no file for a path, no branch for a branch goal:
    FAIL, because nothing shows that the goal is reached.
    """
    goals = (gate.least, *gate.critical)
    if all(g.lines is None and g.branches is None for g in goals):
        return Verdict(JUDGE, Outcome.PASS, "nothing is asked of the coverage")
    if coverage is None:
        return Verdict(JUDGE, Outcome.WAIT, "there is no coverage report")
    verdicts = list(_each(coverage, goals))
    outcome = worst(verdicts).outcome
    said = "; ".join(v.because for v in verdicts if v.outcome is outcome)
    return Verdict(JUDGE, outcome, said)


def _each(coverage: Coverage, goals: Iterable[Least]) -> Iterable[Verdict]:
    for goal in goals:
        files = select(coverage, goal.glob)
        where = goal.glob or "all files"
        if goal.lines is not None:
            run, of = sum(f.lines_run for f in files), sum(f.lines for f in files)
            yield _one(f"lines of {where}", run, of, goal.lines)
        if goal.branches is not None:
            run, of = sum(f.branches_run for f in files), sum(f.branches for f in files)
            yield _one(f"branches of {where}", run, of, goal.branches)


def _one(what: str, run: int, of: int, least: float) -> Verdict:
    if not of:
        return Verdict(JUDGE, Outcome.FAIL, f"{what}: the report has none")
    enough = run >= Fraction(str(least)) * of
    said = f"{what}: {_percent(run, of)} ({run} of {of}), needs {100 * least:.4g}%"
    return Verdict(JUDGE, Outcome.PASS if enough else Outcome.FAIL, said)


def _percent(run: int, of: int) -> str:
    """Rounded down, so that it never looks like more than it is."""
    return f"{10_000 * run // of / 100:g}%"


def _pattern(glob: str) -> "re.Pattern[str]":
    """The glob as an expression without nested repetition."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob.strip().removeprefix("./").removeprefix("/"))
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile(".*/" + "".join(words.get(p, re.escape(p)) for p in parts), re.DOTALL)
