"""A rollout: moving users from the stable release to a candidate, step by step."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from headway.model.pace import Pace
from headway.model.service import InsufficientData, Strategy

RolloutPhase = Literal["preparing", "baking", "stability", "keeping", "done"]
RolloutOutcome = Literal["", "released", "rolled_back", "failed", "superseded", "shadowed"]


@dataclass(frozen=True, slots=True)
class Step:
    """A share of traffic with the instances it needs on both sides, held for at least `bake`.

    `floor` None: the pace decides the least time. `proof`: the judge must PASS to leave the step.
    `mirror`: the share of users' requests that are copied to the candidate; `share` is 0 then.
    """

    share: float
    candidate: int
    stable: int
    floor_seconds: float | None = None
    approvals: int = 0
    proof: bool = False
    mirror: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the state machine needs to know; fixed when the rollout starts."""

    strategy: Strategy
    steps: tuple[Step, ...]
    holdback: float
    pace: Pace
    insufficient_data: InsufficientData
    stability_seconds: float
    deadline_seconds: float
    keep_old_seconds: float
    on_fail: Literal["rollback", "hold"]
    needs_traffic: bool = False


@dataclass(frozen=True, slots=True)
class Rollout:
    """Where a rollout stands. Times are Unix seconds.

    `at`: index of the step in force, -1 before the first; `since`: when it took effect.
    `paused` and `held` say why it does not go on by itself; both empty: it does.
    `granted`: who approved this step; `pushed`: a person said promote at this step.
    `served`: candidate requests seen since `since`; `exposed`: when requests of users, or
    copies of them, first reached it. `stopped`: who stopped the line and why, `halted`: since when
    this rollout stands because of it.
    """

    plan: Plan
    started: float
    at: int = -1
    since: float = 0.0
    phase: RolloutPhase = "preparing"
    paused: str = ""
    held: str = ""
    granted: tuple[str, ...] = ()
    pushed: str = ""
    aborted: str = ""
    served: int = 0
    exposed: float = 0.0
    stopped: str = ""
    halted: float = 0.0


class Hold(msgspec.Struct, frozen=True, tag="hold"):
    """Stay where we are. `held` true: nothing but a person or new proof goes on from here."""

    because: str
    held: bool = False


class Shift(msgspec.Struct, frozen=True, tag="shift"):
    """Go to step `to`. `proven` false: by a person's word or by the clock, and said so."""

    to: int
    because: str
    proven: bool


class Settle(msgspec.Struct, frozen=True, tag="settle"):
    """The last step is in force: the stability window begins."""

    because: str


class Release(msgspec.Struct, frozen=True, tag="release"):
    """The stability window has passed: the release is released."""

    because: str


class Conclude(msgspec.Struct, frozen=True, tag="conclude"):
    """The shadow has ended: the candidate goes, no user was ever on it. `proven` as in Shift."""

    because: str
    proven: bool


class Retire(msgspec.Struct, frozen=True, tag="retire"):
    """The old release need not be kept any longer: stop its instances."""

    because: str


class RollBack(msgspec.Struct, frozen=True, tag="roll_back"):
    """Back to the last known good, now."""

    because: str


Move = Hold | Shift | Settle | Release | Conclude | Retire | RollBack
