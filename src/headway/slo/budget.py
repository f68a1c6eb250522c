"""Error budgets: how much failure the goal allows, how much of it is used, and how fast.

Pure arithmetic on tallies (good, total). Called by flows/goals.py, the views of `headway slo` and,
through flows, the gates. Formulae: the error budget of a target t over a window is the share 1 - t
of its events; the burn rate is the share of bad events divided by 1 - t, so that 1 uses the budget
up exactly in the window (Site Reliability Workbook, chapter 5, "Alerting on SLOs").
"""

from dataclasses import dataclass

from headway.slo.tally import Tally

NANO = 1e-9


@dataclass(frozen=True, slots=True)
class Budget:
    """Where an SLO stands in its window.

    `compliance`: share of good events, `left`: share of the error budget that is left (negative
    once more is used than there was), `allowed` and `bad`: events; `minutes_left`: of total outage
    at the window's mean rate. All None without an event: no data is not 100 %. `thin`: the window
    has so few events that not even one may fail, so each failure is more than the whole budget.
    """

    target: float
    tally: Tally
    window_seconds: float
    compliance: float | None
    left: float | None
    allowed: float
    bad: float
    minutes_left: float | None
    thin: bool

    @property
    def met(self) -> bool | None:
        """Whether the goal is kept; None without data."""
        return None if self.left is None else self.left >= -NANO


def allowance(target: float) -> float:
    """The share that may fail: 0.001 for 0.999, without the noise of a binary fraction, so that a
    burn of exactly 2 is one of 2 here as in the exported rules.
    """
    return round(1.0 - target, 12)


def budget(target: float, tally: Tally, window_seconds: float) -> Budget:
    """The budget of a window of that length (for calendar windows: the whole period's)."""
    allowed = allowance(target) * tally.total
    if tally.total <= 0:
        return Budget(target, tally, window_seconds, None, None, 0.0, 0.0, None, thin=True)
    left = 1.0 - tally.bad / allowed if allowed > 0 else (1.0 if tally.bad == 0 else -1.0)
    minutes = max(0.0, left) * allowance(target) * window_seconds / 60
    return Budget(
        target,
        tally,
        window_seconds,
        tally.good / tally.total,
        left,
        allowed,
        tally.bad,
        minutes,
        allowed < 1.0 - NANO,
    )


def burn_rate(target: float, tally: Tally) -> float | None:
    """How many times faster than sustainable the budget is used; None without an event."""
    if tally.total <= 0:
        return None
    return tally.bad / (allowance(target) * tally.total)
