"""The line at the door: while it is stopped, nothing enters an environment.

Asked in flows/enter and by `headway plan`.
"""

from headway.model.line import Stop, because
from headway.model.verdict import Outcome, Verdict

JUDGE = "line"


def judge(stop: Stop | None) -> Verdict:
    """WAIT while stopped. Starting the line is a person's word, so waiting can always end."""
    if stop is None:
        return Verdict(JUDGE, Outcome.PASS, "the line runs")
    return Verdict(JUDGE, Outcome.WAIT, because(stop))
