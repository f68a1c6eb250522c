"""What a job gives back beside its outcome: its outputs, and where what it deployed can be seen.

Called by course when a job ends: only then are all steps known. Nothing that may hold a secret
leaves the machine; what is left out is told in the job's summary.
"""

from headway import expression
from headway.adapters.linux.job import Job
from headway.expression import ExpressionError, Scope
from headway.model.job import JobOutcome
from headway.pipeline.step import address

_SHOWN = 200


def outputs(job: Job) -> tuple[dict[str, str], str]:
    """The job's outputs, those left out that hold a secret, and what to say of that. Raises
    ExpressionError.
    """
    scope = _scope(job)
    filled = {n: expression.fill(text, scope) for n, text in job.order.outputs.items()}
    hidden = [name for name, value in filled.items() if job.masker.hides(value)]
    shown = {name: value for name, value in filled.items() if name not in hidden}
    names = ", ".join(f"`{name}`" for name in hidden)
    return shown, f"Left out, because they may hold a secret: {names}" if hidden else ""


def url(job: Job, outcome: JobOutcome) -> tuple[str, str]:
    """`environment.url`, "" if none is written or it is no address, and what to say of that. One
    that a job left empty because it did not get so far is nothing to speak of.
    """
    written = job.order.url
    if not written:
        return "", ""
    try:
        found = expression.fill(written, _scope(job)).strip()
    except ExpressionError as error:
        return "", f"Warning: `environment.url` cannot be filled in: {job.masker.text(str(error))}"
    if job.masker.hides(found):
        return "", "Left out, because it may hold a secret: `environment.url`"
    why = address.fault(found)
    if not why:
        return found, ""
    if not found and outcome != "success":
        return "", ""
    shown = found[:_SHOWN] + "…" * (len(found) > _SHOWN)
    said = f": {shown!r}" if found else ""
    return "", f"Warning: `environment.url` is left out, because {why}{said}"


def _scope(job: Job) -> Scope:
    return job.view.now(job.status(), job.status()).scope(job.env | job.added())
