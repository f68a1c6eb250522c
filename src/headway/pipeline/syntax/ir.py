"""The intermediate form: what a workflow file says, as frozen data, each value with its place.

Made by reader, read by pipeline/run. A `Text` may hold `${{ }}` where the key allows it; the reader
has checked syntax and contexts, whoever uses it evaluates it (pipeline/expression). Values with a
structure of their own (matrix, container) stay document nodes.
"""

from dataclasses import field
from typing import Literal

from headway.document import Mark, Node, Value, quoted
from headway.record import dataclass

InputType = Literal["string", "boolean", "number", "choice", "environment"]


@dataclass(frozen=True, slots=True)
class Text:
    """One value as written; `value` is what YAML 1.2 makes of it (a bool, a number, a text)."""

    text: str
    at: Mark
    value: Value = None


Bindings = tuple[tuple[str, Text], ...]


@dataclass(frozen=True, slots=True)
class Input:
    """One declared input of workflow_dispatch, workflow_call or an action. `default` None: none."""

    name: str
    at: Mark
    type: InputType = "string"
    required: bool = False
    default: Text | None = None
    options: tuple[str, ...] = ()
    description: str = ""
    deprecated: str = ""

    def deprecation(self) -> str:
        """What whoever gives it a value is told; "" if nothing is."""
        said = " ".join(self.deprecated.split())
        return f"the input {quoted(self.name)} is deprecated: {said}" if said else ""


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret that a called workflow takes."""

    name: str
    at: Mark
    required: bool = False


@dataclass(frozen=True, slots=True)
class Trigger:
    """One event under `on`. A filter is None where it is not written; patterns as written.

    `types`: activity types (None: the event's default ones). `crons`: (expression, time zone).
    `outputs`: of workflow_call. `workflows`: of workflow_run.
    """

    event: str
    at: Mark
    types: tuple[str, ...] | None = None
    branches: tuple[str, ...] | None = None
    branches_ignore: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    tags_ignore: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None
    paths_ignore: tuple[str, ...] | None = None
    inputs: tuple[Input, ...] = ()
    secrets: tuple[Secret, ...] = ()
    outputs: Bindings = ()
    crons: tuple[tuple[str, str], ...] = ()
    workflows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Concurrency:
    """One run (or job) of a group at a time. `cancel_in_progress` None: false.

    `queue`: `single` (a newer waiting one takes an older one's place) or `max` (all wait in line).
    """

    group: Text
    cancel_in_progress: Text | None = None
    queue: str = "single"


@dataclass(frozen=True, slots=True)
class Defaults:
    """`defaults.run`."""

    shell: Text | None = None
    working_directory: Text | None = None


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the job's token may. `all`: `read-all`, `write-all` or ""; else by scope."""

    at: Mark
    all: str = ""
    scopes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Strategy:
    """`matrix`: a mapping node, or a scalar node with an expression."""

    at: Mark
    matrix: Node | None = None
    fail_fast: Text | None = None
    max_parallel: Text | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a job deploys to; such a job's result is never reused.

    `url`: where that can be seen. `deployment`: false uses the environment's variables, secrets and
    approval, and deploys nothing.
    """

    name: Text
    url: Text | None = None
    deployment: Text | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Either `run` or `uses`. `id` begins with `__` if none is written."""

    id: str
    at: Mark
    name: Text | None = None
    run: Text | None = None
    uses: Text | None = None
    inputs: Bindings = ()
    env: Bindings = ()
    condition: Text | None = None
    shell: Text | None = None
    working_directory: Text | None = None
    timeout_minutes: Text | None = None
    continue_on_error: Text | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One job: with `steps`, or with `uses` (a called workflow; `inputs` is its `with`).

    `secrets`: those handed to the called workflow; `inherit`: all of them.
    """

    id: str
    at: Mark
    name: Text | None = None
    needs: tuple[Text, ...] = ()
    condition: Text | None = None
    runs_on: Node | None = None
    steps: tuple[Step, ...] = ()
    uses: Text | None = None
    inputs: Bindings = ()
    secrets: Bindings = ()
    inherit: bool = False
    env: Bindings = ()
    outputs: Bindings = ()
    defaults: Defaults = field(default_factory=Defaults)
    strategy: Strategy | None = None
    environment: Environment | None = None
    concurrency: Concurrency | None = None
    permissions: Permissions | None = None
    timeout_minutes: Text | None = None
    continue_on_error: Text | None = None
    container: Node | None = None
    services: Node | None = None
    cancel_timeout_minutes: Text | None = None


@dataclass(frozen=True, slots=True)
class Workflow:
    """One file. `jobs` in the order written."""

    file: str
    name: str
    at: Mark
    on: tuple[Trigger, ...]
    jobs: tuple[Job, ...]
    run_name: Text | None = None
    env: Bindings = ()
    defaults: Defaults = field(default_factory=Defaults)
    concurrency: Concurrency | None = None
    permissions: Permissions | None = None
    description: str = ""

    def trigger(self, event: str) -> Trigger | None:
        """The event under `on`, or None."""
        return next((t for t in self.on if t.event == event), None)


@dataclass(frozen=True, slots=True)
class Action:
    """One action.yml. `using`: `composite`, `node20`, `node24`, …, `docker`.

    `main`, `pre`, `post`, their conditions, `image`, `entrypoint`, `args` as the kind has them.
    """

    file: str
    name: str
    at: Mark
    using: str
    inputs: tuple[Input, ...] = ()
    outputs: Bindings = ()
    steps: tuple[Step, ...] = ()
    main: str = ""
    pre: str = ""
    post: str = ""
    pre_if: str = ""
    post_if: str = ""
    image: str = ""
    entrypoint: str = ""
    args: tuple[Text, ...] = ()
    env: Bindings = ()
