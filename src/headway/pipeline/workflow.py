"""The intermediate form: what a workflow file says, as frozen data, each node with its place.

Made by reader, read by planner. A matrix, conditions and called workflows become nodes here too,
when this version grows them.
"""

from dataclasses import dataclass
from typing import Literal

from headway.document import Mark

InputType = Literal["string", "boolean", "number", "choice"]


@dataclass(frozen=True, slots=True)
class Binding:
    """A name and its value; the value may hold `${{ }}`."""

    name: str
    value: str
    at: Mark


@dataclass(frozen=True, slots=True)
class Name:
    """A reference to something by name: a needed job, a branch pattern."""

    text: str
    at: Mark


@dataclass(frozen=True, slots=True)
class Input:
    """One declared input. `default` is None if there is none."""

    name: str
    at: Mark
    type: InputType = "string"
    required: bool = False
    default: str | None = None
    options: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Push:
    """`branches` is None if every branch starts the workflow."""

    at: Mark
    branches: tuple[Name, ...] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """Started on request: workflow_dispatch and workflow_call alike."""

    at: Mark
    inputs: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True)
class Triggers:
    """What starts the workflow; None for what does not."""

    at: Mark
    push: Push | None = None
    dispatch: Call | None = None
    call: Call | None = None

    def inputs(self) -> tuple[Input, ...]:
        """Every declared input, each name once."""
        calls = [call for call in (self.call, self.dispatch) if call]
        return tuple({i.name: i for call in calls for i in call.inputs}.values())


@dataclass(frozen=True, slots=True)
class Step:
    """Either `run` or `uses`; `inputs` is the step's `with`."""

    id: str
    name: str
    at: Mark
    run: str | None = None
    uses: str | None = None
    inputs: tuple[Binding, ...] = ()
    env: tuple[Binding, ...] = ()
    shell: str = "bash"
    working_directory: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One job."""

    id: str
    name: str
    at: Mark
    needs: tuple[Name, ...]
    steps: tuple[Step, ...]
    env: tuple[Binding, ...] = ()
    timeout_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Workflow:
    """One file. `jobs` in the order written."""

    file: str
    name: str
    at: Mark
    on: Triggers
    jobs: tuple[Job, ...]
    env: tuple[Binding, ...] = ()
