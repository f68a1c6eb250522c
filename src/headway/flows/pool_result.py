"""What a worker gives back: a job's report, or why it could not be run. JSON both ways.

Called by flows/pool_task (writes), flows/pool_away and flows/pool_tidy (read).
"""

import msgspec

from headway import typed
from headway.model.errors import Drifted, Failed, HeadwayError, Invalid, Refused, Unreachable
from headway.model.job import JobReport

_ERRORS: dict[str, type[HeadwayError]] = {
    kind.__name__: kind for kind in (Failed, Invalid, Refused, Unreachable, Drifted)
}


class _Result(msgspec.Struct):
    report: JobReport | None = None
    kind: str = ""
    what: str = ""
    why: str = ""
    next: str = ""
    code: str = ""


def of_report(report: JobReport) -> bytes:
    """A job that was run."""
    return msgspec.json.encode(_Result(report))


def of_error(error: HeadwayError) -> bytes:
    """A job that could not be run."""
    kind = next((name for name, each in _ERRORS.items() if isinstance(error, each)), "")
    return msgspec.json.encode(_Result(None, kind, error.what, error.why, error.next, error.code))


def blobs(data: bytes) -> list[str]:
    """The digests of what the job left that no name means: its reports."""
    found = typed.loads(data, _Result)
    return [one.digest for one in (found.report.reports if found.report else ()) if one.digest]


def read(data: bytes) -> JobReport:
    """The report. Raises what the worker's runner raised."""
    found = typed.loads(data, _Result)
    if found.report is not None:
        return found.report
    kind = _ERRORS.get(found.kind, HeadwayError)
    raise kind(found.what, why=found.why, next=found.next, code=found.code)
