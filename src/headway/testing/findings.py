"""What scanners and linters found, from SARIF 2.1.0, and the gate over it. Called by `judge`.

The format: OASIS, Static Analysis Results Interchange Format 2.1.0. The level of a result is its
own, else its rule's, else `warning` (3.27.10); only results of kind `fail` count (3.27.9); a run
whose `results` is absent looked for nothing, and says nothing (3.14.23).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from headway.model.job import WaiverUse
from headway.model.job_settings import Waiver, utc_day
from headway.model.verdict import Outcome, Verdict
from headway.testing import waivers

JUDGE = "findings"
Severity = Literal["none", "note", "warning", "error"]
ORDER: dict[Severity, int] = {"none": 0, "note": 1, "warning": 2, "error": 3}
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One result. `suppressed`: the tool was told that it is no fault. Lines and columns count from
    1; 0: not said.
    """

    tool: str
    rule: str
    level: Severity
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    suppressed: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """A SARIF file. `silent`: tools that looked for nothing or broke, and why."""

    source: str
    tools: tuple[str, ...]
    findings: tuple[Finding, ...]
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FindingsGate:
    """`level` and above block."""

    level: Severity = "error"
    waivers: tuple[Waiver, ...] = ()


def counts(findings: Iterable[Finding]) -> dict[Severity, int]:
    """How many of each level, suppressed ones left out."""
    found = Counter(f.level for f in findings if not f.suppressed)
    return {level: found[level] for level in reversed(ORDER)}


def judge(scans: tuple[Scan, ...], gate: FindingsGate, now: float) -> Verdict:
    """PASS if nothing of that level or above is left. No scan: WAIT; a tool that broke: FAIL.

    A waiver holds through its last day (UTC), and is named; afterwards the finding blocks again.
    """
    if not scans:
        return Verdict(JUDGE, Outcome.WAIT, "there is no report of findings")
    silent = [f"{s.source}: {why}" for s in scans for why in s.silent]
    if silent or not any(s.tools for s in scans):
        why = "; ".join(silent[:SHOWN]) or "no tool has looked"
        return Verdict(JUDGE, Outcome.FAIL, f"not everything was looked at: {why}")
    return _counted(scans, gate, now)


def uses(scans: tuple[Scan, ...], gate: FindingsGate, now: float) -> tuple[WaiverUse, ...]:
    """Each waiver of the gate, and what it did. `now`: Unix seconds."""
    return _sifted(scans, gate, now)[1]


def _counted(scans: tuple[Scan, ...], gate: FindingsGate, now: float) -> Verdict:
    left, used = _sifted(scans, gate, now)
    said = [waivers.told(use) for use in used if use.findings]
    more = [f"and {len(said) - SHOWN} more waivers"] if len(said) > SHOWN else []
    also = "".join(f"; {one}" for one in (*said[:SHOWN], *more))
    if not left:
        count = sum(len(s.findings) for s in scans)
        because = f"no finding of level {gate.level} or above in {count}{also}"
        if said:
            because = f"no finding of level {gate.level} or above blocks, of {count}{also}"
        return Verdict(JUDGE, Outcome.PASS, because)
    worst_first = sorted(left, key=lambda f: (-ORDER[f.level], f.file, f.line, f.rule))
    shown = "; ".join(told(f) for f in worst_first[:SHOWN])
    rest = f"; and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
    because = f"{len(left)} of level {gate.level} or above: {shown}{rest}{also}"
    return Verdict(JUDGE, Outcome.FAIL, because)


def _sifted(
    scans: tuple[Scan, ...], gate: FindingsGate, now: float
) -> tuple[list[Finding], tuple[WaiverUse, ...]]:
    """What blocks, and what the waivers did."""
    every = (f for s in scans for f in s.findings)
    grave = [f for f in every if not f.suppressed and ORDER[f.level] >= ORDER[gate.level]]
    sieve = waivers.Sieve(gate.waivers, utc_day(now))
    left = [f for f in grave if not sieve.lets_through(f.rule, f.file, told(f))]
    return left, sieve.uses()


def told(finding: Finding) -> str:
    """`error py/sql-injection at src/app.py:12`."""
    where = f" at {finding.file}:{finding.line}" if finding.line else f" at {finding.file}"
    return f"{finding.level} {finding.rule}{where if finding.file else ''}"
