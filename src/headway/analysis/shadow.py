"""The signals that Headway itself counts beside a rollout: differing answers, failing journeys.

Both are shares of what went well, (good, total), where more is better: the margin is a part of all,
not of the few that differed on stable (which is mostly none, and no factor of it would be harm).
Called by flows/decide.py, which hands the judge the analysis that holds them.

Answers: every request asked stable once, the candidate once and stable once more; what differs on
one side only is counted for that side. Under the null (the same behaviour) the second stable answer
and the candidate's are exchangeable given the first, so that both counts have the same law,
whatever differs from one answer of one version to the next.
"""

from collections.abc import Iterable
from dataclasses import replace

from headway.model.service import Analysis, Signal

EQUAL = "equal answers"
DIFFERENCES = Signal(EQUAL, "ratio", "headway", "", better="higher", margin=0.01)
JOURNEY_MARGIN = 0.05


def journey(file: str) -> Signal:
    """The signal of one journey."""
    name = f"journey {file}"
    return Signal(name, "ratio", "headway", "", better="higher", margin=JOURNEY_MARGIN)


def watched(analysis: Analysis, *, mirrored: bool, journeys: Iterable[str]) -> Analysis:
    """The analysis for one step, with what is counted beside it."""
    found = (*((DIFFERENCES,) if mirrored else ()), *(journey(file) for file in journeys))
    return replace(analysis, signals=(*analysis.signals, *found)) if found else analysis
