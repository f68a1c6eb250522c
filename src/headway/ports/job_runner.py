"""Where jobs run, and who is told while they do."""

from collections.abc import Mapping
from typing import Protocol

from headway.model.job import JobOrder, JobReport, Line, StepReport


class JobWatch(Protocol):
    """Told by the runner while a job runs, from the job's own thread. Nothing may be slow here."""

    def step_began(self, job: str, number: int, name: str) -> None:
        """Step `number` (from 0) of the job with this key begins."""
        ...

    def line(self, job: str, number: int, line: Line) -> None:
        """The step printed a line."""
        ...

    def step_ended(self, job: str, number: int, report: StepReport) -> None:
        """The step is over, and that is on disk already."""
        ...

    def cancelled(self) -> bool:
        """Whether the run shall stop. Asked at least five times a second."""
        ...


class JobRunner(Protocol):
    """Runs one whole job, step by step, in a workspace of its own."""

    def run(self, order: JobOrder, secrets: Mapping[str, str], watch: JobWatch) -> JobReport:
        """Run the job to its end. A red step is a result, not an exception.

        The same (run, key, attempt) again goes on after the last step that ended, in the same
        workspace, and gives the same report if all had ended; another attempt starts anew. When the
        process dies, everything the job started dies with it. Raises Refused for what cannot run
        here, before anything ran, naming what is missing; Failed (`storage-full`).
        """
        ...

    def warm(self) -> None:
        """A job will come soon: start now what takes time. Need not be called."""
        ...

    def check(self, order: JobOrder) -> None:
        """Raises Refused for what certainly cannot run on this machine, naming what is missing.

        Asked before a run begins, of orders whose templates are not all known: quick, and nothing
        is made. `run` refuses the same, and what only then is known.
        """
        ...
