"""A watcher that nobody needs to hear. Used by flows whose runs are told of in other ways."""

from headway.model.job import JobOrder, JobReport, Line, StepReport
from headway.ports.run_watch import RunWatch


class Quiet(RunWatch):
    """Says nothing and stops nothing; what matters to somebody is overridden."""

    def job_began(self, order: JobOrder) -> None:
        """See RunWatch."""

    def job_waits(self, key: str, environment: str, because: str) -> None:
        """See RunWatch."""

    def job_retried(self, job: str, report: JobReport, due: float) -> None:
        """See RunWatch."""

    def job_ended(self, job: str, report: JobReport) -> None:
        """See RunWatch."""

    def step_began(self, job: str, number: int, name: str) -> None:
        """See JobWatch."""

    def line(self, job: str, number: int, line: Line) -> None:
        """See JobWatch."""

    def step_ended(self, job: str, number: int, report: StepReport) -> None:
        """See JobWatch."""

    def cancelled(self) -> bool:
        """See JobWatch."""
        return False
