"""A planned job and what came of it."""

from dataclasses import dataclass, field
from typing import Literal

JobOutcome = Literal["success", "failure", "cancelled", "skipped"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step: either `run` (a script for `shell`) or `uses` (an action with inputs)."""

    id: str
    name: str
    run: str | None = None
    uses: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    shell: str = "bash"
    working_directory: str | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One job of the workflow, its environment merged; `needs` come before it.

    Values may still hold `${{ }}` (pipeline/expression.py): the runner fills them in, so that text
    from outside is never read as a template. `inputs` are the workflow's, defaults filled in.
    """

    id: str
    name: str
    needs: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    env: dict[str, str] = field(default_factory=dict)
    timeout_seconds: float = 3600.0
    inputs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobOrder:
    """Run this job at this commit. `run` names the pipeline run; `attempt` counts from 1.

    `inputs` are the workflow's inputs (the `url` of a test workflow); they replace the job's own.
    `ref` is the branch that was pushed, empty if there is none.
    """

    run: str
    attempt: int
    job: PlannedJob
    repo: str
    sha: str
    inputs: dict[str, str] = field(default_factory=dict)
    ref: str = ""


@dataclass(frozen=True, slots=True)
class StepResult:
    """`log` is the file that holds the step's output; `tail` its last lines, masked, for people."""

    id: str
    name: str
    outcome: JobOutcome
    exit_code: int | None
    seconds: float
    log: str
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """What upload-artifact left: a folder known by its name in the run."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class JobResult:
    """`started_at` and `finished_at` are Unix seconds."""

    job: str
    outcome: JobOutcome
    steps: tuple[StepResult, ...]
    uploads: tuple[Upload, ...]
    started_at: float
    finished_at: float
