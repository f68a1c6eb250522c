"""What lies between the runner and an action: found once for a step, then run and cleaned up after.

The runner interprets composite actions itself (they are steps); the others say here what to run.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Protocol

from headway.model.job import JobOrder, StepSpec, Upload
from headway.pipeline.syntax.ir import Action
from headway.record import dataclass


class Hands(Protocol):
    """What the runner does for an action, in the job's sandbox, output in the step's log."""

    def say(self, line: str) -> None:
        """One line in the log, masked."""
        ...

    def warn(self, text: str) -> None:
        """A warning that people see at the end, masked."""
        ...

    def run(self, argv: list[str], env: dict[str, str], cwd: Path) -> int:
        """A process in the sandbox, its commands and environment files heeded; the exit code."""
        ...

    def enter(self, argv: list[str], env: dict[str, str], cwd: Path) -> int:
        """The same where the job's steps run: in its container, if it has one."""
        ...

    def mask(self, secret: str) -> None:
        """Never show this text again."""
        ...


class Within(Protocol):
    """The container that the job's steps run in."""

    @property
    def base(self) -> dict[str, str]:
        """The variables that every process in it gets, in the place of the machine's."""
        ...

    def command(
        self, argv: list[str], env: Mapping[str, str], cwd: str
    ) -> tuple[list[str], dict[str, str]]:
        """What to run outside so that this runs inside: arguments and variables."""
        ...

    def end_step(self, hands: Hands) -> None:
        """Kill what a step that was stopped has left in it."""
        ...


@dataclass(slots=True)
class Acting:
    """One use of an action. `inputs`: filled in, defaults applied. `env`: the step's environment.

    The action writes `outputs`, `added_env`, `added_path`, `uploads`; `state` goes on to its post
    part. `checkout` is GITHUB_WORKSPACE, `uploads_folder` is shared by the jobs of the run.
    `green`: whether the job has had no failure so far (for post parts). `pod`: gives where
    containers of the job are (a Pod), for Docker actions.
    """

    order: JobOrder
    step: StepSpec
    inputs: dict[str, str]
    env: dict[str, str]
    checkout: Path
    temp: Path
    files: Path
    uploads_folder: Path
    hands: Hands
    green: bool = True
    pod: Callable[[], object] | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    added_env: dict[str, str] = field(default_factory=dict)
    added_path: list[str] = field(default_factory=list)
    state: dict[str, str] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)


Part = Callable[[Acting], int]
"""Does one part; gives an exit code. Raises HeadwayError with what is wrong."""


@dataclass(frozen=True, slots=True)
class Direct:
    """An action that is run as parts: built-in, JavaScript, Docker. A condition is an expression
    (`always()` if none is written). `action` gives inputs' defaults and outputs (None: built in).
    """

    main: Part
    pre: Part | None = None
    post: Part | None = None
    pre_if: str = "always()"
    post_if: str = "always()"
    action: Action | None = None


@dataclass(frozen=True, slots=True)
class Composed:
    """A composite action: its steps run in the step's place. `folder` holds action.yml. `note`: a
    line for the step's log, or empty.
    """

    action: Action
    folder: Path
    note: str = ""


Found = Direct | Composed


class Finder(Protocol):
    """Given to the runner. `find` is called before anything of the job runs, for every `uses`."""

    def find(self, order: JobOrder, uses: str, checkout: Path) -> Found:
        """Raises Refused naming what this machine lacks, Invalid for an action.yml with faults."""
        ...
