"""What asks a deployed environment a question over HTTP."""

from dataclasses import dataclass, field
from typing import Protocol

from headway.model.service import HttpTest


@dataclass(frozen=True, slots=True)
class Answer:
    """`problem` is empty if the test passed, else one sentence: what was expected, what came."""

    test: str
    problem: str
    status: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it is sent. `target`: path and query, percent-encoded as needed."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `problem`: why nothing did, in words; else empty. `headers`: names in lower
    case, several values joined by `, `. `body`: at most 4 MiB, `problem` if it is longer.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    problem: str = ""


class Probe(Protocol):
    """Runs HTTP tests."""

    def send(self, address: str, call: Call, seconds: float) -> Reply:
        """One request, one answer. No answer is a problem, not an exception. `address` has no
        path; redirects are answers.
        """
        ...

    def ask(self, address: str, test: HttpTest, headers: dict[str, str]) -> Answer:
        """One request, one answer. No answer is a problem, not an exception."""
        ...
