"""What walks users' ways through a service again and again, beside the users."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class JourneyOrder:
    """Play these programs of that commit, in turn, for each of the releases.

    A program finds the service at HEADWAY_URL and reaches the release by sending HEADWAY_RELEASE as
    the header `header`; `host` is the name to ask for, empty if any will do. It ends with 0 if all
    went well, within `timeout_seconds`. `every_seconds` lie between two begins of one program.
    """

    service: str
    environment: str
    generation: int
    repo: str
    sha: str
    files: tuple[str, ...]
    releases: tuple[str, ...]
    url: str
    header: str
    host: str
    every_seconds: float
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Played:
    """Counts since `epoch` began: by program and release, (bad, total). `last`: by program, what
    its last failure said.
    """

    epoch: str
    counts: dict[str, dict[str, tuple[int, int]]]
    last: dict[str, str] = field(default_factory=dict)


class JourneyPlayer(Protocol):
    """Declarative and fenced. One program at a time; none outlives its time, nor `stop`."""

    def play(self, order: JourneyOrder) -> None:
        """Play from now on. The same again changes nothing. Raises Drifted (`stale-generation`),
        Failed, and what the source host raises.
        """
        ...

    def read(self, service: str, environment: str) -> Played | None:
        """The counts now. None: nothing is played there, or nothing was yet."""
        ...

    def stop(self, service: str, environment: str, generation: int) -> None:
        """Play no more. Not playing: nothing to do. Raises Drifted (`stale-generation`)."""
        ...
