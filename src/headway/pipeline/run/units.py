"""The places of a run: its jobs, and those of the workflows it calls, each with a name of its own.

A *unit* is a job of a workflow at one place; a *frame* is a workflow at one place: the run's own,
or one that an instance of a calling job has called. Called by schedule.
"""

import hashlib
from typing import Any

from headway.pipeline.run.program import Sheet
from headway.pipeline.syntax.ir import Job
from headway.record import dataclass

_LONGEST_KEY = 180
_NONE = {"none"}


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """`id` and `key` of the calling instance ("" for the run's own workflow), `name` for people.

    `caller`: the unit that called, `number` which of its instances.
    """

    sheet: Sheet
    inputs: dict[str, Any]
    id: str = ""
    key: str = ""
    name: str = ""
    caller: "Unit | None" = None
    number: int = 0

    def units(self) -> tuple["Unit", ...]:
        """Its jobs, as written."""
        return tuple(
            Unit(self, job, self.id_of(job.id), self._key(job.id)) for job in self.sheet.jobs
        )

    def id_of(self, job: str) -> str:
        """The id in the run of a job of this workflow."""
        return f"{self.id} / {job}" if self.id else job

    def _key(self, job: str) -> str:
        return short(f"{self.key}.{job}") if self.key else job


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """A job at a place. `id` as events say it, `key` the beginning of its instances' keys."""

    frame: Frame
    job: Job
    id: str
    key: str

    @property
    def needs(self) -> tuple[str, ...]:
        """The job ids in the same workflow that come first."""
        return self.frame.sheet.needs[self.job.id]

    def ancestors(self) -> tuple[str, ...]:
        """The ids in the run of all it depends on inside its workflow."""
        return tuple(self.frame.id_of(a) for a in sorted(self.frame.sheet.ancestors[self.job.id]))

    def may_nothing(self) -> bool:
        """Whether the job's `permissions`, or those of a caller, allow its token nothing."""
        written = self.job.permissions or self.frame.sheet.workflow.permissions
        if (
            written is not None
            and not written.all
            and {level for _, level in written.scopes} <= _NONE
        ):
            return True
        caller = self.frame.caller
        return caller is not None and caller.may_nothing()

    def keys(self, count: int) -> tuple[str, ...]:
        """The keys of that many instances of a matrix. A job id holds no dot and begins with no
        digit, so that every key means one instance.
        """
        return tuple(short(f"{self.key}.{number}") for number in range(1, count + 1))


def short(key: str) -> str:
    """The key, usable as a file name: a very long one ends in a digest instead."""
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{key[: _LONGEST_KEY - 20]}~{hashlib.sha256(key.encode()).hexdigest()[:16]}"
