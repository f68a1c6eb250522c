"""A person, or a program, starts a workflow: `headway pipeline start`, `repository_dispatch`.

Gives the run or says what does not fit; starting it is the caller's (flows/pipeline.create).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headway.flows.trigger import FOLDER, look
from headway.flows.world import World
from headway.model.errors import Invalid
from headway.pipeline.run.state import RunSpec
from headway.pipeline.trigger import TriggerEvent


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Start `workflow` (its path, or the file's name in .github/workflows) at `revision` of the
    repository. `id` and `at` (Unix seconds) are the wish's own: the same again is the same run.
    """

    repo: str
    revision: str
    workflow: str
    by: str
    id: str
    at: float
    inputs: Mapping[str, str] = field(default_factory=dict)


def dispatched(world: World, order: Dispatch) -> RunSpec:
    """The run, with its inputs checked and typed.

    Raises Invalid: unknown revision, no such workflow, one that does not listen for
    `workflow_dispatch`, cannot be read, or whose inputs do not fit.
    """
    path = order.workflow if "/" in order.workflow else f"{FOLDER}/{order.workflow}"
    commit = world.source.commit(order.repo, order.revision)
    event = TriggerEvent(
        name="workflow_dispatch",
        repo=order.repo.rstrip("/").rpartition("/")[2].removesuffix(".git"),
        ref=f"refs/heads/{commit.ref}" if commit.ref else _tag(world, order),
        sha=commit.sha,
        source="manual",
        address=order.repo,
        actor=order.by,
        workflow=path,
        delivery=order.id,
        at=order.at,
        payload={"inputs": dict(order.inputs), "workflow": path, "sender": {"login": order.by}},
    )
    found = next((f for f in look(world, event) if f.file == path), None)
    if found is None:
        raise Invalid(
            f"there is no workflow `{path[:200]}` at {commit.sha[:12]}",
            next="headway workflow check",
            code="unknown-workflow",
        )
    if found.spec is None:
        raise Invalid(
            f"{path} cannot be started", why=found.starts.because, code="not-dispatchable"
        )
    return found.spec


def _tag(world: World, order: Dispatch) -> str:
    """The tag's full name, if the revision is one."""
    full = f"refs/tags/{order.revision.removeprefix('refs/tags/')}"
    return full if full in world.repositories.heads(order.repo) else order.revision


def repository_dispatch(repo: str, type: str, client_payload: dict[str, object]) -> TriggerEvent:
    """Any program's event. Raises Invalid (`bad-dispatch`): GitHub's limits are a type of at most
    100 characters and at most 10 properties.
    """
    if not type or len(type) > 100 or len(client_payload) > 10:
        raise Invalid(
            "an event type has 1 to 100 characters, its payload at most 10 properties",
            code="bad-dispatch",
        )
    told = {"action": type, "client_payload": client_payload}
    return TriggerEvent("repository_dispatch", "", "", "", "manual", type, repo, payload=told)
