"""What asks a deployed environment a question over HTTP."""

from dataclasses import dataclass
from typing import Protocol

from headway.model.service import HttpTest


@dataclass(frozen=True, slots=True)
class Answer:
    """`problem` is empty if the test passed, else one sentence: what was expected, what came."""

    test: str
    problem: str
    status: int | None
    seconds: float


class Probe(Protocol):
    """Runs HTTP tests."""

    def ask(self, address: str, test: HttpTest, headers: dict[str, str]) -> Answer:
        """One request, one answer. No answer is a problem, not an exception."""
        ...
