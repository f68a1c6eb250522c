"""What `headway test import` says: each file, what failed and what that means, and the verdict."""

from dataclasses import dataclass

from headway.cli.test_text import pyramid, taken
from headway.store.tests import Origin
from headway.store.tests_files import File, Imported
from headway.testing.coverage import Coverage, FileCoverage, Least, select, share
from headway.testing.findings import Scan, counts, told
from headway.testing.judge import Gates, Ruled
from headway.testing.kind import Read
from headway.testing.pyramid import layers
from headway.testing.result import Attempts, Report, attempts
from headway.testing.tripwire import BLOCKS, Ruling
from headway.wording.text import block, columns, marked, percent

WORDS = {"PASS": "ok", "WAIT": "waiting", "FAIL": "failed"}
SIGNS = dict.fromkeys(BLOCKS, "failed") | {Ruling.AGAIN: "waiting", Ruling.FORGIVEN: "ok"}
SHOWN = 20
LINES = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """What was imported, and what came of it."""

    origin: Origin
    files: list[File]
    made: Imported


def lines(shown: Shown, gates: Gates | None) -> list[str]:
    """For people."""
    made = shown.made
    found = columns([_file(f.path, f.read) for f in shown.files])
    if made.new and not any(made.new):
        found.append("All of it was known already; nothing was changed.")
    found += _ruled(made.ruled) + _findings(made.stage.scans)
    found += _critical(made.stage.coverage, gates)
    found += pyramid(layers((a.id, a.file, a.seconds) for a in made.stage.tests))
    if made.verdict:
        outcome = made.verdict.outcome.value
        sign = marked(WORDS[outcome])[0]
        found += ["", f"{sign} {outcome}  {made.verdict.because}"]
    return found


def _file(path: str, read: Read) -> tuple[str, str, str]:
    match read:
        case Report():
            return path, read.tool, _counted(attempts(read.cases))
        case Coverage():
            return path, "coverage", covered(read.files)
        case Scan():
            numbers = counts(read.findings)
            said = ", ".join(f"{n} {level}" for level, n in numbers.items() if n)
            return path, ", ".join(read.tools) or "sarif", said or "no findings"


def _counted(found: tuple[Attempts, ...]) -> str:
    bad, flaky = sum(a.bad for a in found), sum(a.flipped for a in found)
    skipped = sum(not a.failures and not a.passes for a in found)
    also = [(bad, "failed"), (flaky, "flaky"), (skipped, "skipped")]
    parts = [f"{len(found)} tests", *(f"{n} {word}" for n, word in also if n)]
    return ", ".join([*parts, taken(sum(a.seconds for a in found))])


def covered(files: tuple[FileCoverage, ...]) -> str:
    """`81.2% of 4210 lines, 70% of 300 branches`."""
    run, of = sum(f.lines_run for f in files), sum(f.lines for f in files)
    taken_, branches = sum(f.branches_run for f in files), sum(f.branches for f in files)
    both = [(run, of, "lines"), (taken_, branches, "branches")]
    return ", ".join(f"{percent(r / o)} of {o} {what}" for r, o, what in both if o) or "nothing"


def _ruled(ruled: tuple[Ruled, ...]) -> list[str]:
    found: list[str] = []
    for one in ruled[:SHOWN]:
        sign = marked(SIGNS[one.ruling])[0]
        found += ["", f"{sign} {one.test.id}", f"    {one.ruling.value}: {one.why}"]
        if one.ruling is not Ruling.FORGIVEN:
            found += [f"    | {line}" for line in block(one.test.message)[:LINES]]
    more = len(ruled) - SHOWN
    return [*found, f"… and {more} more"] if more > 0 else found


def _findings(scans: tuple[Scan, ...]) -> list[str]:
    every = [f for s in scans for f in s.findings if not f.suppressed]
    grave = [f for f in every if f.level in {"error", "warning"}]
    grave.sort(key=lambda f: (f.level, f.file, f.line))
    found = columns([(told(f), " ".join(block(f.message)[:1])) for f in grave[:SHOWN]])
    more = [f"… and {len(grave) - SHOWN} more"] if len(grave) > SHOWN else []
    return ["", *found, *more] if found else []


def _critical(coverage: Coverage | None, gates: Gates | None) -> list[str]:
    goals = gates.coverage.critical if gates and gates.coverage else ()
    if coverage is None or not goals:
        return []
    return ["", *columns([(g.glob, covered(select(coverage, g.glob))) for g in goals])]


def document(shown: Shown, gates: Gates | None) -> dict[str, object]:
    """For programs."""
    stage = shown.made.stage
    return {
        "service": shown.origin.service,
        "run": shown.origin.run,
        "fingerprint": shown.origin.fingerprint,
        "files": [_file_fields(f.path, f.read) for f in shown.files],
        "new": any(shown.made.new),
        "tests": _test_fields(stage.tests),
        "failures": [_ruled_fields(r) for r in shown.made.ruled],
        "pyramid": layers((a.id, a.file, a.seconds) for a in stage.tests),
        "coverage": _coverage_fields(stage.coverage, gates),
        "findings": [f for s in stage.scans for f in s.findings],
        "verdict": shown.made.verdict,
    }


def _file_fields(path: str, read: Read) -> dict[str, object]:
    kinds = {Report: "tests", Coverage: "coverage", Scan: "findings"}
    known: dict[str, object] = {"file": path, "kind": kinds[type(read)]}
    return known | ({"tool": read.tool} if isinstance(read, Report) else {})


def _test_fields(tests: tuple[Attempts, ...]) -> dict[str, object]:
    return {
        "count": len(tests),
        "passed": sum(a.passes > 0 and not a.failures for a in tests),
        "failed": sum(a.bad for a in tests),
        "flaky": sum(a.flipped for a in tests),
        "skipped": sum(not a.failures and not a.passes for a in tests),
        "seconds": sum(a.seconds for a in tests),
    }


def _ruled_fields(ruled: Ruled) -> dict[str, object]:
    return {
        "test": str(ruled.test.id), "ruling": ruled.ruling.value, "why": ruled.why,
        "failures": ruled.test.failures, "passes": ruled.test.passes, "again": ruled.again,
        "quarantined": ruled.held, "message": ruled.test.message,
    }  # fmt: skip


def _coverage_fields(coverage: Coverage | None, gates: Gates | None) -> dict[str, object] | None:
    if coverage is None:
        return None
    goals = gates.coverage.critical if gates and gates.coverage else ()
    critical = [{"path": g.glob, "least": g.lines, **_shares(coverage, g)} for g in goals]
    return _shares(coverage, Least()) | {"critical": critical}


def _shares(coverage: Coverage, goal: Least) -> dict[str, object]:
    files = select(coverage, goal.glob)
    lines_run, of = sum(f.lines_run for f in files), sum(f.lines for f in files)
    taken_, branches = sum(f.branches_run for f in files), sum(f.branches for f in files)
    return {
        "files": len(files), "lines": of, "lines_run": lines_run,
        "line_share": share(lines_run, of),
        "branches": branches, "branches_run": taken_, "branch_share": share(taken_, branches),
    }  # fmt: skip
