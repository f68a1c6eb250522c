"""One answer of one judge or gate. No answer is WAIT, never PASS."""

from collections.abc import Iterable
from enum import StrEnum

from headway.record import dataclass


class Outcome(StrEnum):
    """Ordered from good to bad: PASS < WAIT < FAIL."""

    PASS = "PASS"
    WAIT = "WAIT"
    FAIL = "FAIL"


_RANK = {Outcome.PASS: 0, Outcome.WAIT: 1, Outcome.FAIL: 2}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`judge` says who decided, `because` says why in a user's words.

    `evidence` holds digests or event ids of the facts it rests on.
    """

    judge: str
    outcome: Outcome
    because: str
    evidence: tuple[str, ...] = ()


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst verdict; of equals the first. Of none: WAIT, because nobody has answered."""
    found = list(verdicts)
    if not found:
        return Verdict("nobody", Outcome.WAIT, "no judge has answered")
    return max(found, key=lambda v: _RANK[v.outcome])
