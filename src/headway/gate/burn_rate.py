"""The burn rate gate: do the error budgets burn slowly enough for another release?

Pure; called by flows/enter.py and `headway plan`. With `below: 2` nothing starts while a budget
burns at twice the sustainable rate or faster.
"""

from dataclasses import dataclass

from headway.model.service import BurnRateGate
from headway.model.verdict import Outcome, Verdict

JUDGE = "burn_rate"


@dataclass(frozen=True, slots=True)
class Burn:
    """How many times faster than sustainable the budget is used; None without an event. `quiet`:
    there was none although it is being measured.
    """

    slo: str
    rate: float | None
    quiet: bool = False


def judge(policy: BurnRateGate | None, burns: tuple[Burn, ...], *, serves: bool) -> Verdict:
    """PASS if every burn rate over `over_seconds` is less than `below`."""
    if policy is None:
        return Verdict(JUDGE, Outcome.PASS, "no burn rate is asked for")
    if not serves:
        return Verdict(JUDGE, Outcome.PASS, "the first release here: nothing was measured yet")
    hours = f"the last {policy.over_seconds / 3600:g} h"
    unknown = [b for b in burns if b.rate is None and not b.quiet]
    if unknown:
        because = f"insufficient data: no request was counted for {unknown[0].slo} in {hours}"
        return Verdict(JUDGE, Outcome.WAIT, because)
    worst = max(burns, key=lambda b: b.rate or 0.0)
    rate = worst.rate or 0.0
    because = f"{worst.slo}'s error budget burns at {rate:.2g}x over {hours}"
    if rate < policy.below:
        return Verdict(JUDGE, Outcome.PASS, f"{because}, below {policy.below:g}x")
    return Verdict(JUDGE, Outcome.WAIT, f"{because}, needs less than {policy.below:g}x")
