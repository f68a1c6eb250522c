"""A delivery: one commit's journey along the path; and what a person can tell it."""

from dataclasses import dataclass
from typing import Literal

from headway.model.service import Service

DeliveryState = Literal["queued", "building", "delivering", "waiting", "held", "done"]
DeliveryOutcome = Literal[
    "", "delivered", "failed", "refused", "rolled_back", "superseded", "cancelled"
]
Verb = Literal[
    "pause", "resume", "abort", "promote", "approve", "reject", "start", "hotfix", "cancel"
]


@dataclass(frozen=True, slots=True)
class Order:
    """What starts a delivery: a commit of a repository. `to` ends it after that environment;
    `service` is the name that its headway.yaml must have.

    `artifact`: not to be built, because it was built elsewhere: a digest in this home's store, or
    `CONNECTION/REPOSITORY@DIGEST` in a registry. `sha` may then be "": its provenance says it.
    """

    delivery: str
    repo: str
    sha: str
    ref: str
    by: str
    to: str = ""
    service: str = ""
    artifact: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The record. Times are Unix seconds; 0 means not yet."""

    id: str
    service: str
    sha: str
    ref: str
    repo: str
    author: str
    subject: str
    by: str
    state: DeliveryState
    outcome: DeliveryOutcome
    because: str
    release: str
    digest: str
    environment: str
    requested_at: float
    finished_at: float


@dataclass(frozen=True, slots=True)
class Release:
    """An artifact with its configuration, numbered per service: `shop-43`."""

    name: str
    service: str
    number: int
    digest: str
    sha: str
    author: str
    delivery: str
    config: Service
    config_digest: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Place:
    """A service in an environment: what is in charge there, and what is being tried.

    `stable` is the last known good release ('' before the first); `candidate` the one in a rollout.
    `generation` rises with every change that is told to the world.
    """

    service: str
    environment: str
    generation: int
    stable: str
    candidate: str
    rollout: str
    holder: str
    address: str
    since: float


@dataclass(frozen=True, slots=True)
class Command:
    """A person's word to a delivery or rollout. `seq` orders them."""

    seq: int
    verb: Verb
    environment: str
    by: str
    reason: str
    at: float
