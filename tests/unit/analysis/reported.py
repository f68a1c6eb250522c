"""Judged rollouts to report on: the real judge on seeded windows."""

from dataclasses import dataclass

from tests.unit.analysis.traffic import Truth, windows

from headway.analysis.judge import Finding, Setup, State, begin, judge
from headway.analysis.outlook import Ahead
from headway.analysis.report import Case, Report, report
from headway.model.service import Analysis
from headway.model.window import Window

SETUP = Setup(Analysis(), 0.05)
AHEAD = Ahead(((0, 0.05), (1, 0.25), (2, 0.5)), 5400.0)


@dataclass(frozen=True)
class Told:
    setup: Setup
    state: State
    judged: tuple[tuple[Window, Finding], ...]

    @property
    def windows(self) -> list[Window]:
        return [w for w, _ in self.judged]

    def report(self, ahead: Ahead | None = AHEAD) -> Report:
        return report(Case(self.setup, self.state, self.setup.analysis.signals, ahead), self.judged)


def told(truth: Truth, count: int, step_windows: int = 99, seed: int = 1, setup=SETUP) -> Told:
    """Judged until it fails, `count` windows at most."""
    return judged_on(windows(seed, truth, count, step_windows), setup)


def judged_on(seen, setup=SETUP) -> Told:
    state, found = begin(setup), []
    for window in seen:
        state, finding = judge(setup, state, window)
        found.append((window, finding))
        if state.failed:
            break
    return Told(setup, state, tuple(found))
