"""When a running rollout is stopped because it eats what is left of an error budget.

Called by flows/goals.py. A rollout is paused, not rolled back: the judge goes on, and a person or
better numbers decide.
"""

from dataclasses import dataclass

from headway.slo.budget import allowance, burn_rate
from headway.slo.tally import Tally

ANOTHER = 0.10  # of the whole budget must go before a resumed rollout is paused again


@dataclass(frozen=True, slots=True)
class Spent:
    """`before`: the SLO's window as it ended when users first reached the rollout; `since`: what
    happened from then on; `paused_at`: bad events since then at the last pause, None if never.
    """

    before: Tally
    since: Tally
    paused_at: float | None = None


def must_pause(target: float, part: float, spent: Spent) -> str:
    """Why the rollout is paused, in words, or empty.

    The SLO must burn (faster than sustainable since the exposure), and `part` of what was left at
    the exposure must be gone. With nothing left there is no part of it: a rollout that was let in
    all the same (a fix) is for the judge alone. So is one of a service with so little traffic that
    not even one failed request is allowed.
    """
    budget = allowance(target) * spent.before.total
    left = budget - spent.before.bad
    rate = burn_rate(target, spent.since)
    if budget < 1 or rate is None or rate <= 1.0 or left <= 0 or spent.since.bad < part * left:
        return ""
    if spent.paused_at is not None and spent.since.bad - spent.paused_at < ANOTHER * budget:
        return ""
    return (
        f"burnt {spent.since.bad / left:.0%} of what was left of the error budget since users "
        f"reached it ({spent.since.bad:.0f} of {left:.0f} failed requests), at {rate:.3g} times "
        f"the sustainable rate; the limit is {part:.0%}"
    )
