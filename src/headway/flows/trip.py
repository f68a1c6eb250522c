"""What the parts of a delivery hand to each other."""

from dataclasses import dataclass

from headway.model.delivery import DeliveryOutcome, Release
from headway.model.rollout import Plan
from headway.model.service import Environment
from headway.store.log import About


@dataclass(frozen=True, slots=True)
class Trip:
    """One release on its way into one environment. `back`: a person asked for an older release."""

    delivery: str
    repo: str
    release: Release
    environment: Environment
    back: bool = False

    @property
    def about(self) -> About:
        """For the event log."""
        return About(self.delivery, self.release.service, self.environment.name, self.release.name)


class Stopped(Exception):
    """The delivery ends here, and not because something broke."""

    def __init__(self, outcome: DeliveryOutcome, because: str, code: str = "") -> None:
        super().__init__(because)
        self.outcome: DeliveryOutcome = outcome
        self.because = because
        self.code = code


@dataclass(frozen=True, slots=True)
class Begun:
    """A rollout that has begun. `stable`: the last known good release, '' if there is none.
    `way_back`: it goes back to what was released here before, also while the line is stopped.
    """

    rollout: str
    plan: Plan
    stable: str
    stable_digest: str
    stable_instances: int
    started: float
    stable_sha: str = ""
    way_back: bool = False
