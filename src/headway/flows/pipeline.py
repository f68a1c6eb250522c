"""A pipeline run from its creation to its end, durable, without the engine's tables.

The run's log is a file in its own folder; a run goes on from there after any crash. Called by
flows/build (a delivery), the command line (`headway run`) and workers. Imports no database, so that
`headway run` starts fast.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headway.pipeline.run.state import RunSpec, RunState
from headway.ports.action_source import ActionSource
from headway.ports.blob_store import BlobStore
from headway.ports.clock import Clock
from headway.ports.job_runner import JobRunner
from headway.ports.run_watch import RunWatch


@dataclass(frozen=True, slots=True)
class Bench:
    """Where runs are done. `jobs`: how many instances run at once. `secrets`: by name."""

    home: Path
    runner: JobRunner
    blobs: BlobStore
    actions: ActionSource
    clock: Clock
    jobs: int = 2
    secrets: Mapping[str, str] = field(default_factory=dict)


def create(bench: Bench, spec: RunSpec) -> RunState:
    """Write down that the run exists. The same id again gives what is there.

    Raises Invalid for a workflow that cannot be read or planned, with every place.
    """
    raise NotImplementedError


def run(bench: Bench, id: str, watch: RunWatch) -> RunState:
    """Go on with the run until it has ended, and give its end.

    Raises Invalid (`unknown-run`), Drifted (`run-running`: another process runs it), Refused (what
    this machine lacks, before anything ran).
    """
    raise NotImplementedError


def cancel(home: Path, id: str, by: str, because: str) -> None:
    """Stop a run from any process; the one that runs it sees it within 0.2 s."""
    raise NotImplementedError
