"""May this step end? The least time, the proof and the clock, in one pure function.

Called by the machine after every verdict and by `headway judge`.
"""

from enum import StrEnum

from headway.model.pace import Pace
from headway.model.service import InsufficientData
from headway.model.verdict import Outcome


class StepEnd(StrEnum):
    """NO: stay. PROVEN: the judge passed and the least time is over. UNPROVEN: only the clock ran
    out, without suspicion, and the policy lets that do; to be shown as such.
    """

    NO = "no"
    PROVEN = "proven"
    UNPROVEN = "unproven"


def step_ends(  # noqa: PLR0913
    pace: Pace,
    step: int,
    age_s: float,
    step_age_s: float,
    finding_outcome: Outcome,
    suspicion: bool,  # noqa: FBT001
    floor_s: float | None,
    policy: InsufficientData,
) -> StepEnd:
    """`step` counts from 0; `age_s`, `step_age_s`: seconds since rollout and step began.

    `floor_s` is the user's least time for this step, None the pace's own. Nothing ends while the
    judge still forgives the errors of a cold start.
    """
    floor = pace.floors[min(step, len(pace.floors) - 1)] if floor_s is None else floor_s
    blind = age_s < pace.warm or (step > 0 and step_age_s < pace.rewarm)
    if suspicion or blind or step_age_s < floor or finding_outcome is Outcome.FAIL:
        return StepEnd.NO
    if finding_outcome is Outcome.PASS:
        return StepEnd.PROVEN
    if policy == "promote_unproven" and step_age_s >= max(pace.clock, floor):
        return StepEnd.UNPROVEN
    return StepEnd.NO
