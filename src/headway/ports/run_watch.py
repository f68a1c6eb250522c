"""Who follows a run while it goes: the terminal, the server's live pages, the event log."""

from typing import Protocol

from headway.model.job import JobOrder, JobReport
from headway.ports.job_runner import JobWatch


class RunWatch(JobWatch, Protocol):
    """Told by flows/pipeline, from several threads at once, each job in its own order."""

    def job_began(self, order: JobOrder) -> None:
        """An instance begins, or goes on after a crash."""
        ...

    def job_waits(self, key: str, environment: str, because: str) -> None:
        """An instance may not begin before somebody approves the environment."""
        ...

    def job_retried(self, job: str, report: JobReport, due: float) -> None:
        """A try of it is over, and the next one begins at `due` (Unix seconds). `job` as below."""
        ...

    def job_ended(self, job: str, report: JobReport) -> None:
        """It is over, and that is on disk already. `job` is the id in the file. Also told of
        instances that were skipped or whose result was reused.
        """
        ...
