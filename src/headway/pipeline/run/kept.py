"""What the jobs of a run kept: uploads, which are folders, and reports, which are files.

A fold over the run's state, for the API and the run's page. Names are what jobs wrote: hostile.
"""

import hashlib
from collections.abc import Iterator
from typing import Literal

from headway.pipeline.run.state import RunState
from headway.record import dataclass

Kind = Literal["upload", "report"]


@dataclass(frozen=True, slots=True)
class KeptFile:
    """`id` names it in its run. An `upload` is a folder and comes as a zip; a `report` comes as it
    is. `size_bytes`: of a report, null of an upload. `problem`: why it is not to be had, or empty.
    """

    id: str
    job: str
    kind: Kind
    name: str
    digest: str
    size_bytes: int | None
    problem: str
    kept_at: float


def kept(state: RunState) -> tuple[KeptFile, ...]:
    """Everything, in the order in which the jobs ended. `kept_at`: Unix seconds."""
    return tuple(_kept(state))


def _kept(state: RunState) -> Iterator[KeptFile]:
    for key, report in state.ended.items():
        at = report.finished_at
        for one in report.uploads:
            why = "" if one.digest else "it was kept as a folder only"
            id = _id(key, "upload", one.name)
            yield KeptFile(id, key, "upload", one.name, one.digest, None, why, at)
        for file in report.reports:
            why = file.problem or ("" if file.digest else "it was not kept")
            id = _id(key, "report", file.path)
            yield KeptFile(id, key, "report", file.path, file.digest, file.size_bytes, why, at)


def _id(job: str, kind: Kind, name: str) -> str:
    """The same for the same name, without a sign of it: paths are no part of an address."""
    whole = "\0".join((job, kind, name)).encode("utf-8", "surrogatepass")
    return f"fil_{hashlib.sha256(whole).hexdigest()[:20]}"
