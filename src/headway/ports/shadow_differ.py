"""What compares the answers of two versions, because a proxy throws a shadow's answers away."""

from dataclasses import dataclass, field
from typing import Protocol

from headway.model.routing import Endpoint


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compare these two releases. `ignore`: names of JSON fields, at any depth, that may differ."""

    service: str
    environment: str
    generation: int
    candidate: str
    stable: str
    candidate_endpoints: tuple[Endpoint, ...]
    stable_endpoints: tuple[Endpoint, ...]
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One request whose answers differ. `kind`: status, content_type, schema or body; `field`:
    where in the JSON answer. Never a body, a header or a query. A status of 0 is no answer.
    """

    at: float
    method: str
    path: str
    kind: str
    field: str
    candidate_status: int
    stable_status: int


@dataclass(frozen=True, slots=True)
class Differences:
    """Counts since `epoch` began, for this pair of releases.

    For each of `compared` requests the stable version was asked twice: in `candidate` of them the
    candidate's answer differed from the first stable one where the second did not, in `control` the
    other way round. Were both versions the same, either would be as likely. `kinds` counts those of
    `candidate`.
    """

    epoch: str
    candidate_release: str
    stable_release: str
    compared: int
    candidate: int
    control: int
    kinds: dict[str, int] = field(default_factory=dict)
    examples: tuple[Difference, ...] = ()


class ShadowDiffer(Protocol):
    """Declarative and fenced. It asks both versions itself, GET and HEAD only, within bounds."""

    def watch(self, order: Comparison) -> str:
        """Compare from now on; gives the Unix socket to which copies of users' requests are to be
        sent. The same again changes nothing. Raises Drifted (`stale-generation`), Failed.
        """
        ...

    def read(self, service: str, environment: str) -> Differences | None:
        """The counts now. None: nothing is compared there, or nothing was yet."""
        ...

    def stop(self, service: str, environment: str, generation: int) -> None:
        """Compare no more. Not watched: nothing to do. Raises Drifted (`stale-generation`)."""
        ...
