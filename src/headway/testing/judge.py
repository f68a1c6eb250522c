"""May a stage of tests go on? One pure answer from results, history, quarantine and gates.

Called by the flow of a delivery and by `headway test import --judge`. Nothing reported is never a
PASS: without results the answer is WAIT while more may come, FAIL when nothing more will.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from headway.model.verdict import Outcome, Verdict, worst
from headway.testing import coverage as covering
from headway.testing import findings as finding
from headway.testing import quarantine as holding
from headway.testing.coverage import Coverage, CoverageGate
from headway.testing.findings import FindingsGate, Scan
from headway.testing.quarantine import Quarantine
from headway.testing.result import Attempts, TestId
from headway.testing.tripwire import BLOCKS, Ruling, Standing, nearly_all, needed, rule

JUDGE = "tests"
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a test. `held`: its quarantine, expired or not; `since`: for each run since
    that began, oldest first, whether it failed at all.
    """

    standing: Standing = field(default_factory=Standing)
    held: Quarantine | None = None
    since: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage reported. `tests`: one entry a test, all its tries on this fingerprint.
    `past`: by test, without this run; a missing one has none.
    """

    tests: tuple[Attempts, ...] = ()
    past: Mapping[TestId, Past] = field(default_factory=dict)
    coverage: Coverage | None = None
    scans: tuple[Scan, ...] = ()


@dataclass(frozen=True, slots=True)
class Gates:
    """What is asked. None: nothing of that kind. `least_tests`: fewer that ran are no result."""

    least_tests: int = 1
    coverage: CoverageGate | None = None
    findings: FindingsGate | None = None


@dataclass(frozen=True, slots=True)
class Ruled:
    """A test that failed at least once, and what that means. `again`: so many more tries would
    decide. `held`: a quarantine is why it does not block.
    """

    test: Attempts
    ruling: Ruling
    why: str
    again: int = 0
    held: bool = False


def judge(stage: Stage, gates: Gates, now: float, *, more: bool = False) -> Verdict:
    """The worst of what tests, coverage and findings say, every reason in words.

    `now`: Unix seconds, for quarantines and waivers. `more`: further tries or reports may come, so
    that what is missing or undecided waits instead of failing.
    """
    verdicts = [_tests(stage, gates.least_tests, now, more=more)] if gates.least_tests else []
    if gates.coverage is not None:
        verdicts.append(_late(covering.judge(stage.coverage, gates.coverage), more=more))
    if gates.findings is not None:
        verdicts.append(_late(finding.judge(stage.scans, gates.findings, now), more=more))
    if not verdicts:
        return Verdict(JUDGE, Outcome.FAIL, "nothing was asked, so nothing is shown")
    outcome = worst(verdicts).outcome
    told = [v for v in verdicts if outcome is Outcome.PASS or v.outcome is not Outcome.PASS]
    return Verdict(told[0].judge, outcome, "; ".join(v.because for v in told))


def rulings(stage: Stage, now: float) -> tuple[Ruled, ...]:
    """Every test that failed at least once, blocking ones first."""
    bad = [a for a in stage.tests if a.failures]
    ruled = [_ruled(a, stage.past.get(a.id, Past()), now) for a in bad]
    order = [Ruling.BROKEN, Ruling.WORSENED, Ruling.AGAIN, Ruling.FORGIVEN]
    return tuple(sorted(ruled, key=lambda r: (order.index(r.ruling), r.test.id)))


def _ruled(tries: Attempts, past: Past, now: float) -> Ruled:
    held = past.held
    if held is not None and held.active(now):
        worse = holding.worsened(held, tries, past.since, past.standing)
        if worse:
            return Ruled(tries, Ruling.WORSENED, f"quarantined, but it {worse}")
        return Ruled(tries, Ruling.FORGIVEN, f"quarantined, owner {held.owner}", held=True)
    found = rule(past.standing, tries)
    why = _why(found, tries, past.standing)
    if held is not None and found is not Ruling.FORGIVEN:
        why += f"; its quarantine (owner {held.owner}) is over"
    again = needed(past.standing) - tries.failures if found is Ruling.AGAIN else 0
    return Ruled(tries, found, why, again)


def _why(found: Ruling, tries: Attempts, past: Standing) -> str:
    failed = f"failed {tries.failures} of {tries.failures + tries.passes} tries"
    own = f"{past.flips} of {past.runs} runs were flaky"
    match found:
        case Ruling.FORGIVEN:
            return f"{failed}; {own if past.flips else _first(past)}"
        case Ruling.WORSENED:
            return f"{failed}, flaky far oftener than before: {own}"
        case Ruling.AGAIN:
            more = needed(past) - tries.failures
            return f"{failed}; {more} more would tell whether it is a flake"
        case _:
            return failed + (f"; {own}" if past.flips else "")


def _first(past: Standing) -> str:
    return (
        f"flaky for the first time in {past.runs} runs" if past.runs else "new, and flaky already"
    )


def _tests(stage: Stage, least: int, now: float, *, more: bool) -> Verdict:
    missing = Outcome.WAIT if more else Outcome.FAIL
    ran = [a for a in stage.tests if a.failures or a.passes]
    if len(ran) < least:
        skipped = sum(1 for a in stage.tests if not a.failures and not a.passes)
        also = f", {skipped} skipped" if skipped else ""
        what = f"{len(ran)} tests ran{also}; at least {least} must"
        return Verdict(JUDGE, missing, what if stage.tests else "there are no test results")
    failed = sum(a.bad for a in ran)
    if nearly_all(failed, len(ran)):
        said = f"{failed} of {len(ran)} tests failed: that looks like the machine, not the tests"
        return Verdict(JUDGE, Outcome.FAIL, said)
    return _sum(rulings(stage, now), ran, missing)


def _sum(ruled: tuple[Ruled, ...], ran: list[Attempts], missing: Outcome) -> Verdict:
    blocking = [r for r in ruled if r.ruling in BLOCKS]
    open_ = [r for r in ruled if r.ruling is Ruling.AGAIN]
    if blocking or (open_ and missing is Outcome.FAIL):
        stopped = blocking + open_
        said = f"{len(stopped)} of {len(ran)} tests failed: {_named(stopped)}"
        return Verdict(JUDGE, Outcome.FAIL, said)
    if open_:
        said = f"{len(open_)} of {len(ran)} tests must run again: {_named(open_)}"
        return Verdict(JUDGE, Outcome.WAIT, said)
    kinds = Counter("quarantined" if r.held else "flaky" for r in ruled)
    also = "".join(f", {count} of them {kind}" for kind, count in sorted(kinds.items()))
    failed_too = f"{also} ({_named(list(ruled))})" if ruled else ""
    return Verdict(JUDGE, Outcome.PASS, f"{len(ran)} tests passed{failed_too}")


def _named(ruled: list[Ruled]) -> str:
    shown = "; ".join(f"{r.test.id}: {r.why}" for r in ruled[:SHOWN])
    return shown + (f"; and {len(ruled) - SHOWN} more" if len(ruled) > SHOWN else "")


def _late(verdict: Verdict, *, more: bool) -> Verdict:
    """What waits for a report that will not come has failed."""
    if verdict.outcome is Outcome.WAIT and not more:
        return Verdict(verdict.judge, Outcome.FAIL, verdict.because)
    return verdict
