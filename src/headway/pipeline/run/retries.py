"""Whether a red job runs again, and when. Called by flows/pipeline_jobs where a job comes back.

Two reasons: headway.yaml says `retry`, or the job's reports say that tests must run again before it
can be told what they mean. The first never covers what reports explain: a fault that is run again
until it is green is a fault that escapes.
"""

import re
from collections.abc import Sequence

from headway.model.job import JobOrder, JobReport
from headway.model.job_settings import JobSettings, Retry
from headway.pipeline.run.state import RunSpec
from headway.record import dataclass

LONGEST_SECONDS = 300.0
MOST_FOR_TESTS = 8
"""How often a job is run for its tests' sake: no rule needs more failures in a row to tell."""
_NUMBER = re.compile(r"\.\d+(?= / )")
_NOTHING = JobSettings()


@dataclass(frozen=True, slots=True)
class Next:
    """The next try begins at `due` (Unix seconds)."""

    due: float
    because: str


def settings_of(spec: RunSpec, job: str) -> JobSettings:
    """What headway.yaml says of the job. An instance of a matrix that calls a workflow is called as
    the job that calls: `build.2 / test` is `build / test`.
    """
    return spec.settings.get(job) or spec.settings.get(_NUMBER.sub("", job)) or _NOTHING


def again(
    order: JobOrder,
    report: JobReport,
    settings: JobSettings,
    before: Sequence[JobReport],
    now: float,
) -> Next | None:
    """The try after this one; None if the report is the job's last word. `before`: the tries before
    this one. A job that deploys has changed the world: it is never run again by itself.
    """
    if report.outcome != "failure" or order.deploys_to:
        return None
    checks = report.checks
    if checks is not None and checks.again:
        if len(before) + 1 >= MOST_FOR_TESTS:
            return None
        return Next(now, checks.because)
    if checks is not None and checks.explained:
        return None
    used = sum(not (one.checks and one.checks.again) for one in before)
    if used >= settings.retry.times:
        return None
    because = f"retry {used + 1} of {settings.retry.times}"
    return Next(now + delay(settings.retry, used), because)


def delay(retry: Retry, used: int) -> float:
    """Seconds before the retry after `used` ones: doubled each time, up to LONGEST_SECONDS or the
    first one's, whichever is longer.
    """
    longest = max(LONGEST_SECONDS, retry.backoff_seconds)
    return min(retry.backoff_seconds * float(2**used), longest)
