"""A known flake under somebody's care for a while. Never a mute button. Called by `judge`, cli.

While it lasts, a failure of the test need not be run again and does not block, as long as the test
fails no oftener than when it was put there. One that got worse blocks; so does an expired one, by
itself.
"""

from dataclasses import dataclass

from headway.model.errors import Invalid, Refused
from headway.testing.odds import at_least, upper
from headway.testing.result import Attempts, TestId
from headway.testing.tripwire import HIGHEST_RATE, IMPLAUSIBLE, RECENT, Standing, needed

LONGEST_SECONDS = 90 * 86400.0


@dataclass(frozen=True, slots=True)
class Quarantine:
    """`owner` mends it until `until` (Unix seconds); `by` put it there at `at`. `runs`, `bad`: its
    runs until then, and those in which it failed: what it may go on doing.
    """

    test: TestId
    owner: str
    by: str
    reason: str
    at: float
    until: float
    runs: int
    bad: int

    def active(self, now: float) -> bool:
        """It still holds."""
        return now < self.until

    @property
    def rate(self) -> float:
        """The share of runs with a failure when it was put there."""
        return self.bad / self.runs if self.runs else 0.0


def check(past: Standing, owner: str, seconds: float) -> None:
    """Whether the test may be put into quarantine. Raises Refused (`not-flaky`), Invalid (`owner`,
    `too-long`).
    """
    if not past.flaky:
        raise Refused(
            "this test is not known to be flaky",
            why=f"in {past.runs} runs it never failed and passed on the same commit; "
            "a test that only fails is broken, and quarantine would hide that",
            next="run it again on the same commit, import that, and see `headway test flaky`",
            code="not-flaky",
        )
    if not owner.strip():
        raise Invalid("a quarantine needs an owner", next="--owner NAME", code="owner")
    if not 0 < seconds <= LONGEST_SECONDS:
        days = LONGEST_SECONDS / 86400
        raise Invalid(
            f"a quarantine ends after at most {days:.0f} days", next="--for 14d", code="too-long"
        )


def worsened(held: Quarantine, now: Attempts, since: tuple[bool, ...], past: Standing) -> str:
    """Why the failure blocks all the same; empty if it does not.

    `since`: for each run since it was put there, oldest first, whether it failed at all. The last
    RECENT runs, this one included, are held against the upper bound of the rate it had; a test that
    failed in all of them has worsened whatever it did before.
    """
    bound = min(upper(held.bad, max(held.runs, 1)), HIGHEST_RATE)
    recent = (*since, True)[-RECENT:]
    failed = sum(recent)
    always = failed == RECENT
    if always or at_least(failed, len(recent), bound) < IMPLAUSIBLE:
        return f"failed in {failed} of its last {len(recent)} runs; {held.rate:.0%} is its own rate"
    if not now.passes and now.failures >= needed(past):
        return f"failed {now.failures} times in a row, which its own rate does not explain"
    return ""
