"""One job while it runs: what its steps share. Made by runner, used by course, step and hands."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.adapters.linux.actions.acting import Composed, Finder, Found, Within
from headway.adapters.linux.output import Output
from headway.adapters.linux.patience import Patience
from headway.adapters.linux.sandbox import Sandbox
from headway.adapters.linux.workspace import Workspace
from headway.expression import Scope
from headway.model.errors import Invalid
from headway.model.job import JobOrder, StepSpec, Upload
from headway.pipeline.step.contexts import View
from headway.pipeline.step.environment import github_variables, runner_variables, with_path
from headway.pipeline.step.masking import Masker
from headway.pipeline.step.state import Left, Pending, Progress, Status
from headway.record import dataclass

if TYPE_CHECKING:
    from headway.adapters.linux.actions.pod import Pod

MAX_DEPTH = 10


@dataclass(slots=True)
class Draft:
    """What the step that runs now has left so far."""

    env: dict[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    posts: list[Pending] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)

    def left(self, outputs: dict[str, str], masks: list[str]) -> Left:
        """As it is written down."""
        return Left(
            self.env,
            tuple(self.path),
            outputs,
            self.states,
            tuple(self.posts),
            tuple(self.uploads),
            tuple(masks),
            "\n".join(self.summaries),
        )


@dataclass(slots=True)
class Job:
    """`env`: of workflow and job, filled in. `base`: what the machine gives. `sandbox`: opens one
    if none is open. `found`: what each `uses` means, local ones excepted. `within`: the container
    that steps run in, once it runs; `pod`: where containers of the job are. `may_repeat`: a step
    that loses its processes now is not over: it begins again.
    """

    order: JobOrder
    place: Workspace
    masker: Masker
    progress: Progress
    patience: Patience
    finder: Finder
    sandbox: Callable[[], Sandbox]
    view: View
    base: dict[str, str]
    env: dict[str, str] = field(default_factory=dict)
    found: dict[str, Found] = field(default_factory=dict)
    within: Within | None = None
    pod: "Callable[[], Pod] | None" = None
    may_repeat: bool = False
    spare_files: dict[str, str] = field(default_factory=dict)
    draft: Draft = field(default_factory=Draft)
    names: Iterator[str] = field(default_factory=lambda: map(str, itertools.count()))

    def status(self) -> Status:
        """How the job stands."""
        if self.patience.stopped:
            return "cancelled"
        return "failure" if self.progress.red else "success"

    def find(self, uses: str) -> Found:
        """What a `uses` means; a local action is looked up where it stands now."""
        if uses.startswith("./"):
            return self.finder.find(self.order, uses, self.place.checkout)
        if uses not in self.found:
            self.found[uses] = self.finder.find(self.order, uses, self.place.checkout)
        return self.found[uses]

    def added(self) -> dict[str, str]:
        """What steps have set for those after them."""
        return self.progress.env | self.draft.env

    def path(self) -> list[str]:
        """What steps have put before PATH."""
        return [*self.draft.path, *self.progress.path]

    def state(self, key: str) -> dict[str, str]:
        """What earlier parts of that use of an action have kept."""
        return {**self.progress.states.get(key, {}), **self.draft.states.get(key, {})}


@dataclass(slots=True)
class Level:
    """Where steps run: the job itself, or the inside of a composite action at `depth`.

    `env`: of the steps around it, filled in. `red`: one of its own steps has failed (inside an
    action only; the job knows by itself). `until`: time.monotonic at which it must be over.
    """

    job: Job
    view: View
    out: Output
    key: str = ""
    env: dict[str, str] = field(default_factory=dict)
    until: float = float("inf")
    depth: int = 0
    red: bool = False

    def status(self) -> Status:
        """What success() and its like speak of here."""
        if self.depth == 0:
            return self.job.status()
        if self.job.patience.stopped:
            return "cancelled"
        return "failure" if self.red else "success"

    def scope(self, env: dict[str, str], **github: object) -> Scope:
        """For the expressions of a step with these variables of its own."""
        view = self.view.now(self.status(), self.job.status())
        known: dict[str, Any] = {**view.contexts["github"], **github}
        return view.scope(self.shared() | env, github=known)

    def shared(self) -> dict[str, str]:
        """The `env` context without a step's own."""
        return self.job.env | self.job.added() | self.env

    def variables(self, env: dict[str, str], step: StepSpec) -> dict[str, str]:
        """Everything a process of the step gets."""
        github = {**self.view.contexts["github"], "action": step.id, **_of_action(step)}
        own = github_variables(github) | runner_variables(self.view.contexts["runner"])
        return with_path(self.job.base | self.shared() | env | own, self.job.path())


def _of_action(step: StepSpec) -> dict[str, str]:
    name, at, ref = (step.uses or "").partition("@")
    if not at or name.startswith(("./", "docker:")):
        return {}
    return {"action_repository": "/".join(name.split("/")[:2]), "action_ref": ref}


def prepare(job: Job) -> None:
    """Find every action before anything runs. Raises Refused, Invalid. A local action may still
    come with a checkout; what is wrong with it then is told when it is used.
    """
    _prepare(job, [step.uses for step in job.order.steps if step.uses], 0)


def _prepare(job: Job, uses: list[str], depth: int) -> None:
    for each in uses:
        found = _find_early(job, each)
        if isinstance(found, Composed) and depth < MAX_DEPTH:
            inner = [s.uses.text for s in found.action.steps if s.uses is not None]
            _prepare(job, inner, depth + 1)


def _find_early(job: Job, uses: str) -> Found | None:
    try:
        return job.find(uses)
    except Invalid as error:
        if uses.startswith("./") and error.code == "no-action":
            return None
        raise


def deadline(seconds: float) -> float:
    """time.monotonic in that many seconds."""
    return time.monotonic() + seconds


def relative(folder: str, top: Path) -> Path:
    """A working directory as written, from the workspace."""
    return top / folder if folder else top
