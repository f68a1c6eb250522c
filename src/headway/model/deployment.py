"""Instances of a release in an environment: what is wanted, and what is seen."""

from dataclasses import dataclass
from typing import Literal

from headway.model.service import Health, Run

# starting: runs, and nothing answers yet. ready. unready: answers badly, or not in its time.
# stopping: was asked to end. exited: does not run now; if it is wanted, it will be started again.
# crash_loop: died quickly several times in a row; is still tried again, ever more slowly.
Phase = Literal["starting", "ready", "unready", "stopping", "exited", "crash_loop"]


@dataclass(frozen=True, slots=True)
class DeployOrder:
    """Declarative: `instances` of this release run in this environment, no more and no fewer.

    `digest` is the verified artifact; `content` the folder it was unpacked to (read-only use).
    The same order twice changes nothing; an older `generation` than the last applied is refused.
    `stop` names the instances to stop first when there are too many; each was drained before.
    """

    service: str
    environment: str
    release: str
    digest: str
    generation: int
    instances: int
    content: str
    run: Run
    health: Health
    env: dict[str, str]
    commit: str = ""
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceState:
    """One instance as observed now. `id` is stable over restarts and server restarts.

    `started_at` is Unix time in seconds; `exit_status` is of the last end (negative: a signal).
    `cpu_seconds` used and `memory_bytes` held by all its processes since it last started; None if
    the target cannot tell.
    """

    id: str
    release: str
    digest: str
    generation: int
    host: str
    port: int
    phase: Phase
    pid: int | None
    restarts: int
    exit_status: int | None
    started_at: float
    cpu_seconds: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Deployed:
    """How a deployment ended. `seconds`: from the rollout's begin to its end."""

    service: str
    environment: str
    release: str
    success: bool
    seconds: float
