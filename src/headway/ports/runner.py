"""Where jobs run."""

from typing import Protocol

from headway.model.pipeline import JobOrder, JobResult


class Runner(Protocol):
    """Runs one whole job, step by step, in a workspace of its own."""

    def run(self, order: JobOrder) -> JobResult:
        """Run the job to its end. A red step is a result, not an exception.

        The same (run, job, attempt) again starts from a clean workspace and replaces its uploads.
        Raises Refused for a step that cannot be run here, before anything ran.
        """
        ...
