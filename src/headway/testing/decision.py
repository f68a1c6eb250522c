"""What a job has come to, by its exit code and by the reports that it declared.

Called by flows/tests. The exit code always counts: a red job is green only if its reports show that
nothing but tests failed, and that the rule of flaky tests forgives each of them. A job that crashed
is no flake.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from headway.model.job import JobReport
from headway.model.verdict import Outcome, Verdict
from headway.testing import judge as judging
from headway.testing.judge import Gates, Past, Ruled, Stage, rulings
from headway.testing.result import Attempts
from headway.testing.tripwire import BLOCKS, Ruling, nearly_all

SIGNALS = 128
SHOWN = 5


@dataclass(frozen=True, slots=True)
class End:
    """How the job ended by itself. `strange`: why a red one cannot be its tests' doing, "" if it
    can. `cut`: steps after the red one did not run because of it.
    """

    green: bool
    strange: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """`stage`: all tries of the job in its run together; `tries`: the tests of the last one alone.
    `block`: every red test is a fault. `known_only`: only tests that were seen to flip run again.
    """

    stage: Stage
    tries: tuple[Attempts, ...]
    gates: Gates
    block: bool = False
    known_only: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """`explained`: the reports say why it is red. `again`: tests must run again first. `forgiven`:
    tests that failed and do not block.
    """

    green: bool
    because: str
    explained: bool = False
    again: bool = False
    forgiven: tuple[Ruled, ...] = ()


def end_of(report: JobReport, written: Iterable[str], tools: Iterable[str]) -> End:
    """How the job ended, from its steps. `written`: ids of the steps of its file; `tools`: whose
    reports it left. Of pytest only exit 1 means that tests failed (docs.pytest.org, "Exit codes").
    """
    if report.outcome == "success":
        return End(green=True)
    ids = set(written)
    red = [n for n, step in enumerate(report.steps) if step.conclusion == "failure"]
    if len(red) != 1:
        what = "more than one step failed" if red else report.because or "no step of it failed"
        return End(green=False, strange=what)
    step, later = report.steps[red[0]], report.steps[red[0] + 1 :]
    cut = any(s.outcome == "skipped" and s.id in ids for s in later)
    code = step.exit_code
    strange = ""
    if code is None or code >= SIGNALS or code < 0:
        strange = f"step `{step.name}` did not end by itself"
    elif "pytest" in tools and code != 1:
        strange = f"pytest ended with exit {code}, which is not about tests"
    return End(green=False, strange=strange, cut=cut)


def decide(end: End, asked: Asked, now: float) -> Decision:
    """What becomes of the job. `now`: Unix seconds, for quarantines."""
    rest = _rest(asked, now)
    if not asked.gates.least_tests:
        return _without_tests(end, rest)
    found = _tests(asked, now)
    if not end.green:
        if not any(a.bad for a in asked.tries):
            return Decision(
                green=False, because=f"the job failed, and no test did; {found.because}"
            )
        if end.strange:
            return Decision(green=False, because=f"{end.strange}; {found.because}")
    if not found.green:
        return found
    if rest.outcome is not Outcome.PASS:
        return Decision(green=False, because=rest.because, explained=True, forgiven=found.forgiven)
    if not end.green and end.cut:
        because = f"steps after the tests did not run; {found.because}"
        return replace(found, green=False, because=because, explained=True, again=True)
    return replace(found, because="; ".join(filter(None, (found.because, rest.because))))


def _without_tests(end: End, rest: Verdict) -> Decision:
    """Coverage and findings can make a green job red, never the other way."""
    passed = rest.outcome is Outcome.PASS
    return Decision(green=end.green and passed, because=rest.because, explained=not passed)


def _rest(asked: Asked, now: float) -> Verdict:
    """What coverage and findings say."""
    gates = replace(asked.gates, least_tests=0)
    if gates.coverage is None and gates.findings is None:
        return Verdict(judging.JUDGE, Outcome.PASS, "")
    return judging.judge(asked.stage, gates, now)


def _tests(asked: Asked, now: float) -> Decision:
    """What the tests alone say."""
    stage = asked.stage
    ran = [a for a in stage.tests if a.failures or a.passes]
    bad = [a for a in ran if a.bad]
    said = judging.judge(stage, Gates(asked.gates.least_tests), now, more=True)
    if len(ran) < asked.gates.least_tests:
        return Decision(green=False, because=said.because, explained=True)
    if nearly_all(len(bad), len(ran)):
        return Decision(green=False, because=said.because)
    if asked.block:
        return _strict(asked.tries)
    return _ruled(rulings(stage, now), asked, said)


def _strict(tries: tuple[Attempts, ...]) -> Decision:
    bad = [a for a in tries if a.bad]
    if not bad:
        return Decision(green=True, because=f"{sum(a.passes > 0 for a in tries)} tests passed")
    names = ", ".join(str(a.id) for a in bad[:SHOWN])
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    said = f"{len(bad)} of {len(tries)} tests failed: {names}{more}"
    return Decision(green=False, because=said, explained=True)


def _ruled(ruled: tuple[Ruled, ...], asked: Asked, said: Verdict) -> Decision:
    forgiven = tuple(r for r in ruled if r.ruling is Ruling.FORGIVEN)
    open_ = [r for r in ruled if r.ruling is Ruling.AGAIN]
    stuck = [r for r in open_ if asked.known_only and not _known(asked.stage, r)]
    if said.outcome is Outcome.FAIL or stuck:
        stopped = [r for r in ruled if r.ruling in BLOCKS or r in stuck]
        because = said.because if said.outcome is Outcome.FAIL else _failed(stopped, asked)
        return Decision(green=False, because=because, explained=True, forgiven=forgiven)
    if open_:
        return Decision(
            green=False, because=said.because, explained=True, again=True, forgiven=forgiven
        )
    return Decision(green=True, because=said.because, forgiven=forgiven)


def _known(stage: Stage, one: Ruled) -> bool:
    return stage.past.get(one.test.id, Past()).standing.flaky


def _failed(ruled: list[Ruled], asked: Asked) -> str:
    """Without a word of more tries, which will not come."""
    names = ", ".join(str(r.test.id) for r in ruled[:SHOWN])
    more = f" and {len(ruled) - SHOWN} more" if len(ruled) > SHOWN else ""
    return f"{len(ruled)} of {len(asked.tries)} tests failed: {names}{more}"
